"""Embedding videos of contest-like lengths with a base Uniter: padded, trimmed, recipe plus; and by several checkpoints."""

import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contest import base_config, contest_batches, encoder_gflop, gemm_rate
from benchmarks.table import medians, row, seconds
from vsim_tf.embedding import Embedder
from vsim_tf.models import build_model
from vsim_tf.registry import RECIPES
from vsim_tf.training.checkpoints import TrainingState, newest_checkpoint
from vsim_tf.training.optimizers import GroupAdam

BATCH = 64
CHECKPOINTS, PASSES_IN_MEMORY = 3, 4


def embed(precision: str):
    """Videos per second padded, trimmed and packed; the GEMM rate of what the trimmed model computes."""
    keras.config.set_dtype_policy(precision)
    rate, times, values, positions = gemm_rate(precision), {}, {}, {}
    for name, recipe, trimmed in (("padded", "2021", False), ("2021", "2021", True), ("plus", "plus", True)):
        config = base_config("uniter", **RECIPES[recipe].model)
        keras.utils.set_random_seed(1)
        embedder = Embedder(build_model(config))
        batches = contest_batches(config, BATCH, trimmed)

        def run(embedder=embedder, batches=batches):
            return np.concatenate([embedder.videos(batch) for batch in batches])

        values[name] = run()
        times[name] = medians({name: run}, 3)[name]
        positions[name] = np.mean([batch.input_ids.shape[1] + batch.frames.shape[1] for batch in batches])
    videos = len(values["2021"])
    gflop = encoder_gflop(config, videos, positions["2021"])
    row(
        f"embedding, Uniter, {precision}, `2021` trimmed", f"{videos / times['2021']:.1f} videos/s",
        f"GEMM {rate:.0f} GFLOP/s, encoder {gflop / times['2021']:.0f}", gflop / times["2021"] / rate,
    )  # fmt: skip
    for name, beside in (("2021", "padded"), ("plus", "2021")):
        row(
            f"embedding, Uniter, {precision}, `{name}`", f"{videos / times[name]:.1f} videos/s",
            f"{beside} {videos / times[beside]:.1f} videos/s", times[beside] / times[name],
        )  # fmt: skip
    if precision == "float32":
        print(f"largest difference of trimmed from padded embeddings: {np.abs(values['2021'] - values['padded']).max():.1e}")


def many_checkpoints():
    """Embedding by several checkpoints beside as many passes of the model over decoded batches."""
    keras.config.set_dtype_policy("float32")
    config = base_config("uniter")
    embedder = Embedder(build_model(config))
    batches = [(tf.range(BATCH * i, BATCH * (i + 1)), batch) for i, batch in enumerate(contest_batches(config, BATCH, True))]
    batches *= PASSES_IN_MEMORY
    with tempfile.TemporaryDirectory() as folder:
        TrainingState(embedder.model, GroupAdam({}, {})).save_last(Path(folder))
        checkpoint = newest_checkpoint(Path(folder), "last")
        embedder.embed(batches[:1])
        passes = seconds(lambda: [embedder.embed(batches) for _ in range(CHECKPOINTS)])
        together = seconds(lambda: embedder.embed_by_checkpoints(batches, [checkpoint] * CHECKPOINTS))
    videos = len(batches) * BATCH
    row(
        f"embedding {videos} videos, {CHECKPOINTS} checkpoints",
        f"{together:.1f} s",
        f"as many passes {passes:.1f} s",
        together / passes,
    )


def main():
    for precision in ("float32", "mixed_bfloat16"):
        embed(precision)
    many_checkpoints()


if __name__ == "__main__":
    main()

"""Embedding videos of contest-like lengths with a base Uniter: padded, trimmed, recipe plus; and by several checkpoints."""

import tempfile
from pathlib import Path

import keras
import numpy as np

from benchmarks.contest import base_config, contest_batches, contest_records, encoder_gflop, gemm_rate
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf import registry
from vsim_tf.data.pipeline import numbered_batches
from vsim_tf.data.records import expand_pattern
from vsim_tf.data.tags import read_tag_list
from vsim_tf.data.text import Tokenizer, build_vocab
from vsim_tf.embedding import Embedder
from vsim_tf.models import build_model
from vsim_tf.training.checkpoints import TrainingState, newest_checkpoint
from vsim_tf.training.optimizers import GroupAdam
from vsim_tf.training.pretraining import read_titles
from vsim_tf.training.run_folder import batch_format

BATCH, ROUNDS = 64, 2  # the batch is that of inference_pair.py by default
WANTED_SHARE = {"float32": 0.85, "mixed_bfloat16": 0.70}
"""Of the GEMM rate, which `2021` should reach; `plus` should embed 1.5 times as many videos as `2021` does at that share."""
VIDEOS, CHECKPOINTS, CHECKPOINT_ROUNDS = 2048, 11, 3


def embed(precision: str):
    """Videos per second padded, trimmed and packed; the GEMM rate of what the trimmed model computes."""
    keras.config.set_dtype_policy(precision)
    values, measures, positions = {}, {"gemm": lambda: gemm_rate(precision)}, {}
    for name, recipe, trimmed in (("padded", "2021", False), ("2021", "2021", True), ("plus", "plus", True)):
        config = base_config("uniter", **registry.RECIPES[recipe].model)
        keras.utils.set_random_seed(1)
        embedder = Embedder(build_model(config))
        batches = contest_batches(config, BATCH, trimmed)

        def run(embedder=embedder, batches=batches):
            return np.concatenate([embedder.videos(batch) for batch in batches])

        values[name], measures[name] = run(), lambda run=run: seconds(run)
        positions[name] = np.mean([batch.input_ids.shape[1] + batch.frames.shape[1] for batch in batches])
    found, videos = in_turn(ROUNDS, **measures), len(values["2021"])
    _rows(precision, found, videos, encoder_gflop(config, videos, positions["2021"]))
    if precision == "float32":
        print(f"largest difference of trimmed from padded embeddings: {np.abs(values['2021'] - values['padded']).max():.1e}")


def _rows(precision: str, found: dict[str, np.ndarray], videos: int, gflop: float):
    """Rows of the seconds that so many videos took; `gflop` is what `2021` computes for them."""
    work, speeds = f"embedding, Uniter, {precision}", {name: f"{videos / median(found[name]):.1f} videos/s" for name in found}
    row(
        f"{work}, `2021`, matrix products of its encoder", f"{median(gflop / found['2021']):.0f} GFLOP/s",
        f"GEMM {median(found['gemm']):.0f} GFLOP/s", median(gflop / found["2021"] / found["gemm"]),
    )  # fmt: skip
    for name, beside in (("2021", "padded"), ("plus", "2021")):
        row(f"{work}, `{name}`", speeds[name], f"{beside} {speeds[beside]}", median(found[beside] / found[name]))
    wanted = gflop / (WANTED_SHARE[precision] * found["gemm"])
    at_share = f"2021 at {WANTED_SHARE[precision]:.2f} of GEMM {videos / median(wanted):.1f} videos/s"
    row(f"{work}, `plus`", speeds["plus"], at_share, median(wanted / found["plus"]))


def many_checkpoints():
    """Embedding records by 11 checkpoints of a tiny model beside as many passes of the model over decoded batches."""
    keras.config.set_dtype_policy("float32")
    with tempfile.TemporaryDirectory() as name:
        data = contest_records(Path(name) / "data", pointwise=VIDEOS, pairwise=10)
        files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
        tokenizer, spec = Tokenizer(build_vocab(read_titles(files), "bert")), registry.model_spec("uniter")
        tags = read_tag_list(data / "tag_list.txt")
        config = registry.model_config(spec, "tiny", registry.encoder_config(spec, "tiny", tokenizer.vocab_size), len(tags))
        embedder = Embedder(build_model(config))
        TrainingState(embedder.model, GroupAdam({}, {})).save_last(Path(name))
        checkpoint = newest_checkpoint(Path(name), "last")
        batches = numbered_batches(files, "videos", batch_format(config, tokenizer, tags), BATCH)
        decoded = list(batches)
        embedder.embed(decoded)
        found = in_turn(
            CHECKPOINT_ROUNDS,
            passes=lambda: seconds(lambda: [embedder.embed(decoded) for _ in range(CHECKPOINTS)]),
            together=lambda: seconds(lambda: embedder.embed_by_checkpoints(batches, [checkpoint] * CHECKPOINTS)),
        )
    traces = embedder.videos.experimental_get_tracing_count()
    print(f"traces of the model for {CHECKPOINTS} checkpoints and all lengths: {traces}")
    row(
        f"embedding {VIDEOS} records by {CHECKPOINTS} checkpoints, tiny", f"{median(found['together']):.1f} s",
        f"as many passes over decoded batches {median(found['passes']):.1f} s", median(found["together"] / found["passes"]),
    )  # fmt: skip


def main():
    for precision in ("float32", "mixed_bfloat16"):
        embed(precision)
    many_checkpoints()


if __name__ == "__main__":
    main()

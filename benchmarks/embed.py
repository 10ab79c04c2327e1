"""Embedding videos of contest-like lengths with a base Uniter: trimmed, recipe plus; and by several checkpoints."""

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from benchmarks.contest import base_model, contest_batches, contest_records, encoder_gflop, gemm_rate
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.checkpoint_files import saved_checkpoints
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.held_weights import VIDEOS_AT_A_TIME
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.runs.stage import Selection
from vsim_tf.text.tokenizers import Tokenizer, build_vocab
from vsim_tf.training.pretrain_inputs import read_texts

BATCH, ROUNDS = 64, 2  # the batch is that of inference_pair.py by default
WANTED_SHARE = {"float32": 0.85, "mixed_bfloat16": 0.70}
"""Of the GEMM rate, which `2021` should reach; `plus` should embed 1.5 times as many videos as `2021` does at that share."""
CHECKPOINTS, CHECKPOINT_ROUNDS = 11, 3


def embed(precision: str):
    """Videos per second trimmed and packed; the GEMM rate of what the trimmed model computes."""
    keras.config.set_dtype_policy(precision)
    configs = {recipe: base_model("uniter", recipe) for recipe in ("2021", "plus")}
    embedders = {recipe: new_embedder(config) for recipe, config in configs.items()}
    batches = {recipe: contest_batches(config, BATCH, trimmed=True) for recipe, config in configs.items()}
    embeddings = {recipe: values(embedders[recipe], batches[recipe]) for recipe in configs}
    measures = {recipe: lambda recipe=recipe: seconds(lambda: values(embedders[recipe], batches[recipe])) for recipe in configs}
    found = in_turn(ROUNDS, gemm=lambda: gemm_rate(precision), **measures)
    videos, positions = len(embeddings["2021"]), np.mean([b.input_ids.shape[1] + b.frames.shape[1] for b in batches["2021"]])
    rows(precision, found, videos, encoder_gflop(configs["2021"], videos, positions))
    if precision == "float32":
        padded = values(embedders["2021"], contest_batches(configs["2021"], BATCH, trimmed=False))
        print(f"largest difference of trimmed from padded embeddings: {np.abs(embeddings['2021'] - padded).max():.1e}")


def new_embedder(config) -> Embedder:
    """An embedder of random weights, the same for every recipe."""
    keras.utils.set_random_seed(1)
    return Embedder(build_network(config))


def values(embedder: Embedder, batches) -> np.ndarray:
    """Embeddings of all videos, `[videos, dim]`."""
    return np.concatenate([embedder.videos(batch._replace(targets={"tags": batch.targets["tags"]})) for batch in batches])


def rows(precision: str, found: dict[str, np.ndarray], videos: int, gflop: float):
    """Rows of the seconds that so many videos took; `gflop` is what `2021` computes for them."""
    work, speeds = f"embedding, Uniter, {precision}", {name: f"{videos / median(found[name]):.1f} videos/s" for name in found}
    rates, wanted = gflop / found["2021"], gflop / (WANTED_SHARE[precision] * found["gemm"])
    computed, gemm = f"{median(rates):.0f} GFLOP/s", f"GEMM {median(found['gemm']):.0f} GFLOP/s"
    row(f"{work}, `2021`", f"{speeds['2021']}, {computed}", gemm, median(rates / found["gemm"]))
    row(f"{work}, `plus`", speeds["plus"], f"2021 {speeds['2021']}", median(found["2021"] / found["plus"]))
    at_share = f"2021 at {WANTED_SHARE[precision]:.2f} of GEMM {videos / median(wanted):.1f} videos/s"
    row(f"{work}, `plus`", speeds["plus"], at_share, median(wanted / found["plus"]))


class Timed:
    """A callable that adds up the seconds of its calls."""

    def __init__(self, work: Callable):
        self.work, self.total = work, 0.0

    def __call__(self, *arguments):
        start = time.perf_counter()
        result = self.work(*arguments)
        self.total += time.perf_counter() - start
        return result

    def spent(self) -> float:
        """Seconds since this was last asked."""
        total, self.total = self.total, 0.0
        return total


def many_checkpoints(size: str = "tiny", records: int = VIDEOS_AT_A_TIME, rounds: int = CHECKPOINT_ROUNDS):
    """Embedding records by 11 checkpoints, compared with the passes of the model in it: the rest is reading and restoring."""
    keras.config.set_dtype_policy("float32")
    with tempfile.TemporaryDirectory() as name:
        data = contest_records(Path(name) / "data", pointwise=records, pairwise=10)
        files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
        tokenizer = Tokenizer(build_vocab(read_texts(files), "bert"))
        tags = read_tag_list(data / "tag_list.txt")
        config = sized(registry.preset("uniter").model, size).fitted(tokenizer.vocab_size, len(tags))
        embedder = Embedder(build_network(config))
        TrainingState(embedder.model, GroupAdam({}, {}), Selection()).save_last(Path(name))
        for file, number in itertools.product(list((Path(name) / "last").iterdir()), range(1, CHECKPOINTS)):
            shutil.copy(file, file.with_name(file.name.replace("ckpt-0", f"ckpt-{number}")))
        checkpoints = [str(path) for path in saved_checkpoints(Path(name), "last")]
        batches = numbered_batches(files, "videos", batch_format(config, tokenizer, tags), BATCH)
        embedder.embed(batches)
        model, embedder.videos = embedder.videos, Timed(embedder.videos)
        found = in_turn(
            rounds,
            together=lambda: seconds(lambda: embedder.embed_by_checkpoints(batches, checkpoints)),
            passes=embedder.videos.spent,
        )
    print(f"traces of the model for {CHECKPOINTS} checkpoints and all lengths: {model.experimental_get_tracing_count()}")
    row(
        f"embedding {records} records by {CHECKPOINTS} checkpoints, {size}", f"{median(found['together']):.1f} s",
        f"{CHECKPOINTS} passes of the model in it {median(found['passes']):.1f} s", median(found["together"] / found["passes"]),
    )  # fmt: skip


def main():
    for precision in ("float32", "mixed_bfloat16"):
        embed(precision)
    many_checkpoints()


if __name__ == "__main__":
    main()

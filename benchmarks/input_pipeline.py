"""Reading records of contest-like videos, 1536 numbers a frame: decoding and tokens included."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import row, seconds
from vsim_tf import registry
from vsim_tf.data.fold_writer import write_folds
from vsim_tf.data.manifest import fold_files
from vsim_tf.data.pipeline import TrainingData
from vsim_tf.data.records import expand_pattern
from vsim_tf.data.tags import read_tag_list
from vsim_tf.data.text import Tokenizer, build_vocab
from vsim_tf.training.pretrain_inputs import read_titles
from vsim_tf.training.run_folder import batch_format

VIDEOS, BATCH = 2400, 32
WARM_EPOCHS, EPOCHS = 3, 6
NEEDED = {"videos": 10_000, "pairs": 5_000}


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = contest_records(Path(folder) / "data", pointwise=VIDEOS, pairwise=VIDEOS // 2)
        write_folds(str(data / "pairwise" / "*.tfrecords"), str(data / "pairwise" / "label.tsv"), f"{folder}/folds")
        videos = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
        spec = registry.model_spec("uniter")
        tokenizer = Tokenizer(build_vocab(read_titles(videos), "bert"))
        tags = read_tag_list(data / "tag_list.txt")
        config = registry.model_config(spec, "base", registry.encoder_config(spec, "base", tokenizer.vocab_size), len(tags))
        form = batch_format(config, tokenizer, tags)
        pairs, _ = fold_files(Path(folder) / "folds", 0)
        for kind, files in (("videos", videos), ("pairs", pairs)):
            measure(kind, TrainingData(files, kind, form, BATCH, seed=1, mask_words=kind == "videos"))


def read(batches: Iterator, count: int):
    for _ in range(count):
        next(batches)


def resident_mib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(kind: str, data: TrainingData):
    batches = iter(data.batches())
    read(batches, WARM_EPOCHS * data.steps_per_epoch)  # files into the page cache, buffers full
    before = resident_mib()
    steps = EPOCHS * data.steps_per_epoch
    spent = seconds(lambda: read(batches, steps))
    grown = resident_mib() - before
    rate = steps * BATCH / spent
    row(
        f"reading {kind} for training, tokens included",
        f"{rate:,.0f} a second",
        f"wanted {NEEDED[kind]:,}; memory grew {grown:.0f} MiB in {EPOCHS} epochs",
        rate / NEEDED[kind],
    )


if __name__ == "__main__":
    main()

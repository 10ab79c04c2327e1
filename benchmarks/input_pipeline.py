"""Reading records of contest-like videos, 1536 numbers a frame, as training does: decoding, tokens, deterministic kernels.

python -m benchmarks.input_pipeline
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import row, seconds
from vsim_tf.distributed.device import use_deterministic_kernels
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.presets import registry
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.manifest import fold_files
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern, read_records, write_records
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.text.tokenizers import Tokenizer, build_vocab
from vsim_tf.training.pretrain_inputs import read_texts

VIDEOS, BATCH, FILES = 2400, 32, 20
WARM_EPOCHS, EPOCHS = 3, 6
NEEDED = {"videos": 10_000, "pairs": 5_000}


def main():
    use_deterministic_kernels(None)
    with tempfile.TemporaryDirectory() as folder:
        data = contest_records(Path(folder) / "data", pointwise=VIDEOS, pairwise=VIDEOS // 2)
        write_folds(str(data / "pairwise" / "*.tfrecords"), str(data / "pairwise" / "label.tsv"), f"{folder}/folds")
        videos = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
        tokenizer = Tokenizer(build_vocab(read_texts(videos), "bert"))
        tags = read_tag_list(data / "tag_list.txt")
        config = registry.preset("uniter").model.fitted(tokenizer.vocab_size, len(tags))
        form = batch_format(config, tokenizer, tags)
        pairs, _ = fold_files(Path(folder) / "folds", 0)
        for name, kind, files in (
            ("videos of one file", "videos", dealt(videos, Path(folder), 1)),
            (f"videos of {FILES} files", "videos", dealt(videos, Path(folder), FILES)),
            ("pairs", "pairs", pairs),
        ):
            measure(
                name,
                TrainingData(files, kind, form, BATCH, seed=1, corruptions=[MaskedTokens().corrupt] if kind == "videos" else []),
            )


def dealt(files: list[str], folder: Path, count: int) -> list[str]:
    """The records of some files as those of so many others."""
    records = [data for file in files for _, data in read_records(file)]
    names = [str(folder / f"{number:02d}-of-{count}.tfrecords") for number in range(count)]
    for number, name in enumerate(names):
        write_records(name, records[number::count])
    return names


def read(batches: Iterator, count: int):
    for _ in range(count):
        next(batches)


def resident_mib() -> float:
    """Memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(name: str, data: TrainingData):
    batches = iter(data.batches())
    read(batches, WARM_EPOCHS * data.steps_per_epoch)  # files into the page cache, buffers full
    before = resident_mib()
    steps = EPOCHS * data.steps_per_epoch
    spent = seconds(lambda: read(batches, steps))
    grown = resident_mib() - before
    rate = steps * BATCH / spent
    row(
        f"reading {name} for training, tokens included",
        f"{rate:,.0f} a second",
        f"wanted {NEEDED[data.kind]:,}; memory grew {grown:.0f} MiB in {EPOCHS} epochs",
        rate / NEEDED[data.kind],
    )


if __name__ == "__main__":
    main()

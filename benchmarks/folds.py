"""Writing the 11 folds, compared with a plain copy of them; the disk is read, not what memory still holds of it."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.records.fold_writer import write_folds

VIDEOS, ROUNDS = 10_000, 3


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def mib(paths: list[Path]) -> float:
    return sum(path.stat().st_size for path in paths) / 2**20


def forget(paths: list[Path]):
    """Takes files out of memory, so that the disk is read again."""
    os.sync()
    for path in paths:
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def written(source: list[Path], target: Path, write: Callable) -> float:
    """MiB a second at which `write` reads the source, writes the target and has it on the disk."""
    shutil.rmtree(target, ignore_errors=True)
    forget(source)
    spent = seconds(lambda: (write(), os.sync()))
    return mib(files(target)) / spent


def main():
    with tempfile.TemporaryDirectory() as name:
        data = contest_records(Path(name) / "data", pointwise=3, pairwise=VIDEOS)
        videos, label_file = data / "pairwise" / "*.tfrecords", data / "pairwise" / "label.tsv"
        source, folds, copy = files(data / "pairwise"), Path(name) / "folds", Path(name) / "copy"
        found = in_turn(
            ROUNDS,
            folds=lambda: written(source, folds, lambda: write_folds(str(videos), str(label_file), str(folds))),
            copy=lambda: written(files(folds), copy, lambda: shutil.copytree(folds, copy)),
        )
        row("11 folds on disk", f"{mib(files(folds)):.0f} MiB", f"source {mib(source):.0f} MiB", mib(files(folds)) / mib(source))
        row(
            "writing 11 folds",
            f"{median(found['folds']):.0f} MiB/s",
            f"plain copy {median(found['copy']):.0f} MiB/s",
            median(found["folds"] / found["copy"]),
        )


if __name__ == "__main__":
    main()

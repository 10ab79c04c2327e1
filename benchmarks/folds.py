"""Writing the 11 folds beside a plain copy of as many bytes."""

import os
import shutil
import tempfile
from pathlib import Path

from benchmarks.contest import contest_records
from benchmarks.table import row, seconds
from vsim_tf.data.fold_writer import write_folds

VIDEOS = 6000


def tree_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def copy(source: Path, target: Path):
    shutil.copytree(source, target)
    os.sync()


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = contest_records(folder / "data", VIDEOS)
        source = sum(path.stat().st_size for path in (data / "pairwise").glob("*.tfrecords"))
        write = seconds(
            lambda: write_folds(
                str(data / "pairwise" / "*.tfrecords"), str(data / "pairwise" / "label.tsv"), str(folder / "folds")
            )
        )
        plain = seconds(lambda: copy(folder / "folds", folder / "copy"))
        written = tree_bytes(folder / "folds")
        row("11 folds on disk", f"{written / 2**20:.0f} MiB", f"source {source / 2**20:.0f} MiB", written / source)
        row(
            "writing 11 folds",
            f"{written / write / 2**20:.0f} MiB/s",
            f"plain copy {written / plain / 2**20:.0f} MiB/s",
            plain / write,
        )


if __name__ == "__main__":
    main()

"""A disk that is really full: a file system of a few megabytes in memory, seen by one process alone."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KILOBYTES = 2500

PROGRAM = """
import hashlib, os, shutil, sys
from collections import namedtuple
from pathlib import Path

import numpy as np

from vsim_tf.records import fold_writer
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record
from vsim_tf.errors import UserError
from vsim_tf.records.embeddings import Embeddings, write_embeddings, write_submission

source, disk = map(Path, sys.argv[1:])
rng = np.random.default_rng(0)
write_records(source / "videos", (video_record(str(i), "", rng.standard_normal((20, 1000))) for i in range(20)))
(source / "label.tsv").write_text("".join(f"{i}\\t{i + 1}\\t0.5\\n" for i in range(19)))

def write(seed):
    write_folds(str(source / "videos"), str(source / "label.tsv"), str(disk / "folds"), num_folds=3, seed=seed,
                frame_embedding_size=1000, overwrite=True)

def contents():
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in disk.rglob("*") if path.is_file()}

def refused(action, *words):
    before = contents()
    try:
        action()
    except UserError as error:
        assert all(word in str(error) for word in words), error
        print(error)
    else:
        sys.exit(f"not refused: {words}")
    assert contents() == before, contents().keys() ^ before.keys()

write(seed=1)
refused(lambda: write(seed=2), "folds: 1.5 MB are needed, ", " MB are free")

shutil.disk_usage = lambda path: namedtuple("Usage", "free")(10**12)  # as where a quota, or another process, takes the space
refused(lambda: write(seed=2), "writing failed", "No space left on device")

for name in ("a.zip", "a.npz"):
    write = {"a.zip": write_submission, "a.npz": write_embeddings}[name]
    write(disk / name, Embeddings(["1"], np.ones((1, 2))))
    many = Embeddings([str(i) for i in range(9000)], rng.standard_normal((9000, 256)))
    refused(lambda: write(disk / name, many), name + ": cannot be written: No space left on device")
"""


def own_file_system() -> list[str] | None:
    """The start of a command that may mount file systems which nobody else sees."""
    for command in (["unshare", "-m"], ["unshare", "-rm"]):
        mount = [*command, "mount", "-t", "tmpfs", "tmpfs", "/mnt"]
        if shutil.which("unshare") and not subprocess.run(mount, capture_output=True, check=False).returncode:
            return command
    return None


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path):
    command = own_file_system()
    if command is None:
        pytest.skip("this user may not mount a file system")
    (tmp_path / "disk").mkdir()
    mount = f'mount -t tmpfs -o size={KILOBYTES}k tmpfs "$4" && exec "$1" -c "$2" "$3" "$4"'
    arguments = [sys.executable, PROGRAM, str(tmp_path), str(tmp_path / "disk")]
    result = subprocess.run(
        [*command, "sh", "-c", mount, "sh", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count("No space left on device") == 3

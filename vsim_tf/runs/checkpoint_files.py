"""Checkpoints of a run folder as files, told apart by their names alone: TensorFlow is not needed for it.

A name such as `ckpt-4000` stands for `ckpt-4000.index` and its data. No other file says which is the newest: the number does.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.paths import BEST, CHECKPOINT, LAST, checkpoint_name
from vsim_tf.types import PathLike


def saved_checkpoints(folder: Path, kind: str) -> list[Path]:
    """The `last` or `best` checkpoints of a run folder, the newest first."""
    return _checkpoints(folder / kind)


def newest_checkpoint(folder: Path, kind: str) -> str:
    """Path of a run folder's newest `last` or `best` checkpoint; `UserError` when there is none."""
    checkpoints = saved_checkpoints(folder, kind)
    if not checkpoints:
        raise UserError(f"{folder / kind} holds no checkpoint: train this model first")
    return os.fspath(checkpoints[0])


def require_checkpoint(checkpoint: PathLike) -> None:
    """`UserError` with the checkpoints of the same run unless there is this one."""
    checkpoint = Path(checkpoint)
    if not index_file(checkpoint).exists():
        raise UserError(f"no checkpoint {checkpoint} (there is no file {index_file(checkpoint)}); {_there(checkpoint.parent)}")


def index_file(checkpoint: PathLike) -> Path:
    """The file without which a checkpoint is not there."""
    return Path(f"{os.fspath(checkpoint)}.index")


def run_of(checkpoint: PathLike) -> Path:
    """The run folder that a checkpoint is in."""
    return Path(os.path.abspath(checkpoint)).parent.parent


@contextlib.contextmanager
def path_for_tensorflow(checkpoint: PathLike) -> Iterator[str]:
    """A path by which TensorFlow reads a checkpoint: it takes the path for a pattern, so none with `*?[\\` will do."""
    if not set("*?[\\") & set(os.fspath(checkpoint)):
        yield os.fspath(checkpoint)
        return
    checkpoint = Path(os.path.abspath(checkpoint))
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "checkpoints")
        link.symlink_to(checkpoint.parent)
        yield os.fspath(link / checkpoint.name)


def resuming_state(folder: Path) -> str:
    """What the run of a folder does when it is started again, for the message of a write that failed."""
    states = saved_checkpoints(folder, LAST)
    return f"it resumes from {LAST}/{states[0].name}" if states else "it starts again, as no state is saved yet"


def _checkpoints(folder: Path) -> list[Path]:
    numbers = [re.fullmatch(rf"{CHECKPOINT}(\d+)\.index", path.name) for path in folder.glob(f"{CHECKPOINT}*.index")]
    return [folder / checkpoint_name(step) for step in sorted((int(number[1]) for number in numbers if number), reverse=True)]


def _there(folder: Path) -> str:
    """Which checkpoints a folder holds, or those next to it, where the name of the folder is wrong too."""
    found = _checkpoints(folder) or [path for kind in (LAST, BEST) for path in _checkpoints(folder.parent / kind)]
    found = found or list(_checkpoints(folder / LAST))
    if not found:
        nothing = "holds no checkpoint" if folder.is_dir() else "does not exist"
        return f"{folder} {nothing}; docs/data.md, 'Run folders', says where checkpoints are"
    return f"there is {count_and_first([os.fspath(path) for path in found])}"

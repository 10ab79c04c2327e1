"""Which checkpoints a run folder holds, by their names and without TensorFlow."""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vsim_tf.errors import UserError

LAST, BEST = "last", "best"


def saved_checkpoints(folder: Path, kind: str) -> list[Path]:
    """The `last` or `best` checkpoints of a run folder, the newest first."""
    numbers = [re.fullmatch(r"ckpt-(\d+)\.index", path.name) for path in (folder / kind).glob("ckpt-*.index")]
    steps = sorted((int(number[1]) for number in numbers if number), reverse=True)
    return [folder / kind / f"ckpt-{step}" for step in steps]


def newest_checkpoint(folder: Path, kind: str) -> str:
    """Path of a run folder's newest `last` or `best` checkpoint; `UserError` when there is none."""
    checkpoints = saved_checkpoints(folder, kind)
    if not checkpoints:
        raise UserError(f"{folder / kind} holds no checkpoint: train this model first")
    return os.fspath(checkpoints[0])


@contextlib.contextmanager
def path_for_tensorflow(checkpoint: str | os.PathLike) -> Iterator[str]:
    """A path by which TensorFlow reads a checkpoint: it takes the path for a pattern, so none with `*?[\\` will do."""
    if not set("*?[\\") & set(os.fspath(checkpoint)):
        yield os.fspath(checkpoint)
        return
    checkpoint = Path(os.path.abspath(checkpoint))
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder, "checkpoints")
        link.symlink_to(checkpoint.parent)
        yield os.fspath(link / checkpoint.name)

"""Space on the disk for the checkpoints of training runs, by the model's and the optimizer's number of parameters."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import tensorflow as tf

from vsim_tf.distributed.cluster import is_chief
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.paths import BEST, CHECKPOINT, LAST
from vsim_tf.runs.checkpoints import KEPT_STATES, TrainingState


def require_space_for_runs(state: TrainingState, folders: Sequence[Path], keep_optimizer: bool) -> None:
    """`UserError`, before the first step, where the checkpoints of all these runs will not fit on the disk.

    Args:
        state: of the model that is trained in each folder.
        folders: runs that are not complete.
        keep_optimizer: whether complete runs keep the optimizer's moments.
    """
    if folders and is_chief():
        missing = max(bytes_for_runs(state, len(folders), keep_optimizer) - bytes_there(folders), 0)
        runs = f"{len(folders)} runs" if len(folders) > 1 else "one run"
        require_space(folders[0].parent, missing, f"checkpoints of {runs}")


def bytes_for_runs(state: TrainingState, runs: int, keep_optimizer: bool) -> int:
    """Most bytes that runs take one after the other: the last one trains while the others are complete.

    A complete run holds its last weights, its best ones, and the moments if they are kept. A run that trains holds
    `KEPT_STATES` whole states and the best weights, and writes one more of each before the oldest is removed.
    """
    weights = _bytes(state.weights.values())
    whole = weights + _bytes(state.slots.values())
    complete = (whole if keep_optimizer else weights) + weights
    training = (KEPT_STATES + 1) * whole + 2 * weights
    return (runs - 1) * complete + training


def bytes_there(folders: Iterable[Path]) -> int:
    """Bytes of the checkpoints that the folders hold already."""
    files = (file for folder in folders for kind in (LAST, BEST) for file in (folder / kind).glob(f"{CHECKPOINT}*"))
    return sum(file.stat().st_size for file in files)


def _bytes(variables: Iterable[tf.Variable]) -> int:
    return sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)

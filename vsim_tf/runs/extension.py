"""More steps for a run that is finished or was stopped, where its completed updates are those of the longer run as well."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.io.paths import CHECKPOINT, LAST
from vsim_tf.optim.schedules import Schedule
from vsim_tf.runs.checkpoint_files import path_for_tensorflow, saved_checkpoints
from vsim_tf.runs.settings import Difference
from vsim_tf.runs.stage import Stage

TOTAL_STEPS = "training.total_steps"
GROUPS = "training.groups."


def same_rates(one: Schedule, other: Schedule, updates: int) -> bool:
    """Whether the first so many updates have the same learning rates under both schedules."""
    steps = np.arange(updates)
    return one == other or bool(np.array_equal(one.rate(steps), other.rate(steps)))


def asks_for_more_steps(differing: Sequence[Difference]) -> bool:
    """Whether more steps, and at most other schedules, are all that is asked for."""
    allowed = (TOTAL_STEPS, GROUPS)
    more = any(path == TOTAL_STEPS and type(there) is int and there < asked for path, there, asked in differing)
    return more and all(difference.path.startswith(allowed) for difference in differing)


def require_extensible(folder: Path, there: Stage, asked: Stage) -> None:
    """Checks that the run of a folder can be continued to the steps asked for.

    Raises:
        UserError: completed updates had other learning rates than the longer run has, or the moments of Adam are gone.
    """
    checkpoints = saved_checkpoints(folder, LAST)
    completed = int(checkpoints[0].name.removeprefix(CHECKPOINT)) if checkpoints else 0
    for name in asked.groups:
        if not same_rates(there.groups[name].schedule, asked.groups[name].schedule, completed):
            raise _other_rates(folder, there, asked, name, completed)
    if checkpoints and not _has_moments(checkpoints[0]):
        raise UserError(
            f"{folder}: the run of {there.total_steps} steps cannot be extended to {asked.total_steps}, as the moments of Adam"
            " were removed when it was complete (without keep_optimizer=True); train all steps in another output_dir",
            ["keep_optimizer", "output_dir"],
        )


def _other_rates(folder: Path, there: Stage, asked: Stage, name: str, completed: int) -> UserError:
    old, new = (stage.groups[name].schedule.to_dict() for stage in (there, asked))
    changed = [key for key in old if old[key] != new[key]]
    kept = " ".join(f"{GROUPS}{name}.schedule.{key}={old[key]}" for key in changed)
    zero = f" (then the rate is 0 from step {old['horizon']} on)" if old.get("horizon", math.inf) <= there.total_steps else ""
    return UserError(
        f"{folder} holds a run of {there.total_steps} steps that cannot be extended to {asked.total_steps} with this schedule:"
        f" the learning rates of its {completed} completed updates would have been others. Add {kept}{zero}, or train all steps"
        " in another output_dir",
        fields=[*(f"{GROUPS}{name}.schedule.{key}" for key in changed), "output_dir"],
    )


def _has_moments(checkpoint: Path) -> bool:
    import tensorflow as tf

    from vsim_tf.runs.weights import DAMAGES

    try:
        with path_for_tensorflow(checkpoint) as path:
            names = tf.train.load_checkpoint(path).get_variable_to_shape_map()
        return any(name.startswith("slots/") for name in names)
    except DAMAGES:
        return True  # restoring says what is damaged, and may find the one before

"""Phases of a stage: which data sets are read when, and where learning rates begin again."""

from collections.abc import Mapping
from typing import NamedTuple

from vsim_tf.components import Component, require
from vsim_tf.lazy import ops
from vsim_tf.optim.schedules import Schedule, WarmUpSchedule
from vsim_tf.types import Tensor

DATA_SETS = ("pointwise", "pairwise", "test")
"""Tagged videos, videos of the labelled pairs, and videos of the test sets, whose tags are not known."""


class Phase(Component):
    """Steps from one on, until the next phase begins.

    Attributes:
        sets: data sets of an epoch, which follow each other; those of one entry are shuffled together.
        start: its first step.
        warmup, horizon: of all schedules, which begin again with the phase; 0 and 0: they go on.
    """

    sets: tuple[tuple[str, ...], ...] = (("pointwise",),)
    start: int = 0
    warmup: int = 0
    horizon: int = 0

    def __post_init__(self) -> None:
        unknown = [name for group in self.sets for name in group if name not in DATA_SETS]
        complete = self.sets and all(self.sets) and not unknown
        require(bool(complete), f"sets={[*map(list, self.sets)]}: lists of {', '.join(DATA_SETS)} are needed", "sets")
        require(self.start >= 0, f"start={self.start}: a step from 0 is needed", "start")
        both = f"warmup={self.warmup} with horizon={self.horizon}: a schedule must be longer than its warm-up, or both are 0"
        require(0 <= self.warmup < self.horizon or self.warmup == self.horizon == 0, both, "warmup", "horizon")

    def scaled(self, factor: float) -> "Phase":
        """The phase with so many times its steps; none becomes 0, and a schedule stays longer than its warm-up."""
        start, warmup, horizon = (
            max(round(steps * factor), 1) if steps else 0 for steps in (self.start, self.warmup, self.horizon)
        )
        return self.replace(start=start, warmup=warmup, horizon=max(horizon, warmup + 1) if horizon else 0)


class PhasedSchedule(NamedTuple):
    """A schedule that begins again with some phases of the stage."""

    schedule: Schedule
    restarts: tuple[Phase, ...]

    def rate(self, step: Tensor) -> Tensor:
        """Rate of the update after `step` completed ones, as `Schedule.rate`."""
        rate = self.schedule.rate(step)
        for phase in self.restarts:
            again = self.schedule.replace(warmup=phase.warmup, horizon=phase.horizon)
            rate = ops.where(step >= phase.start, again.rate(ops.maximum(step - phase.start, 0)), rate)
        return rate


def phased(schedule: Schedule, phases: Mapping[str, Phase]) -> Schedule | PhasedSchedule:
    """The schedule over all phases."""
    restarts = tuple(phase for phase in phases.values() if phase.horizon)
    if not restarts:
        return schedule
    message = f"phases={', '.join(phases)}: only a schedule with warmup and horizon can begin again"
    require(isinstance(schedule, WarmUpSchedule), message, "phases")
    return PhasedSchedule(schedule, restarts)

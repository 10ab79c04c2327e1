"""Learning-rate schedules."""

import math
from typing import Protocol

from vsim_tf.components import Component, require
from vsim_tf.lazy import ops
from vsim_tf.types import Tensor


class Rate(Protocol):
    """A learning rate as a function of the step."""

    def rate(self, step: Tensor) -> Tensor:
        """Rate of the update after `step` completed ones, an integer tensor of any shape to float32 of the same."""


class Schedule(Component):
    """A learning rate as a function of the step.

    Attributes:
        peak: largest rate.
    """

    peak: float

    def __post_init__(self) -> None:
        require(math.isfinite(self.peak) and self.peak >= 0, f"peak={self.peak!r}: a learning rate from 0 is needed", "peak")

    def rate(self, step: Tensor) -> Tensor:
        """Rate of the update after `step` completed ones, an integer tensor of any shape to float32 of the same."""
        raise NotImplementedError


class WarmUpSchedule(Schedule):
    """Linear from 0 to `peak` over `warmup` steps, then a decline to 0 at step `horizon`."""

    warmup: int
    horizon: int

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.warmup >= 0, f"warmup={self.warmup}: 0 or more steps are needed", "warmup")
        require(
            self.horizon > self.warmup,
            f"warmup={self.warmup} with horizon={self.horizon}: a schedule must be longer than its warm-up",
            "warmup", "horizon",
        )  # fmt: skip


class LinearSchedule(WarmUpSchedule, name="linear"):
    """A linear decline (docs/facts.md 4.2)."""

    def rate(self, step: Tensor) -> Tensor:
        i, warmup, horizon = ops.cast(step, "float32"), float(self.warmup), float(self.horizon)
        rising = self.peak * (i / max(warmup, 1.0))
        falling = self.peak * (1.0 - (ops.minimum(i, horizon) - warmup) / (horizon - warmup))
        return ops.where(i < warmup, rising, falling)


class CosineSchedule(WarmUpSchedule, name="cosine"):
    """Half a cosine, peak·½(1 + cos πt) for t from 0 to 1 behind the warm-up (docs/facts_rank1.md 5)."""

    def rate(self, step: Tensor) -> Tensor:
        i, warmup, horizon = ops.cast(step, "float32"), float(self.warmup), float(self.horizon)
        rising = self.peak * (i / max(warmup, 1.0))
        share = (ops.minimum(i, horizon) - warmup) / (horizon - warmup)
        falling = self.peak * 0.5 * (1.0 + ops.cos(math.pi * share))
        return ops.where(i < warmup, rising, falling)

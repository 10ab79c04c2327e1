"""The order of training batches where a stage reads several data sets."""

import bisect
from collections.abc import Sequence

import numpy as np

from vsim_tf.input.order import Lengths, TrainingOrder

Part = np.ndarray
"""Record numbers that are shuffled together, `[records]` int64."""


class PhasedOrder:
    """Record numbers of the batch of a step, `[batch]`, for any step from 0 on.

    An epoch of a phase is its parts one after the other, each a permutation without the remainder behind the last whole batch.

    Args:
        phases: first step of each, ascending from 0, and its parts, which have at least one batch.
        batch_size: records of a batch.
        seed: of the order.
        lengths: see `TrainingOrder`.
    """

    def __init__(self, phases: Sequence[tuple[int, Sequence[Part]]], batch_size: int, seed: int, lengths: Lengths | None):
        self.starts = [start for start, _ in phases]
        self._parts = [[_PartOrder(part, batch_size, seed, lengths) for part in parts] for _, parts in phases]

    def __call__(self, step: int) -> np.ndarray:
        phase, step = self._phase(step)
        epoch, step = divmod(step, self._epoch_steps(phase))
        for part in self._parts[phase]:
            if step < part.steps:
                return part(epoch, step)
            step -= part.steps
        raise AssertionError("an epoch has as many steps as its parts")

    def ended_epoch(self, completed: int) -> range | None:
        """The steps of the epoch that ends with so many completed steps, also because its phase does; else None."""
        if completed == 0:
            return None
        phase, last = self._phase(completed - 1)
        first = completed - 1 - last % self._epoch_steps(phase)
        ends = (last + 1) % self._epoch_steps(phase) == 0 or completed in self.starts
        return range(first, completed) if ends else None

    def _phase(self, step: int) -> tuple[int, int]:
        """Number of the phase of a step, and the step counted from its start."""
        phase = bisect.bisect_right(self.starts, step) - 1
        return phase, step - self.starts[phase]

    def _epoch_steps(self, phase: int) -> int:
        return sum(part.steps for part in self._parts[phase])


class _PartOrder:
    """The batches of one part."""

    def __init__(self, numbers: np.ndarray, batch_size: int, seed: int, lengths: Lengths | None):
        of_part = None if lengths is None else lambda rows: lengths(numbers[rows])
        self.numbers, self.order = numbers, TrainingOrder(len(numbers), batch_size, seed, of_part)
        self.steps = self.order.steps_per_epoch

    def __call__(self, epoch: int, step: int) -> np.ndarray:
        batch: np.ndarray = self.numbers[self.order(epoch * self.steps + step)]
        return batch

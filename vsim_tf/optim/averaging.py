"""Averages of weights over the steps of a run."""

from vsim_tf.components import Component
from vsim_tf.types import Tensor


class WeightAverage(Component):
    """Keeps a second set of weights that follows the trained ones; evaluation, best and final weights are the second set's."""

    def update(self, average: Tensor, weight: Tensor, step: Tensor) -> Tensor:
        """The average of one weight after a step.

        Args:
            average: before it, `[...]` as the weight.
            weight: after the step.
            step: completed steps, this one included, an integer scalar.
        """
        raise NotImplementedError


class ExponentialAverage(WeightAverage, name="ema"):
    """s ← d·s + (1 − d)·w after each step, from the first weights on and without correction of that bias (docs/facts_rank8.md 8).

    Attributes:
        decay: d.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        self.require_probability("decay")

    def update(self, average: Tensor, weight: Tensor, step: Tensor) -> Tensor:
        return self.decay * average + (1.0 - self.decay) * weight

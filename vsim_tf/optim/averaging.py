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

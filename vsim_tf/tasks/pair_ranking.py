"""Similarities of all pairs of a batch at once against human judgement: how they correlate, or in which order they are."""

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.tasks.pair_similarity import SimilarityTask
from vsim_tf.tasks.task import Step
from vsim_tf.types import Tensor


class BatchTask(SimilarityTask):
    """Number of videos times a loss of all pairs of the global batch, which replicas gather.

    With default weights and summed, gradients of the similarities are those of the sum of squared errors, which 2021 has next to
    the mean tag loss, within a factor of 4.

    Attributes:
        summed: times the number of pairs besides, as a sum over pairs (docs/facts.md 5.2); else as a mean.
    """

    videos_are_independent = False

    summed: bool = True

    def of_batch(self, similarity: Tensor, target: Tensor) -> Tensor:
        """The loss of all pairs, `[pairs]` each, a scalar."""
        raise NotImplementedError

    def of_pairs(self, similarity: Tensor, target: Tensor, step: Step) -> Tensor:
        world = step.world
        whole = self.of_batch(world.gather(similarity), world.gather(target))
        share = whole / world.replicas  # each replica computes all of it; the gradients of what they gather add up
        return step.videos * (world.examples if self.summed else 1.0) * share


class Pearson(BatchTask, name="pearson"):
    """1 − Pearson's correlation: 1/6 of it is the mean squared error of similarities as spread as ranks, of variance 1/12."""

    weight: float = 1 / 6

    def of_batch(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.pearson_distance(similarity, target)


class OrderTask(BatchTask):
    """A loss of the order of similarities, given that of the targets.

    Attributes:
        scale: factor of differences of similarities, the inverse of a temperature.
    """

    scale: float = 20.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_finite("scale")
        require(self.scale > 0, f"scale={self.scale}: a number above 0 is needed", "scale")


class CoSent(OrderTask, name="cosent"):
    """log(1 + Σ over pairs in wrong order of exp(scale · how far)), in which the worst count most (`losses.cosent`)."""

    weight: float = 0.01

    def of_batch(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.cosent(similarity, target, self.scale)


class Combinations(OrderTask, name="combinations"):
    """Mean over all combinations of two pairs with different targets of log(1 + exp(scale · how wrong)) (`losses.ranking`)."""

    weight: float = 0.05

    def of_batch(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.ranking(similarity, target, self.scale)

"""Similarity of pairs against human judgement."""

from vsim_tf import losses
from vsim_tf.lazy import ops
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor


class PairTask(Task):
    """Number of videos times the sum over pairs of a loss of cosine and target, as in 2021 (docs/facts.md 5.2)."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        """Loss of each pair, `[batch]`."""
        raise NotImplementedError

    def loss(self, step: Step) -> Tensor:
        first, second = step.outputs
        similarity = losses.cosine(first.embedding, second.embedding)
        return step.videos * ops.sum(self.per_pair(similarity, step.batch.targets["similarity"]))


class MeanSquaredError(Task, name="mean_squared_error"):
    """Number of videos times the mean over pairs of (s − t)², the cosine s as it is, from -1 to 1 (docs/facts_rank1.md 6)."""

    def loss(self, step: Step) -> Tensor:
        first, second = step.outputs
        similarity = losses.cosine(first.embedding, second.embedding)
        return len(step.outputs) * ops.sum(losses.squared_error(similarity, step.batch.targets["similarity"]))


class SquaredError(PairTask, name="squared_error"):
    """(s − t)²."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.squared_error(similarity, target)


class SimilarityDivergence(PairTask, name="similarity_divergence"):
    """t·log(t/s)."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.similarity_divergence(similarity, target)

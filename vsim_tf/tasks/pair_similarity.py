"""Similarity of pairs against human judgement."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.components import require
from vsim_tf.lazy import ops
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.models.architectures import Model


class SimilarityTask(Task):
    """A loss of the cosines of pairs and their targets.

    Attributes:
        dims: with d of them, the loss is the mean of d + 1: of the first so many numbers of the embeddings each, and of all
            (Matryoshka, Kusupati et al. 2022, arXiv 2205.13147). Ascending; none: of all alone.
    """

    dims: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        ascending = list(self.dims) == sorted(set(self.dims)) and all(dim > 0 for dim in self.dims)
        require(ascending, f"dims={self._listed}: integers from 1 on are needed, each larger than the one before", "dims")

    def require_model(self, model: "Model") -> None:
        fits = not self.dims or self.dims[-1] <= model.dim
        require(fits, f"dims={self._listed}: the embedding of {model.name} has {model.dim} numbers, give no more", "dims")

    @property
    def _listed(self) -> str:
        return ",".join(map(str, self.dims))

    def loss(self, step: Step) -> Tensor:
        first, second = (output.embedding for output in step.outputs)
        target = step.batch.targets["similarity"]
        whole = self.of_pairs(losses.cosine(first, second), target, step)
        parts = [(first[:, :dim], second[:, :dim]) for dim in truncated_dims([self], first.shape[-1])]
        terms = [self.of_pairs(losses.cosine(*part), target, step) for part in parts]
        return sum(terms, whole) / (len(terms) + 1) if terms else whole  # no more operations than in 2021: rounding is the same

    def of_pairs(self, similarity: Tensor, target: Tensor, step: Step) -> Tensor:
        """This replica's part of the sum over videos, a scalar, of similarities and targets, `[batch]` each."""
        raise NotImplementedError


def truncated_dims(tasks: Iterable[Task], size: int) -> list[int]:
    """The `dims` of all tasks, below the size of the embedding."""
    return sorted({dim for task in tasks if isinstance(task, SimilarityTask) for dim in task.dims if dim < size})


class PairTask(SimilarityTask):
    """Number of videos times the sum over pairs of a loss of cosine and target, as in 2021 (docs/facts.md 5.2)."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        """Loss of each pair, `[batch]`."""
        raise NotImplementedError

    def of_pairs(self, similarity: Tensor, target: Tensor, step: Step) -> Tensor:
        return step.videos * ops.sum(self.per_pair(similarity, target))


class MeanSquaredError(SimilarityTask, name="mean_squared_error"):
    """Number of videos times the mean over pairs of (s − t)², the cosine s as it is, from -1 to 1 (docs/facts_rank1.md 6)."""

    def of_pairs(self, similarity: Tensor, target: Tensor, step: Step) -> Tensor:
        return len(step.outputs) * ops.sum(losses.squared_error(similarity, target))


class SquaredError(PairTask, name="squared_error"):
    """(s − t)²."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.squared_error(similarity, target)


class SimilarityDivergence(PairTask, name="similarity_divergence"):
    """t·log(t/s)."""

    def per_pair(self, similarity: Tensor, target: Tensor) -> Tensor:
        return losses.similarity_divergence(similarity, target)

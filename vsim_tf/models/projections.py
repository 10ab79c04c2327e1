"""Where a single-stream model maps states to the embedding's dimension."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from vsim_tf.components import Component
from vsim_tf.lazy import keras
from vsim_tf.models.sequence import Sequence
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from keras.layers import Dense

Pool = Callable[[Sequence], Tensor]


class Projection(Component):
    """The order of pooling and of the Dense layer that makes the embedding.

    Attributes:
        has_dense: whether there is such a layer.
    """

    has_dense: ClassVar[bool] = True

    def dense(self, size: int, hidden_size: int) -> "Dense | None":
        """The Dense layer, called `fc`."""
        raise NotImplementedError

    def state_size(self, size: int, hidden_size: int) -> int:
        """Width of the states that tasks read."""
        raise NotImplementedError

    def __call__(self, dense: Any, pool: Pool, sequence: Sequence) -> tuple[Sequence, Tensor]:
        """The sequence that tasks read, and the embedding `[batch, embedding_size]`.

        Args:
            dense: the layer to the embedding's dimension.
            pool: states of all positions to one vector.
            sequence: the encoder's output.
        """
        raise NotImplementedError


class ProjectedStates(Projection, name="states"):
    """Dense over all positions, then pooling; MLM reads the projected states (docs/facts.md 3.4)."""

    def dense(self, size: int, hidden_size: int) -> "Dense":
        return keras.layers.Dense(size, name="fc")

    def state_size(self, size: int, hidden_size: int) -> int:
        return size

    def __call__(self, dense: Any, pool: Pool, sequence: Sequence) -> tuple[Sequence, Tensor]:
        sequence = sequence._replace(states=dense(sequence.states))
        return sequence, pool(sequence)


class ProjectedPool(Projection, name="pooled"):
    """Pooling, then Dense; MLM and masked frames read the encoder's states (docs/facts_rank1.md 3)."""

    def dense(self, size: int, hidden_size: int) -> "Dense":
        from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel

        bias = torch_uniform_bias(hidden_size)
        return keras.layers.Dense(size, kernel_initializer=torch_uniform_kernel(), bias_initializer=bias, name="fc")

    def state_size(self, size: int, hidden_size: int) -> int:
        return hidden_size

    def __call__(self, dense: Any, pool: Pool, sequence: Sequence) -> tuple[Sequence, Tensor]:
        return sequence, dense(pool(sequence))


class PooledStates(Projection, name="none"):
    """Pooling alone: the embedding is as wide as the states (docs/facts_rank8.md 4)."""

    has_dense: ClassVar[bool] = False

    def dense(self, size: int, hidden_size: int) -> None:
        return None

    def state_size(self, size: int, hidden_size: int) -> int:
        return hidden_size

    def __call__(self, dense: Any, pool: Pool, sequence: Sequence) -> tuple[Sequence, Tensor]:
        return sequence, pool(sequence)

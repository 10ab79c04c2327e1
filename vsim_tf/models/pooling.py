"""How the states of a sequence become one vector."""

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from vsim_tf.components import Component
from vsim_tf.lazy import ops
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.layers.transformer import TransformerEncoder

MASKED = 1000.0
"""Masked states are lowered by it before a maximum is taken."""


class Pooling(Component):
    """Maps states `[batch, length, dim]`, and how often each counts, to `[batch, dim]`.

    Attributes:
        first_only: whether it reads the first state alone.
        uses_pooler: whether it needs BERT's pooler.
    """

    first_only: ClassVar[bool] = False
    uses_pooler: ClassVar[bool] = False

    @property
    def reads_padding(self) -> bool:
        """Whether padding changes the result: then text cannot be trimmed."""
        return False

    def without_padding(self) -> "Pooling":
        """The pooling that leaves padding out."""
        return self

    def build(self, encoder: "TransformerEncoder") -> Callable[[Tensor, Tensor], Tensor]:
        """The function or layer of states and counts; by default the component itself, which has no weights."""
        del encoder
        return self

    def __call__(self, states: Tensor, counts: Tensor) -> Tensor:
        """The pooled states.

        Args:
            states: `[batch, length, dim]`.
            counts: how many equal positions each stands for, `[batch or 1, length]` in the states' type; 0 where one takes no
                part (`Sequence.counted`).
        """
        raise NotImplementedError


class PaddedPooling(Pooling):
    """A pooling over all positions.

    Attributes:
        padding: whether padding takes part.
    """

    padding: bool

    @property
    def reads_padding(self) -> bool:
        return self.padding

    def without_padding(self) -> "Pooling":
        return self.replace(padding=False)


class MeanPooling(PaddedPooling, name="mean"):
    """Σ count·h / Σ count over positions, padding included in 2021 (quirk 10)."""

    padding: bool = True

    def __call__(self, states: Tensor, counts: Tensor) -> Tensor:
        weights = counts[:, :, None]
        return ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)


class MaxPooling(PaddedPooling, name="max"):
    """Maximum over positions; masked ones are lowered by 1000, or take part (quirk 11)."""

    padding: bool = False

    def __call__(self, states: Tensor, counts: Tensor) -> Tensor:
        if not self.padding:
            states = states - MASKED * (1.0 - counts)[:, :, None]
        return ops.max(states, axis=1)


class AttentionPooling(PaddedPooling, name="attention"):
    """Σ a·h, a a softmax of learned scores over positions, padding included in the original (docs/facts_rank1.md 3)."""

    padding: bool = True

    def build(self, encoder: "TransformerEncoder") -> Callable[[Tensor, Tensor], Tensor]:
        from vsim_tf.layers.attention_pool import AttentionPool

        return AttentionPool(encoder.config.hidden_size, name="attention_pool")


class ClsPooling(Pooling, name="cls"):
    """State of the first position."""

    first_only = True

    def __call__(self, states: Tensor, counts: Tensor) -> Tensor:
        return states[:, 0]


class PoolerPooling(Pooling, name="pooler"):
    """BERT's pooler, tanh(Dense(first state))."""

    first_only = True
    uses_pooler = True

    def build(self, encoder: "TransformerEncoder") -> Callable[[Tensor, Tensor], Tensor]:
        return lambda states, counts: encoder.pool(states)

"""How frame features become states of the encoder's width."""

from collections.abc import Callable
from typing import ClassVar

from vsim_tf.components import Component
from vsim_tf.lazy import keras
from vsim_tf.types import Tensor


class FrameEmbedding(Component):
    """Maps `[batch, frames, dim]` features to `[batch, frames, hidden]` states.

    Attributes:
        has_positions: whether states depend on where a frame stands: then repeated frames differ, and no state can stand for
            several.
    """

    has_positions: ClassVar[bool] = False

    def build(self, hidden_size: int) -> Callable[[Tensor], Tensor]:
        """The layer."""
        raise NotImplementedError


class DenseFrames(FrameEmbedding, name="dense"):
    """Dense + ReLU, without position, token type or LayerNorm (docs/facts.md 3.4)."""

    def build(self, hidden_size: int) -> Callable[[Tensor], Tensor]:
        layer: Callable[[Tensor], Tensor] = keras.layers.Dense(hidden_size, activation="relu", name="frame_map")
        return layer

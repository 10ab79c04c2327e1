"""How frame features become states of the encoder's width."""

from typing import TYPE_CHECKING, ClassVar

from vsim_tf.components import Component
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.lazy import keras

if TYPE_CHECKING:
    from keras.layers import Layer


class FrameEmbedding(Component):
    """Maps `[batch, frames, dim]` features to `[batch, frames, hidden]` states.

    Attributes:
        has_positions: whether states depend on where a frame stands: then repeated frames differ, and no state can stand for
            several.
    """

    has_positions: ClassVar[bool] = False

    def build(self, encoder: EncoderConfig) -> "Layer":
        """The layer; `training` reaches it through Keras."""
        raise NotImplementedError


class DenseFrames(FrameEmbedding, name="dense"):
    """Dense + ReLU, without position, token type or LayerNorm (docs/facts.md 3.4)."""

    def build(self, encoder: EncoderConfig) -> "Layer":
        return keras.layers.Dense(encoder.hidden_size, activation="relu", name="frame_map")


class EmbeddingBlock(FrameEmbedding, name="embedding_block"):
    """Dense, then an embedding block of BERT of its own: position + token type → LayerNorm → dropout (docs/facts_rank1.md 3).

    The original has a table of token embeddings in it as well, which nothing looks up (rank-1 quirk 7); it is not built.
    """

    has_positions: ClassVar[bool] = True

    def build(self, encoder: EncoderConfig) -> "Layer":
        from vsim_tf.layers.frame_block import FrameBlock

        return FrameBlock(encoder, name="frame_block")

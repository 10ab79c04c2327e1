"""An embedding block for frames: the second one of a single-stream BERT."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.dropout import Dropout
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.types import Shape, Tensor


class FrameBlock(keras.layers.Layer):
    """Dense → + position + token type (always 0) → LayerNorm → dropout, with tables of its own (docs/facts_rank1.md 3).

    Tables are as large as those of the text, as in the original; frames look up the first positions and type 0.
    """

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.project = keras.layers.Dense(config.hidden_size, kernel_initializer=config.new_weights(), name="project")
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.dropout = Dropout(config.hidden_dropout, name="embedding_dropout")

    def build(self, features_shape: Shape) -> None:
        config = self.config

        def table(name: str, rows: int) -> Tensor:
            return self.add_weight(name=name, shape=(rows, config.hidden_size), initializer=config.new_weights())

        self.project.build(features_shape)
        self.token_type = table("token_type", config.type_vocab_size)
        self.position = table("position", config.max_positions)
        self.norm.build((None, None, config.hidden_size))

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, frames, dim]` features to `[batch, frames, hidden]` states."""
        x = self.project(features) + self.token_type[0] + self.position[: ops.shape(features)[1]]
        return self.dropout(self.norm(x), training=training)

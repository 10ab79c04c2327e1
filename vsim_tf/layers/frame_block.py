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

    Args:
        config: sizes.
        project: begins with the Dense layer; else features are as wide as states.
        class_vector: a learned vector, zeros at first, stands before the frames (docs/facts_rank8.md 7).
    """

    def __init__(self, config: EncoderConfig, project: bool = True, class_vector: bool = False, **kwargs: Any):
        super().__init__(**kwargs)
        self.config, self.has_class_vector = config, class_vector
        kernel = config.new_weights()
        self.project = keras.layers.Dense(config.hidden_size, kernel_initializer=kernel, name="project") if project else None
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.dropout = Dropout(config.hidden_dropout, name="embedding_dropout")

    def build(self, features_shape: Shape) -> None:
        config = self.config

        def table(name: str, rows: int) -> Tensor:
            return self.add_weight(name=name, shape=(rows, config.hidden_size), initializer=config.new_weights())

        if self.project:
            self.project.build(features_shape)
        self.class_vector = None
        if self.has_class_vector:
            self.class_vector = self.add_weight(name="class_vector", shape=(config.hidden_size,), initializer="zeros")
        self.token_type = table("token_type", config.type_vocab_size)
        self.position = table("position", config.max_positions)
        self.norm.build((None, None, config.hidden_size))

    def call(self, features: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, frames, dim]` features to `[batch, frames, hidden]` states, with a class vector one more."""
        x = self.with_class_vector(self.project(features) if self.project else features)
        x = x + self.token_type[0] + self.position[: ops.shape(x)[1]]
        return self.dropout(self.norm(x), training=training)

    def with_class_vector(self, x: Tensor) -> Tensor:
        """The frames, `[batch, frames, hidden]`, behind the class vector if there is one."""
        if self.class_vector is None:
            return x
        first = ops.broadcast_to(ops.cast(self.class_vector, x.dtype), (ops.shape(x)[0], 1, x.shape[-1]))
        return ops.concatenate([first, x], axis=1)

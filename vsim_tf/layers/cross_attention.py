"""Text and vision that attend to each other: the cross layers of LXMERT (Tan & Bansal 2019, arXiv 1908.07490)."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.dropout import Dropout
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.layers.kernels.rows import rows
from vsim_tf.layers.named_weights import NamedWeight, dense_weights, fused_weights, norm_weights
from vsim_tf.layers.transformer import TransformerBlock
from vsim_tf.types import Shape, Tensor

Streams = tuple[Tensor, Tensor]
"""Of text `[batch, text, hidden]`, and of vision `[batch, frames, hidden]`."""


class CrossAttention(keras.layers.Layer):
    """Each stream attends to the other, by the same weights and from the states before: x = LN(x + attention(x over y))."""

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config

        def dense(units: int, name: str) -> keras.layers.Dense:
            bias = config.new_biases(config.hidden_size)
            return keras.layers.Dense(units, kernel_initializer=config.new_weights(), bias_initializer=bias, name=name)

        self.qkv, self.output_dense = dense(3 * config.hidden_size, "qkv"), dense(config.hidden_size, "output")
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="norm")
        self.attention_dropout = Dropout(config.attention_dropout, name="attention_dropout")
        self.output_dropout = Dropout(config.hidden_dropout, name="output_dropout")

    def build(self, streams_shape: Shape | None = None) -> None:
        del streams_shape
        for layer in (self.qkv, self.output_dense, self.norm):
            layer.build((None, None, self.config.hidden_size))

    def call(self, streams: Streams, biases: Streams, training: bool | None = None) -> Streams:
        """Both streams after it.

        Args:
            streams: states.
            biases: added to the scores of the keys of each stream, `[batch, 1, 1, positions]`.
        """
        first, second = (self._heads(x, training) for x in streams)
        text, vision = streams
        return (
            self._attended(text, first[0], second, biases[1], training),
            self._attended(vision, second[0], first, biases[0], training),
        )

    def _heads(self, x: Tensor, training: bool | None) -> list[Tensor]:
        """Queries, keys and values, `[batch, heads, positions, width]` each."""
        heads, width = self.config.num_heads, self.config.hidden_size // self.config.num_heads
        qkv = ops.reshape(self.qkv(rows(x, training)), (ops.shape(x)[0], ops.shape(x)[1], 3, heads, width))
        parts: list[Tensor] = ops.unstack(ops.transpose(qkv, (2, 0, 3, 1, 4)), 3)
        return parts

    def _attended(self, x: Tensor, query: Tensor, other: list[Tensor], bias: Tensor, training: bool | None) -> Tensor:
        _, key, value = other
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) * query.shape[-1] ** -0.5 + bias
        attention = self.attention_dropout(ops.softmax(scores), training=training)
        context = ops.reshape(ops.transpose(ops.matmul(attention, value), (0, 2, 1, 3)), ops.shape(x))
        projected = ops.reshape(self.output_dense(rows(context, training)), ops.shape(x))
        return self.norm(x + self.output_dropout(projected, training=training))

    def named_weights(self, prefix: str) -> dict[str, NamedWeight]:
        """Weights by the names that those of BERT's attention have."""
        return (
            fused_weights([f"{prefix}/self/{name}" for name in ("query", "key", "value")], self.qkv)
            | dense_weights(f"{prefix}/output/dense", self.output_dense)
            | norm_weights(f"{prefix}/output/LayerNorm", self.norm)
        )


class CrossLayer(keras.layers.Layer):
    """Cross attention, then a transformer block for each stream."""

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.config = config
        self.cross = CrossAttention(config, name="cross")
        self.text = TransformerBlock(config, name="text")
        self.vision = TransformerBlock(config, name="vision")

    def build(self, streams_shape: Shape | None = None) -> None:
        del streams_shape
        for layer in (self.cross, self.text, self.vision):
            layer.build((None, None, self.config.hidden_size))

    def call(self, streams: Streams, biases: Streams, training: bool | None = None) -> Streams:
        """Both streams after the layer; arguments as those of `CrossAttention`."""
        text, vision = self.cross(streams, biases, training=training)
        return self.text(text, biases[0], training=training), self.vision(vision, biases[1], training=training)

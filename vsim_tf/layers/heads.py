"""Heads on top of an encoder."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.kernels.gelu import gelu
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.types import Shape, Tensor


class MaskedLanguageModelHead(keras.layers.Layer):
    """Dense → GELU → LayerNorm → product with the encoder's token embeddings (tied) + a bias per token.

    The 2021 solution feeds it with the embedding-wide states, not the encoder's (quirk 15).
    """

    def __init__(self, config: EncoderConfig, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocab_size = config.vocab_size
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range)
        self.transform = keras.layers.Dense(config.token_dim, activation=gelu, kernel_initializer=initializer, name="transform")
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="layer_norm")

    def build(self, states_shape: Shape) -> None:
        self.transform.build(states_shape)
        self.norm.build((*states_shape[:-1], self.transform.units))
        self.bias = self.add_weight(name="bias", shape=(self.vocab_size,), initializer="zeros")

    def call(self, states: Tensor, token_embeddings: Tensor) -> Tensor:
        """`[..., dim]` states and `[vocab, embedding]` token embeddings to `[..., vocab]` logits."""
        x = self.norm(self.transform(states))
        return ops.matmul(x, ops.transpose(ops.cast(token_embeddings, x.dtype))) + ops.cast(self.bias, x.dtype)

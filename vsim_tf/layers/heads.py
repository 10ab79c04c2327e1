"""Heads on top of an encoder."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel
from vsim_tf.layers.kernels.gelu import gelu
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.layers.named_weights import NamedWeight, dense_weights, norm_weights
from vsim_tf.types import Shape, Tensor


class MaskedLanguageModelHead(keras.layers.Layer):
    """Dense → GELU → LayerNorm → product with a decoder matrix + a bias per token.

    The 2021 solution feeds it with the embedding-wide states, not the encoder's (quirk 15).

    Args:
        config: sizes of the encoder.
        tied: the decoder is the encoder's token embeddings, as in BERT. Else it is a weight `[dim, vocab]` of the head's own
            (rank-1 quirk 6), and weights begin as those of PyTorch's Linear, the bias per token at zero (docs/facts_rank1.md 3).
    """

    def __init__(self, config: EncoderConfig, tied: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.vocab_size, self.tied = config.vocab_size, tied
        initializer = keras.initializers.TruncatedNormal(stddev=config.initializer_range) if tied else torch_uniform_kernel()
        self.transform = keras.layers.Dense(config.token_dim, activation=gelu, kernel_initializer=initializer, name="transform")
        self.norm = LayerNorm(epsilon=config.layer_norm_eps, name="layer_norm")

    def build(self, states_shape: Shape) -> None:
        width = self.transform.units
        if not self.tied:
            self.transform.bias_initializer = torch_uniform_bias(states_shape[-1])
            self.decoder = self.add_weight(name="decoder", shape=(width, self.vocab_size), initializer=torch_uniform_kernel())
        self.transform.build(states_shape)
        self.norm.build((*states_shape[:-1], width))
        self.bias = self.add_weight(name="bias", shape=(self.vocab_size,), initializer="zeros")

    def call(self, states: Tensor, token_embeddings: Tensor | None = None) -> Tensor:
        """`[..., dim]` states to `[..., vocab]` logits; a tied head needs the `[vocab, embedding]` token embeddings."""
        x = self.norm(self.transform(states))
        decoder = ops.transpose(ops.cast(token_embeddings, x.dtype)) if self.tied else ops.cast(self.decoder, x.dtype)
        return ops.matmul(x, decoder) + ops.cast(self.bias, x.dtype)

    def named_weights(self) -> dict[str, NamedWeight]:
        """Weights by their Hugging Face TensorFlow names; the decoder, which has none there, by that of a Dense layer."""
        names = {"cls/predictions/bias": NamedWeight(self.bias)}
        names |= dense_weights("cls/predictions/transform/dense", self.transform)
        names |= norm_weights("cls/predictions/transform/LayerNorm", self.norm)
        return names if self.tied else names | {"cls/predictions/decoder/kernel": NamedWeight(self.decoder)}


class Scale(keras.layers.Layer):
    """One learned number.

    Args:
        first: its first value.

    Attributes:
        value: the number, a scalar.
    """

    def __init__(self, first: float, **kwargs: Any):
        super().__init__(dtype="float32", **kwargs)
        self.first = first

    def build(self, shape: Shape | None = None) -> None:
        del shape
        self.value = self.add_weight(name="value", shape=(), initializer=keras.initializers.Constant(self.first))

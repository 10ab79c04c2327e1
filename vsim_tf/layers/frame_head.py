"""The head that predicts masked frames."""

from typing import Any

import keras

from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel
from vsim_tf.layers.kernels.gelu import gelu
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.types import Shape, Tensor


class MaskedFrameHead(keras.layers.Layer):
    """Dense → GELU → LayerNorm → Dense: `[..., width]` states to `[..., dim]` frames (docs/facts_rank1.md 3)."""

    def __init__(self, width: int, dim: int, epsilon: float, **kwargs: Any):
        super().__init__(**kwargs)
        kernel, bias = torch_uniform_kernel, torch_uniform_bias(width)
        self.transform = keras.layers.Dense(width, gelu, kernel_initializer=kernel(), bias_initializer=bias, name="transform")
        self.norm = LayerNorm(epsilon=epsilon, name="layer_norm")
        self.decoder = keras.layers.Dense(dim, kernel_initializer=kernel(), name="decoder")

    def build(self, states_shape: Shape) -> None:
        wide = (*states_shape[:-1], self.transform.units)
        self.transform.build(states_shape)
        self.norm.build(wide)
        self.decoder.build(wide)

    def call(self, states: Tensor) -> Tensor:
        return self.decoder(self.norm(self.transform(states)))

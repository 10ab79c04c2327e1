"""Attention pooling: a learned weighted mean of states."""

import math
from typing import Any

import keras
from keras import ops

from vsim_tf.layers.initializers import torch_uniform_bias, torch_uniform_kernel
from vsim_tf.types import Shape, Tensor


class AttentionPool(keras.layers.Layer):
    """Σ a·h, a = softmax over positions of w₂ᵀ·tanh(W₁h + b₁) + b₂ + log count (docs/facts_rank1.md 3)."""

    def __init__(self, width: int, **kwargs: Any):
        super().__init__(**kwargs)
        kernel, bias = torch_uniform_kernel, torch_uniform_bias(width)
        self.hidden = keras.layers.Dense(width, "tanh", kernel_initializer=kernel(), bias_initializer=bias, name="hidden")
        self.score = keras.layers.Dense(1, kernel_initializer=kernel(), bias_initializer=bias, name="score")

    def build(self, states_shape: Shape, counts_shape: Shape) -> None:
        del counts_shape
        self.hidden.build(states_shape)
        self.score.build((*states_shape[:-1], self.hidden.units))

    def weights_of(self, states: Tensor, counts: Tensor) -> Tensor:
        """Attention weights `[batch, length]` of `[batch, length, dim]` states, in float32; 0 where the count is 0."""
        scores = ops.cast(self.score(self.hidden(states))[..., 0], "float32")
        counts = ops.cast(counts, "float32")
        counted = ops.where(counts > 0, scores + ops.log(ops.maximum(counts, 1.0)), -math.inf)
        return ops.softmax(counted, axis=-1)

    def call(self, states: Tensor, counts: Tensor) -> Tensor:
        """The pooled states, `[batch, dim]`.

        Args:
            states: `[batch, length, dim]`.
            counts: how many equal positions each stands for, `[batch or 1, length]`; 0 where one takes no part.
        """
        weights = ops.cast(self.weights_of(states, counts), states.dtype)
        return ops.sum(states * weights[..., None], axis=1)

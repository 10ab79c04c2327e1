"""How a video vector and a text vector become one embedding (2021 solution, docs/facts.md 3.2)."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.dropout import Dropout
from vsim_tf.types import Shape, Tensor


class SEGate(keras.layers.Layer):
    """Squeeze-and-excitation gate h · sigmoid(W₂ relu(W₁ h)), no biases (Hu et al. 2017, arXiv 1709.01507)."""

    def __init__(self, ratio: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.ratio = ratio

    def build(self, shape: Shape) -> None:
        width = shape[-1]
        options = {"use_bias": False, "kernel_initializer": "he_normal"}
        self.reduce = keras.layers.Dense(width // self.ratio, activation="relu", name="reduce", **options)
        self.restore = keras.layers.Dense(width, activation="sigmoid", name="restore", **options)
        self.reduce.build(shape)
        self.restore.build((None, width // self.ratio))

    def weights_of(self, x: Tensor) -> Tensor:
        """What `[batch, dim]` is multiplied with, `[batch, dim]` in (0, 1)."""
        return self.restore(self.reduce(x))

    def call(self, x: Tensor) -> Tensor:
        """`[batch, dim]` to `[batch, dim]`."""
        return x * self.weights_of(x)


class ConcatDenseSE(keras.layers.Layer):
    """concat → dropout → Dense + ReLU → SE gate: non-negative embeddings."""

    def __init__(self, size: int, se_ratio: int, dropout: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.dropout = Dropout(dropout, name="fusion_dropout")
        self.dense = keras.layers.Dense(size, activation="relu", name="dense")
        self.se = SEGate(se_ratio, name="se")

    def build(self, video_shape: Shape, text_shape: Shape) -> None:
        self.dense.build((None, video_shape[-1] + text_shape[-1]))
        self.se.build((None, self.dense.units))

    def call(self, video: Tensor, text: Tensor, training: bool | None = None) -> tuple[Tensor, Tensor]:
        """`[batch, video_dim]` and `[batch, text_dim]` to the embedding and the weights of the gate, `[batch, size]` each."""
        fused = self.dense(self.dropout(ops.concatenate([video, text], axis=-1), training=training))
        gate = self.se.weights_of(fused)
        return fused * gate, gate

"""NeXtVLAD: frames to one vector (Lin et al. 2018, arXiv 1811.05014), as the 2021 solution has it (docs/facts.md 3.2)."""

from typing import Any

import keras
from keras import ops

from vsim_tf.layers.dropout import Dropout
from vsim_tf.layers.kernels.wide_dense import WideDense
from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.layers.replicas import replicas_in_scope
from vsim_tf.types import Shape, Tensor


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' layer, whose masked statistics cover the global batch too when they are synchronised."""

    def _moments(self, inputs: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        if mask is None or not self.synchronized:
            moments: tuple[Tensor, Tensor] = super()._moments(inputs, mask)
            return moments
        weights = ops.cast(mask, inputs.dtype)[..., None]
        count, mean, square = (
            ops.moments(x, axes=self._reduction_axes, synchronized=True)[0]
            for x in (weights, inputs * weights, ops.square(inputs) * weights)
        )
        mean = mean / count
        return mean, square / count - ops.square(mean)


def batch_normalization(name: str) -> BatchNormalization:
    """Keras' defaults (momentum 0.99, eps 1e-3); statistics cover the global batch when there are several replicas.

    Not with one replica: synchronised variances are E[x²] − E[x]², which costs float32 a digit of the gate's gradient.
    """
    return BatchNormalization(synchronized=replicas_in_scope() > 1, name=name)


class NeXtVLAD(keras.layers.Layer):
    """Grouped soft assignment of frames to clusters and the sum of their residuals.

    With frames X, u the expanded frame, g a group of width D, k a cluster:
    a[m,g,k] = softmax_k(BN(u_m W_c))[g,k] · sigmoid(u_m W_a + b_a)[g];
    V[d,k] = Σ_{m,g} a[m,g,k]·(u[m,g,d] − c[d,k]), L2-normalised over d, flattened as d·K + k, dropout, Dense.

    Masked frames are zeroed before the expansion, so they become its bias and still take part (quirk 13), unless
    `ignore_padding`.

    Args:
        clusters: K.
        groups: G, must divide the expanded width.
        expansion: factor of the frame width.
        output_size: width of the result.
        dropout: rate before the last Dense.
        ignore_padding: masked frames take part neither in the sums nor in batch statistics.
    """

    def __init__(
        self,
        clusters: int,
        groups: int,
        expansion: int,
        output_size: int,
        dropout: float,
        ignore_padding: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.ignore_padding = ignore_padding
        self.clusters, self.groups, self.expansion = clusters, groups, expansion
        self.group_attention = keras.layers.Dense(groups, activation="sigmoid", name="group_attention")
        self.cluster_logits = keras.layers.Dense(groups * clusters, use_bias=False, name="cluster_logits")
        self.cluster_norm = batch_normalization("cluster_bn")
        self.dropout = Dropout(dropout, name="vlad_dropout")
        self.output_dense = WideDense(output_size, name="output")

    def build(self, frames_shape: Shape, mask_shape: Shape | None = None) -> None:
        del mask_shape
        width = frames_shape[-1] * self.expansion
        self.group_width = width // self.groups
        self.expand = keras.layers.Dense(width, name="expand")
        self.expand.build(frames_shape)
        self.group_attention.build((None, None, width))
        self.cluster_logits.build((None, None, width))
        self.cluster_norm.build((None, None, self.groups * self.clusters))
        self.centres = self.add_weight(name="centres", shape=(1, self.group_width, self.clusters), initializer="glorot_normal")
        self.output_dense.build((None, self.group_width * self.clusters))

    def vlad(self, frames: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """The normalised, flattened VLAD vector `[batch, D·K]` of frames `[batch, frames, dim]`, mask `[batch, frames]`."""
        batch, length = ops.shape(frames)[0], ops.shape(frames)[1]
        rows = length * self.groups
        weights = ops.cast(mask, frames.dtype)[:, :, None]
        u = self.expand(frames * weights)
        attention = self.group_attention(u)
        counted = None
        if self.ignore_padding:
            attention, counted = attention * weights, mask
        attention = ops.reshape(attention, (batch, rows, 1))
        logits = self.cluster_norm(self.cluster_logits(u), training=training, mask=counted)
        assignment = ops.softmax(ops.reshape(logits, (batch, rows, self.clusters))) * attention
        residual_weight = ops.sum(assignment, axis=1, keepdims=True)
        grouped = ops.reshape(u, (batch, rows, self.group_width))
        vlad = ops.matmul(ops.transpose(grouped, (0, 2, 1)), assignment)
        vlad = l2_normalize(vlad - ops.cast(self.centres, vlad.dtype) * residual_weight, axis=1)
        return ops.reshape(vlad, (batch, self.group_width * self.clusters))

    def call(self, frames: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, frames, dim]` and `[batch, frames]` to `[batch, output_size]`."""
        vector = self.dropout(self.vlad(frames, mask, training=training), training=training)
        return self.output_dense(vector, training=training)

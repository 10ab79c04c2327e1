"""Linear embeddings of videos, next to which a network learns what is not linear."""

from typing import Any

import keras
import numpy as np
from keras import ops

from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.ngram_embedding import MULTIPLIER
from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.types import Shape, Tensor


class LinearEmbedding(keras.layers.Layer):
    """Σ_t w_t·T[t] / sqrt(Σ_t w_t²) + (mean frame − centre)·K + b, over the terms t of a title with the weights w_t = idf[t].

    Terms are tokens, and pairs of neighbours by a hash; each occurrence counts. Videos without frames have the first term and
    the bias alone. The weights are the solution of a ridge regression (`training/linear_start.py`), which pairs of videos may
    refine (`training/pair_metric.py`); gradients do not change them. Next to a deep network: Cheng et al. 2016, arXiv 1606.07792.

    Args:
        config: its settings.
        vocab_size: number of tokens.
        network_dim: numbers of the network's embedding.
    """

    def __init__(self, config: LinearConfig, vocab_size: int, network_dim: int, **kwargs: Any):
        super().__init__(dtype="float32", trainable=False, **kwargs)
        self.config, self.vocab_size, self.network_dim = config, vocab_size, network_dim
        self.dim = config.multiple * network_dim

    @property
    def rows(self) -> int:
        """Number of terms."""
        return self.vocab_size + self.config.buckets

    def build(self, input_ids_shape: Shape, attention_mask_shape: Shape, frames_shape: Shape, num_frames_shape: Shape) -> None:
        del input_ids_shape, attention_mask_shape, num_frames_shape
        frame_dim = frames_shape[-1]
        self.idf = self.add_weight(name="idf", shape=(self.rows,), initializer="zeros")
        self.table = self.add_weight(name="terms", shape=(self.rows, self.dim), initializer="zeros")
        self.centre = self.add_weight(name="centre", shape=(frame_dim,), initializer="zeros")
        self.kernel = self.add_weight(name="kernel", shape=(frame_dim, self.dim), initializer="zeros")
        self.bias = self.add_weight(name="bias", shape=(self.dim,), initializer="zeros")
        self.basis = self.add_weight(name="basis", shape=(self.network_dim + self.dim, self.network_dim), initializer="identity")

    def call(self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor) -> Tensor:
        """`[batch, dim]` float32 of the inputs of a network."""
        terms, present = self.terms(input_ids, attention_mask)
        weights = ops.take(self.idf, terms, axis=0) * present
        title = ops.sum(weights[:, :, None] * ops.take(self.table, terms, axis=0), axis=1)
        norm = ops.sqrt(ops.maximum(ops.sum(ops.square(weights), axis=1, keepdims=True), 1e-12))
        has_frames = ops.cast(num_frames > 0, "float32")[:, None]
        deviation = (mean_frame(frames, num_frames) - self.centre) * has_frames
        return title / norm + ops.matmul(deviation, self.kernel) + self.bias

    def transform(self, matrix: np.ndarray) -> None:
        """Changes the weights so that an embedding x becomes x·matrix, `[dim, dim]`."""
        for weight in (self.table, self.kernel, self.bias):
            weight.assign(np.asarray(weight) @ matrix)

    def terms(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of the terms of each title, `[batch, 2·text − 1]` int32, and whether each is there, float32."""
        ids, present = ops.cast(input_ids, "int32"), ops.cast(attention_mask, "float32")
        buckets = self.config.buckets
        hashed = ops.mod(ops.mod(ids[:, :-1], buckets) * MULTIPLIER + ids[:, 1:], buckets)
        terms = ops.concatenate([ids, self.vocab_size + hashed], axis=1)
        return terms, ops.concatenate([present, present[:, :-1] * present[:, 1:]], axis=1)

    def beside(self, embedding: Tensor, linear: Tensor) -> Tensor:
        """[unit(network), weight·unit(linear)]·basis, `[batch, network_dim]`: both side by side, reduced to the size of one.

        The dot product of two videos side by side is cos(network) + weight²·cos(linear). The basis keeps it as well as so few
        numbers can (`training/joint_basis.py`); before it is fitted, it keeps the network's part.
        """
        network = l2_normalize(ops.cast(embedding, "float32"))
        both = ops.concatenate([network, self.config.weight * l2_normalize(linear)], axis=-1)
        return ops.matmul(both, self.basis)


def mean_frame(frames: Tensor, num_frames: Tensor) -> Tensor:
    """Mean over the real frames of each video, `[batch, dim]` float32; zeros without any."""
    frames = ops.cast(frames, "float32")
    real = ops.cast(ops.arange(ops.shape(frames)[1]) < ops.expand_dims(num_frames, -1), "float32")
    counts = ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0)
    return ops.sum(frames * real[:, :, None], axis=1) / counts

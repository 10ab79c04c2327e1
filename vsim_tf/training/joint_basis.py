"""The basis of an embedding that is made of a network's and a linear one."""

from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from vsim_tf.distributed.workers import gather_arrays
from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.inference.embedder import Embedder
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.schema import VideoBatch
from vsim_tf.training.linear_start import embedded

BASIS_VIDEOS = 4096
"""Training videos that it is fitted to at most, evenly spread."""


def fit_basis(layer: LinearEmbedding, embedder: Embedder, videos: Iterable[tuple[tf.Tensor, VideoBatch]]) -> None:
    """Makes the first right singular vectors of both embeddings side by side, as they are now, the layer's basis.

    Numbers of the embedding are then in the order of their singular values, so that the first of them are a good smaller one. As
    in the SVD of an ensemble, nothing is centred. The largest component of each vector is above 0, so that signs are no accident.

    Args:
        layer: of the embedder's network.
        embedder: makes embeddings of unit norm or not.
        videos: `numbered_batches`; of several workers each has its shard.
    """
    from sklearn.utils.extmath import svd_flip

    layer.basis.assign(np.eye(*layer.basis.shape))  # the network's embedding alone
    network = l2_normalize(embedder.embed(videos).values)
    parts = [(np.empty(0, np.int64), np.empty((0, layer.dim), np.float32))]  # all of a worker without a batch
    parts += ((numbers.numpy(), embedded(layer, batch)) for numbers, batch in videos)
    numbers, linear = gather_arrays(embedder.strategy, [np.concatenate(column) for column in zip(*parts, strict=True)])
    linear = l2_normalize(linear[np.argsort(numbers)])
    joint = np.concatenate([network, layer.config.weight * linear], axis=1).astype(np.float64)
    _, vectors = np.linalg.eigh(joint.T @ joint)  # in rising order
    _, basis = svd_flip(None, vectors.T[::-1][: layer.network_dim], u_based_decision=False)
    layer.basis.assign(basis.T)

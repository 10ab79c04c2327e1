"""The basis of an embedding that is made of a network's and a linear one."""

from collections.abc import Callable

import numpy as np

from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.layers.linear_embedding import LinearEmbedding

BASIS_VIDEOS = 4096
"""Training videos that it is fitted to at most, evenly spread."""


def fit_basis(layer: LinearEmbedding, embed: Callable[[], np.ndarray]) -> None:
    """Makes the first right singular vectors of both embeddings side by side, as they are now, the layer's basis.

    Numbers of the embedding are then in the order of their singular values, so that the first of them are a good smaller one. As
    in the SVD of an ensemble, nothing is centred. The largest component of each vector is above 0, so that signs are no accident.

    Args:
        layer: of the network.
        embed: the network's embeddings of some videos, `[videos, dim]`, of unit norm or not; the same videos in every call.
    """
    from sklearn.utils.extmath import svd_flip

    network, linear = (l2_normalize(_half(layer, embed, first)) for first in (0, layer.dim))
    joint = np.concatenate([network, layer.config.weight * linear], axis=1).astype(np.float64)
    _, vectors = np.linalg.eigh(joint.T @ joint)  # in rising order
    _, basis = svd_flip(None, vectors.T[::-1][: layer.dim], u_based_decision=False)
    layer.basis.assign(basis.T)


def _half(layer: LinearEmbedding, embed: Callable[[], np.ndarray], first: int) -> np.ndarray:
    """The columns from `first` on of both embeddings side by side: by a basis that is one there, and zero elsewhere."""
    layer.basis.assign(np.eye(2 * layer.dim, layer.dim, -first))
    return embed()

"""A metric of linear embeddings, learned from labelled pairs in closed form before fine-tuning."""

from collections.abc import Iterable

import numpy as np

from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.schema import PairBatch
from vsim_tf.training.linear_start import embedded

MAX_PAIRS = 4000
"""Training pairs that are used at most, evenly spread: the regression solves a system of as many equations."""
TOLERANCE = 1e-5
"""Of its solution by conjugate gradients, relative to the target."""
PENALTY = 1.0
"""Of ridge regression. The squared length of a pair is 1 at most."""


def fit_metric(layer: LinearEmbedding, batches: Iterable[PairBatch]) -> None:
    """Changes the layer's weights so that cosines of its embeddings follow the similarity of labelled pairs.

    With embeddings x and y of unit norm, similarity is taken for c + k·(xᵀy + xᵀSy): c and k by least squares where S is 0, the
    symmetric S by ridge regression of what that leaves, and an embedding x becomes R·x with R² = I + S, symmetric and without
    negative eigenvalues. So it keeps its axes, and embeddings by several folds can be averaged. Nothing changes where similarity
    does not rise with the cosine.

    Args:
        layer: of a pre-trained network.
        batches: of training pairs.
    """
    first, second, similarity = _read(layer, batches)
    cosine = np.sum(first * second, axis=1)
    if np.ptp(cosine) == 0 or np.ptp(similarity) == 0:
        return
    slope, constant = np.polyfit(cosine, similarity, 1)
    if slope <= 0:
        return
    left = (similarity - slope * cosine - constant).astype(np.float32)
    metric = np.eye(layer.dim) + _ridge(first, second, left) / slope
    values, vectors = np.linalg.eigh(metric)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    layer.transform(root)


def _read(layer: LinearEmbedding, batches: Iterable[PairBatch]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings of unit norm of both elements, `[pairs, dim]`, and similarities, `[pairs]`, float32."""
    rows = [(*(embedded(layer, element) for element in batch.elements), batch.targets["similarity"]) for batch in batches]
    first, second, similarity = (np.concatenate(column) for column in zip(*rows, strict=True))
    return l2_normalize(first).astype(np.float32), l2_normalize(second).astype(np.float32), similarity


def _ridge(first: np.ndarray, second: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The symmetric S with the least Σ (target − xᵀSy)² + penalty·‖S‖², `[dim, dim]`.

    It is Σ w·(x·yᵀ + y·xᵀ)/2 over the pairs with w = (K + penalty·I)⁻¹·target and, for two pairs,
    K = ((x·x')(y·y') + (x·y')(y·x'))/2. The penalty bounds the condition, so that float32 and few conjugate gradients are enough.
    """
    from scipy.sparse.linalg import cg

    crossed = first @ second.T
    kernel = ((first @ first.T) * (second @ second.T) + crossed * crossed.T) / 2
    kernel[np.diag_indices_from(kernel)] += PENALTY
    weights, _ = cg(kernel, target, rtol=TOLERANCE)
    product = (first * weights[:, None]).T @ second
    symmetric: np.ndarray = (product + product.T) / 2
    return symmetric

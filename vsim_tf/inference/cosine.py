"""Cosines of embeddings in NumPy."""

import numpy as np

NORM_FLOOR = 1e-12
"""Smallest squared norm that is divided by: a zero vector stays zero (2021 solution, quirk 43)."""


def l2_normalize(x: np.ndarray) -> np.ndarray:
    """Returns x / sqrt(max(sum x^2, 1e-12)) row by row in float64, `[..., dim]`; a zero vector stays zero."""
    x = np.asarray(x, dtype=np.float64)
    normalized: np.ndarray = x / np.sqrt(np.maximum(np.square(x).sum(axis=-1, keepdims=True), NORM_FLOOR))
    return normalized


def cosine_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the cosine of each row of `a` with the same row of `b`, in float64.

    Args:
        a, b: `[n, dim]`, any float type.

    Returns:
        `[n]`, within [-1, 1] to rounding; 0 where one of the two is a zero vector.
    """
    cosines: np.ndarray = np.sum(l2_normalize(a) * l2_normalize(b), axis=-1)
    return cosines

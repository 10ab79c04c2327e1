"""Embeddings with fewer numbers, and with fewer bits for each."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vsim_tf.errors import UserError
from vsim_tf.inference.cosine import l2_normalize

PRECISIONS = ("float32", "float16", "int8", "binary")
LEVELS = 256
"""Values of an int8."""


def formed(
    values: np.ndarray,
    *,
    normalize: bool = False,
    truncate_dim: int | None = None,
    precision: str = "float32",
    ranges: Any = None,
) -> NDArray[Any]:
    """Embeddings, `[videos, dim]`, as `Model.encode` gives them: first numbers, unit norm, precision; errors are those below."""
    kept = truncated(values, truncate_dim)
    return quantized(l2_normalize(kept) if normalize else kept, precision, ranges)


def truncated(values: np.ndarray, dim: int | None) -> np.ndarray:
    """The first numbers of each embedding, `[videos, dim]`; None: all.

    Raises:
        UserError: no integer from 1 to the embedding dimension.
    """
    if dim is None:
        return values
    if not isinstance(dim, int | np.integer) or isinstance(dim, bool) or not 1 <= dim <= values.shape[1]:
        raise UserError(f"truncate_dim={dim!r}: an integer from 1 to {values.shape[1]}, the embedding dimension, is accepted")
    return values[:, :dim]


def quantized(values: np.ndarray, precision: str, ranges: Any = None) -> NDArray[Any]:
    """Embeddings in a precision.

    "int8": q = round((x − low) / step) − 128 with step = (high − low) / 255, where low and high are the range of the dimension;
    numbers outside of it become its ends. So x ≈ low + (q + 128)·step.

    "binary": a bit for each dimension, 1 where the number is above 0; eight of them are a uint8, the first one its highest bit,
    and the last byte is filled up with zeros.

    Args:
        values: `[videos, dim]`.
        precision: of `PRECISIONS`.
        ranges: of "int8", smallest and largest number of each dimension, `[2, dim]`; None: those of `values`.

    Returns:
        `[videos, dim]` float32, float16 or int8, or `[videos, ceil(dim / 8)]` uint8.

    Raises:
        UserError: another precision, ranges that cannot be used or are not needed, fewer than two embeddings to take the ranges
            of, or a number beyond float16.
    """
    if precision not in PRECISIONS:
        raise UserError(f"precision={precision!r}: one of {', '.join(PRECISIONS)} is accepted")
    if ranges is not None and precision != "int8":
        raise UserError(f"ranges are those of precision='int8'; precision={precision!r} needs none")
    if precision == "int8":
        return _int8(values, *_ranges(values, ranges))
    if precision == "binary":
        return np.packbits(values > 0, axis=1)
    return _float16(values) if precision == "float16" else values.astype(np.float32)


def _float16(values: np.ndarray) -> NDArray[np.float16]:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16)
    if not np.isfinite(rounded).all():
        raise UserError(f"precision='float16': an embedding holds {np.abs(values).max():g}, and float16 ends at 65504")
    return rounded


def _ranges(values: np.ndarray, given: Any) -> np.ndarray:
    if given is None:
        if len(values) == 1:
            raise UserError("precision='int8': one embedding has no range; give ranges, those of many embeddings")
        return np.stack([values.min(axis=0), values.max(axis=0)]) if len(values) else np.zeros((2, values.shape[1]))
    accepted = f"accepted are finite numbers [2, {values.shape[1]}], the smallest and the largest of each dimension"
    try:
        ranges = np.asarray(given)
    except ValueError:  # ragged
        raise UserError(f"ranges hold lists of different lengths; {accepted}") from None
    if ranges.shape != (2, values.shape[1]) or ranges.dtype.kind not in "fiu":
        raise UserError(f"ranges have the shape {list(ranges.shape)} and the type {ranges.dtype}; {accepted}")
    if not np.isfinite(ranges).all() or (ranges[0] > ranges[1]).any():
        raise UserError(f"ranges hold NaN or inf, or a smallest number above the largest; {accepted}")
    return ranges.astype(np.float64)


def _int8(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> NDArray[np.int8]:
    step = (high - low) / (LEVELS - 1)
    levels = np.rint((values - low) / np.where(step > 0, step, 1.0))
    rounded: NDArray[np.int8] = (np.clip(levels, 0, LEVELS - 1) - LEVELS // 2).astype(np.int8)
    return rounded

"""L2 normalisation."""

from typing import Any

from vsim_tf.lazy import ops


def l2_normalize(x: Any, axis: int = -1) -> Any:
    """x · rsqrt(max(Σx², 1e-12)): a zero vector stays zero, its gradient is multiplied by 10⁶ (quirk 43)."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))

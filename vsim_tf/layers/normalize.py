"""L2 normalisation."""

from vsim_tf.lazy import ops
from vsim_tf.types import Tensor


def l2_normalize(x: Tensor, axis: int = -1) -> Tensor:
    """x · rsqrt(max(Σx², 1e-12)): a zero vector stays zero, its gradient is multiplied by 10⁶ (quirk 43)."""
    return x * ops.rsqrt(ops.maximum(ops.sum(ops.square(x), axis=axis, keepdims=True), 1e-12))

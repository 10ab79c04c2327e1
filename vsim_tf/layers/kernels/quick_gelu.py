"""x·σ(1.702x), the approximation of GELU that CLIP uses (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

from collections.abc import Callable

from keras import ops

from vsim_tf.layers.kernels.choice import made_for_cpus
from vsim_tf.types import Tensor

SLOPE = 1.702


def quick_gelu(x: Tensor, training: bool | None = None) -> Tensor:
    """Quick GELU of any tensor, in its type, but computed in float32: on a CPU TensorFlow's sigmoid of bfloat16 is slow.

    In training on a CPU its gradient σ(1.702x)·(1 + 1.702x·(1 − σ(1.702x))) is written out: nothing but `x` is kept for it.
    """
    return _with_gradient(x) if training and made_for_cpus() else _value(x)


def _value(x: Tensor) -> Tensor:
    wide = ops.cast(x, "float32")
    return ops.cast(wide * ops.sigmoid(SLOPE * wide), x.dtype)


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def _with_gradient(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> Tensor:
        upstream = arguments[0] if upstream is None else upstream
        sloped = SLOPE * ops.cast(x, "float32")
        part = ops.sigmoid(sloped)
        return ops.cast(ops.cast(upstream, "float32") * part * (1.0 + sloped * (1.0 - part)), x.dtype)

    return _value(x), gradient

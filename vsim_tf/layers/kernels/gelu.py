"""x·Φ(x) with Φ by the error function, as BERT uses it (Hendrycks & Gimpel 2016, arXiv 1606.08415)."""

import math
from collections.abc import Callable

from keras import ops

from vsim_tf.layers.kernels.choice import made_for_cpus
from vsim_tf.types import Tensor


def gelu(x: Tensor, training: bool | None = None) -> Tensor:
    """GELU of any tensor, in its type.

    Without training it is Keras' own, which TensorFlow computes as part of the matrix product before it. In training on a CPU
    its gradient Φ(x) + x·φ(x) is written out, from `x` alone and in float32: fewer operations than TensorFlow derives, and
    nothing but `x` is kept for it.
    """
    return _gelu_with_gradient(x) if training and made_for_cpus() else ops.gelu(x, approximate=False)


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 + 0.5 * ops.erf(x * math.sqrt(0.5))


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def _gelu_with_gradient(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> Tensor:
        upstream = arguments[0] if upstream is None else upstream
        wide = ops.cast(x, "float32")
        density = ops.exp(-0.5 * ops.square(wide)) / math.sqrt(2 * math.pi)
        return ops.cast(ops.cast(upstream, "float32") * (_normal_cdf(wide) + wide * density), x.dtype)

    wide = ops.cast(x, "float32")
    return ops.cast(wide * _normal_cdf(wide), x.dtype), gradient

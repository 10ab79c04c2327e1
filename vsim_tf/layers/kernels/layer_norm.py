"""Layer normalisation over the last axis (Ba et al. 2016, arXiv 1607.06450)."""

from collections.abc import Callable

import keras
from keras import ops

from vsim_tf.layers.kernels.choice import made_for_cpus
from vsim_tf.types import Tensor


class LayerNorm(keras.layers.LayerNormalization):
    """Keras' layer for the last axis, on CPUs with its gradient written out: fewer operations than TensorFlow derives.

    With σ = √(variance + ε) and n = (x − mean)/σ: y = γ·n + β. For a gradient g of y, that of x is
    (γg − mean(γg) − n·mean(γg·n))/σ, that of γ is Σ g·n over rows and that of β is Σ g. All of it in float32.
    """

    def call(self, inputs: Tensor) -> Tensor:
        """`[..., width]` to the same shape."""
        if not made_for_cpus():
            return super().call(inputs)
        outputs = _normalize(self.epsilon)(inputs, ops.copy(self.gamma), ops.copy(self.beta))  # copies: see WideDense
        return ops.cast(outputs, self.compute_dtype)


def _normalize(epsilon: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def normalize(x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Callable[..., tuple[Tensor, Tensor, Tensor]]]:
        width = x.shape[-1]
        wide, scale, offset = (ops.cast(tensor, "float32") for tensor in (x, gamma, beta))
        centred = wide - ops.mean(wide, axis=-1, keepdims=True)
        inverse = ops.rsqrt(ops.mean(ops.square(centred), axis=-1, keepdims=True) + epsilon)
        normal = centred * inverse

        def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
            g = ops.cast(arguments[0] if upstream is None else upstream, "float32")
            g_normal = g * normal
            mean_scaled = ops.reshape(scale / width, (width, 1))  # all sums as matrix products, the fastest in TensorFlow
            mean, slope = ops.matmul(g, mean_scaled), ops.matmul(g_normal, mean_scaled)
            of_x = (g * scale - (mean + normal * slope)) * inverse
            g, g_normal = ops.reshape(g, (-1, width)), ops.reshape(g_normal, (-1, width))
            ones = ops.ones((1, ops.shape(g)[0]))
            of_gamma, of_beta = ops.matmul(ones, g_normal)[0], ops.matmul(ones, g)[0]
            return ops.cast(of_x, x.dtype), ops.cast(of_gamma, gamma.dtype), ops.cast(of_beta, beta.dtype)

        return ops.cast(normal * scale + offset, x.dtype), gradient

    normalized: Callable[[Tensor, Tensor, Tensor], Tensor] = ops.custom_gradient(normalize)
    return normalized

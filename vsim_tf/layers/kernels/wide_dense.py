"""A Dense layer for many units, whose gradient of the inputs is fast on a CPU."""

from collections.abc import Callable

import keras
from keras import ops

from vsim_tf.layers.kernels.choice import made_for_cpus
from vsim_tf.types import Tensor


class WideDense(keras.layers.Dense):
    """Keras' Dense whose gradient of the inputs, g·Wᵀ, is computed on CPUs as a batched product, of a batch of one.

    TensorFlow's plain float32 product with a transposed second factor is slow on a CPU at some shapes: 37 GFLOP/s against 137
    for 32 rows and W `[24576, 1024]`, 142 against 198 for 640 rows and W `[768, 3072]`. From 1,568
    rows on, and in bfloat16, they differ by 6 % at most (2 cores, 200 GFLOP/s for square matrices).
    """

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """`[..., width]` to `[..., units]`."""
        if not training or not made_for_cpus():
            return super().call(inputs)
        kernel = ops.copy(self.kernel)  # as a tensor: TensorFlow wants the gradient of a variable in another form
        x = _product(inputs, kernel)
        return self.activation(ops.add(x, self.bias) if self.use_bias else x)


@ops.custom_gradient  # type: ignore[untyped-decorator]  # Keras has no types
def _product(x: Tensor, kernel: Tensor) -> tuple[Tensor, Callable[..., tuple[Tensor, Tensor]]]:
    width, units = kernel.shape
    matrix = ops.reshape(x, (-1, width))

    def gradient(*arguments: Tensor, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
        upstream = ops.reshape(arguments[0] if upstream is None else upstream, (1, -1, units))
        of_x = ops.matmul(upstream, ops.transpose(ops.expand_dims(kernel, 0), (0, 2, 1)))
        return ops.reshape(of_x, ops.shape(x)), ops.matmul(ops.transpose(matrix), upstream[0])

    return ops.reshape(ops.matmul(matrix, kernel), (*ops.shape(x)[:-1], units)), gradient

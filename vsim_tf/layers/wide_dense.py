"""A Dense layer for rows that are far wider than they are many."""

import keras
from keras import ops


class WideDense(keras.layers.Dense):
    """Keras' Dense whose gradient of the inputs is computed as (W·gᵀ)ᵀ, which is g·Wᵀ.

    With few rows both take as long as reading W does, and TensorFlow's float32 product on a CPU reads a transposed second factor
    about three times as slowly as a first one (32 rows).
    """

    def call(self, inputs, training=None):
        """`[batch, width]` to `[batch, units]`."""
        if not training:
            return super().call(inputs)
        kernel = ops.copy(self.kernel)  # as a tensor: TensorFlow wants the gradient of a variable in another form
        x = _product(inputs, kernel)
        return self.activation(ops.add(x, self.bias) if self.use_bias else x)


@ops.custom_gradient
def _product(x, kernel):
    def gradient(*arguments, upstream=None):
        upstream = arguments[0] if upstream is None else upstream
        of_x = ops.transpose(ops.matmul(kernel, ops.transpose(upstream)))
        return of_x, ops.matmul(ops.transpose(x), upstream)

    return ops.matmul(x, kernel), gradient

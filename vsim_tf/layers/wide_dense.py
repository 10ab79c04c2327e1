"""A Dense layer for rows that are far wider than they are many."""

import keras
from keras import ops


class WideDense(keras.layers.Dense):
    """Keras' Dense without activation, whose gradient of the inputs is computed as (W·gᵀ)ᵀ, which is g·Wᵀ.

    With few rows both take as long as reading W does, and TensorFlow's product on a CPU reads a transposed second factor three
    times as slowly as a first one.
    """

    def call(self, inputs, training=None):
        """`[batch, width]` to `[batch, units]`."""
        if not training:
            return super().call(inputs)
        kernel = ops.copy(self.kernel)  # as a tensor: TensorFlow wants the gradient of a variable in another form
        return ops.add(_product(inputs, kernel), self.bias)


@ops.custom_gradient
def _product(x, kernel):
    def gradient(*arguments, upstream=None):
        upstream = arguments[0] if upstream is None else upstream
        of_x = ops.transpose(ops.matmul(kernel, ops.transpose(upstream)))
        return of_x, ops.matmul(ops.transpose(x), upstream)

    return ops.matmul(x, kernel), gradient

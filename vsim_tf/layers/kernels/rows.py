"""Positions as rows of a matrix."""

from keras import ops

from vsim_tf.layers.kernels.choice import made_for_cpus
from vsim_tf.types import Tensor


def rows(x: Tensor, training: bool | None) -> Tensor:
    """`[batch, positions, dim]` as `[batch * positions, dim]` for a Dense layer on a CPU, in training as it is.

    On a matrix TensorFlow computes product, bias and GELU as one operation; on more axes Keras puts a reshape between
    product and bias, which keeps them apart. Training gains nothing by it, and the one operation does not survive that
    memory runs out.
    """
    return x if training or not made_for_cpus() else ops.reshape(x, (-1, x.shape[-1]))

"""Activations that a backward pass reads of the forward pass, counted in the graph."""

import math
from collections.abc import Callable, Sequence

import tensorflow as tf

ALIASES = ("Identity", "IdentityN", "Reshape", "ExpandDims", "Squeeze", "StopGradient")
"""Operations whose results are their inputs, at most in another shape."""
NO_ACTIVATIONS = ("Const", "Placeholder", "ReadVariableOp")


def kept_bytes(forward: Callable[[], tf.Tensor], variables: Sequence[tf.Variable], unknown: int = 0) -> int:
    """Bytes that are in memory when the backward pass begins; batch and lengths are static shapes of what `forward` closes over.

    Args:
        forward: computes what is differentiated.
        variables: what gradients are of.
        unknown: stands for dimensions that the graph does not know, such as the number of masked tokens.
    """
    kept: dict[int, int] = {}

    def both_passes():
        with tf.GradientTape() as tape:
            total = forward()
        operations = tf.compat.v1.get_default_graph().get_operations
        before = len(operations())
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(total, variables) if g is not None]
        first = set(operations()[:before])
        read = (tensor for operation in operations()[before:] for tensor in operation.inputs if tensor.op in first)
        for tensor in map(_origin, read):
            if tensor.op.type not in NO_ACTIVATIONS and tensor.dtype != tf.resource:
                kept[id(tensor)] = tensor.dtype.size * math.prod(unknown if size is None else size for size in tensor.shape)
        return gradients

    tf.function(both_passes, autograph=False).get_concrete_function()
    return sum(kept.values())


def _origin(tensor: tf.Tensor) -> tf.Tensor:
    """The tensor that owns the memory."""
    while tensor.op.type in ALIASES:
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]
    return tensor

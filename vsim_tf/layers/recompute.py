"""Activations that are computed again in the backward pass instead of being kept (Chen et al. 2016, arXiv 1604.06174)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras

from vsim_tf.types import Tensor


def recomputed(function: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
    """`function(*inputs)`, of which nothing is kept for the backward pass but the inputs.

    Args:
        function: is called again in the backward pass, so it must be the same then: it draws no random numbers of its own.
        inputs: what gradients flow to, next to the variables that the function reads.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.remat(function)(*inputs)
    import tensorflow as tf

    def forward(*inputs: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        def gradient(*upstream: Tensor, variables: Sequence[Any] = ()) -> tuple[list[Tensor], list[Tensor]]:
            sources = [*inputs, *variables]
            # Without the dependencies it would run as soon as its inputs are there, or be found to be the same as before
            with tf.control_dependencies(upstream), tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(sources)
                output = function(*inputs)
                gradients = tape.gradient(output, sources, upstream[0])
            return gradients[: len(inputs)], gradients[len(inputs) :]

        return function(*inputs), gradient

    return tf.custom_gradient(forward)(*inputs)

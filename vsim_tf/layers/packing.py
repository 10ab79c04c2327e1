"""Leaving padding out: a video's frames move right behind its title, and what no video of the batch needs is cut off."""

from vsim_tf.lazy import ops
from vsim_tf.types import Tensor


def packed_positions(mask: Tensor) -> Tensor:
    """Unmasked positions first, in their order, cut to the batch's longest: `[batch, positions]` to `[batch, longest]`.

    Videos shorter than the longest are filled up with masked positions.
    """
    masked = 1 - ops.cast(ops.cast(mask, "bool"), "int32")
    length = ops.shape(mask)[1]
    order = ops.argsort(ops.arange(length) + length * masked, axis=1)
    return order[:, : ops.max(ops.sum(1 - masked, axis=1))]


def take_positions(states: Tensor, order: Tensor) -> Tensor:
    """States `[batch, positions, dim]` at the positions `[batch, taken]`: `[batch, taken, dim]`."""
    batch, length, width = ops.shape(states)
    rows = order + length * ops.arange(batch)[:, None]
    return ops.take(ops.reshape(states, (-1, width)), rows, axis=0)

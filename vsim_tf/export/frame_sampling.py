"""The sampling of frames as part of a graph: the rules of `vsim_tf.input.frames`, of tensors."""

import tensorflow as tf

from vsim_tf.input.frames import SAMPLINGS
from vsim_tf.models.model import FrameInput


def sampled_frames(frames: tf.Tensor, num_frames: tf.Tensor, form: FrameInput, trim: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Sampled frames of a batch as `BatchFormat.sample` makes them.

    Args:
        frames: all of each video, `[batch, frames, dim]`; those behind its last are never read.
        num_frames: how many are real, `[batch]` int32.
        form: how many are sampled, and how.
        trim: cut the batch to its longest video.

    Returns:
        `[batch, positions, dim]` and how many of them are real, `[batch]` int32.
    """
    limit = form.max_frames
    counts = tf.minimum(num_frames, limit)
    positions = tf.maximum(tf.reduce_max(counts), 1) if trim else limit
    indices = frame_indices(num_frames, tf.range(positions), form)
    batch, length, dim = tf.unstack(tf.shape(frames))
    with_zeros = tf.concat([frames, tf.zeros([batch, 1, dim], frames.dtype)], axis=1)
    indices = tf.where(indices < 0, length, indices)
    return tf.gather(with_zeros, indices, batch_dims=1), counts


def frame_indices(num_frames: tf.Tensor, slots: tf.Tensor, form: FrameInput) -> tf.Tensor:
    """Which frame stands at each slot, `[batch, slots]` int32; -1 where there are zeros."""
    n, slot, limit = num_frames[:, None], slots[None, :], form.max_frames
    behind = n - 1 if form.padding == "last" else tf.fill(tf.shape(n), -1)
    sample = _centred(n, slot, limit) if form.sampling == "centred" else SAMPLINGS[form.sampling](n, slot, limit)
    return tf.where(n > limit, sample, tf.where(slot < n, slot, behind))


def _centred(n: tf.Tensor, slot: tf.Tensor, slots: int) -> tf.Tensor:
    """In float64, as NumPy rounds it: ties to even."""
    middle = tf.cast(slot, tf.float64) + 0.5
    return tf.cast(tf.round(middle * tf.cast(n - 1, tf.float64) / slots), tf.int32)

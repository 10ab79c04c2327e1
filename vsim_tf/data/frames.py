"""Which frames of a video are sampled, and their bytes as numbers."""

import tensorflow as tf

from vsim_tf.data.schema import FLOAT16_EXPONENT


def frame_indices(num_frames: tf.Tensor, max_frames: int) -> tf.Tensor:
    """Which frame stands at each position (docs/facts.md 1.3).

    n < max_frames: all frames, then the last repeated. Else with stride d = n // max_frames: frame i·d + d // 2.

    Args:
        num_frames: frames in the record, `[batch]` int64.
        max_frames: positions.

    Returns:
        `[batch, max_frames]` int64; -1 for videos without frames.
    """
    n = num_frames[:, None]
    position = tf.range(max_frames, dtype=tf.int64)[None, :]
    stride = n // max_frames
    return tf.where(stride == 0, tf.minimum(position, n - 1), position * stride + stride // 2)


def decode_frames(features: tf.RaggedTensor, width: int, max_frames: int, trim: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Byte strings of each video's frames to sampled frames.

    Args:
        features: little-endian float16 values of each frame, `[batch, (frames)]` string.
        width: values of a frame.
        max_frames: frames sampled of a video.
        trim: as many positions as the longest video needs, at least one; else `max_frames`.

    Returns:
        `[batch, positions, width]` float16, all zero for a video without frames, and the number sampled, `[batch]` int32.

    Raises:
        InvalidArgumentError: bytes that are no whole number of frames, or a value that is not finite.
    """
    counts = features.row_lengths()
    num_frames = tf.cast(tf.minimum(counts, max_frames), tf.int32)
    chosen = frame_indices(counts, max_frames)
    if trim:
        chosen = chosen[:, : tf.maximum(tf.reduce_max(num_frames), 1)]
    # decode_raw has no float16 kernel for fixed lengths, and a plain one is slower than reading 16-bit integers
    bits = tf.reshape(tf.io.decode_raw(features.flat_values, tf.uint16), [-1, width])
    faulty = tf.reduce_any(bits & FLOAT16_EXPONENT == FLOAT16_EXPONENT)  # check_numerics of float16 takes 4 times all the rest
    with tf.control_dependencies([tf.debugging.Assert(~faulty, ["frames"])]):  # `readable_errors` finds out whose
        bits = tf.concat([bits, tf.zeros([1, width], tf.uint16)], axis=0)
    index = tf.where(chosen < 0, tf.shape(bits, tf.int64)[0] - 1, features.row_starts()[:, None] + chosen)
    frames = tf.bitcast(tf.gather(bits, index), tf.float16)
    positions = None if trim else max_frames
    return tf.ensure_shape(frames, [None, positions, width]), num_frames

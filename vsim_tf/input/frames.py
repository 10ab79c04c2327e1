"""Which frames of a video are sampled, and how a batch of them is filled up."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

TENSOR_ALIGNMENT = 64
"""Bytes; arrays that begin elsewhere are copied into tensors."""


def frame_indices(num_frames: np.ndarray, max_frames: int) -> np.ndarray:
    """Which frame stands at each position (docs/facts.md 1.3).

    n < max_frames: all frames, then the last repeated. Else with stride d = n // max_frames: frame i·d + d // 2.

    Args:
        num_frames: frames in the record, `[batch]` int64.
        max_frames: positions.

    Returns:
        `[batch, max_frames]` int64; -1 for videos without frames.
    """
    n = np.asarray(num_frames)[:, None]
    position = np.arange(max_frames)[None, :]
    stride = n // max_frames
    indices: np.ndarray = np.where(stride == 0, np.minimum(position, n - 1), position * stride + stride // 2)
    return indices


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array that TensorFlow takes over without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + TENSOR_ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % TENSOR_ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def sample_frames(videos: Sequence[np.ndarray], max_frames: int, positions: int) -> np.ndarray:
    """The sampled frames of a batch.

    Args:
        videos: values of each video's frames, `[frames, width]`.
        max_frames: frames sampled of a video.
        positions: positions of the batch, at most `max_frames`, which the longest video may not need but must not exceed.

    Returns:
        `[batch, positions, width]` of the same type; positions after the last frame repeat it, all zero for a video without
        frames.
    """
    batch = aligned_empty((len(videos), positions, videos[0].shape[1]), videos[0].dtype)
    indices = frame_indices(np.array([len(frames) for frames in videos]), max_frames)
    for row, frames in enumerate(videos):
        if not len(frames):
            batch[row] = 0
        elif len(frames) < max_frames:  # two copies are faster than one by index
            batch[row, : len(frames)], batch[row, len(frames) :] = frames, frames[-1]
        else:
            np.take(frames, indices[row, :positions], axis=0, out=batch[row], mode="clip")  # "raise" copies once more
    return batch

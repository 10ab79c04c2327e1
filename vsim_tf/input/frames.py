"""Which frames of a video are sampled, and how a batch of them is filled up."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

TENSOR_ALIGNMENT = 64
"""Bytes; arrays that begin elsewhere are copied into tensors."""


def _strided(n: np.ndarray, slot: np.ndarray, slots: int) -> np.ndarray:
    """The middle of each stride d = n // slots, i·d + d // 2 (docs/facts.md 1.3): frames behind slots·d are never taken."""
    stride = n // slots
    indices: np.ndarray = slot * stride + stride // 2
    return indices


def _centred(n: np.ndarray, slot: np.ndarray, slots: int) -> np.ndarray:
    """round((i + 0.5)·(n − 1) / slots), ties to even (docs/facts_rank1.md 2)."""
    indices: np.ndarray = np.rint((slot + 0.5) * (n - 1) / slots).astype(np.int64)
    return indices


def _stride_starts(n: np.ndarray, slot: np.ndarray, slots: int) -> np.ndarray:
    """The beginning of each stride, i·(n // slots) (docs/facts_rank8.md 3): up to 2·slots - 1 frames, the first ones."""
    indices: np.ndarray = slot * (n // slots)
    return indices


SAMPLINGS = {"strided": _strided, "centred": _centred, "stride_starts": _stride_starts}
"""Of n > slots frames, the one at slot i, by the name of the rule; broadcast over n and i."""
ZEROS = -1
"""Index of a slot that is all zeros."""


class FrameDraw(NamedTuple):
    """A draw of frames, uniform among all sets of them, in the order of time (docs/facts_rank8.md 3).

    The frames of a video follow from the seed, its record number, and how many it has: they do not depend on the batch.

    Attributes:
        seed: of the run and the step, integers of at least 0.
        records: record number of each video, `[batch]` integers of at least 0.
    """

    seed: tuple[int, ...]
    records: np.ndarray

    def indices(self, num_frames: np.ndarray, slots: int) -> np.ndarray:
        """The drawn frames, `[batch, slots]` int64; zeros for a video of no more frames than slots."""
        indices = np.zeros((len(num_frames), slots), np.int64)
        for row in np.flatnonzero(num_frames > slots):
            rng = np.random.default_rng((*self.seed, int(self.records[row])))
            indices[row] = np.sort(rng.choice(int(num_frames[row]), slots, replace=False))
        return indices


def frame_indices(
    num_frames: np.ndarray, max_frames: int, sampling: str = "strided", padding: str = "last", draw: FrameDraw | None = None
) -> np.ndarray:
    """Which frame stands at each slot: all of a video of up to `max_frames`, then the padding; of a longer one a sample.

    The 1st place's own code kept all frames of a video of one frame more than there are slots, and broke its batch by it
    (rank-1 quirk 12). Here such a video is sampled like every longer one.

    Args:
        num_frames: frames in the record, `[batch]` int64.
        max_frames: slots.
        sampling: a rule of `SAMPLINGS`.
        padding: what fills the slots behind the last frame, "last" (that frame again) or "zeros".
        draw: takes the place of the rule.

    Returns:
        `[batch, max_frames]` int64; -1 at slots that are zeros, which are all of a video without frames.
    """
    n = np.asarray(num_frames)[:, None]
    slot = np.arange(max_frames)[None, :]
    behind = n - 1 if padding == "last" else ZEROS
    sample = draw.indices(n[:, 0], max_frames) if draw else SAMPLINGS[sampling](n, slot, max_frames)
    indices: np.ndarray = np.where(n > max_frames, sample, np.where(slot < n, slot, behind))
    return indices


def aligned_empty(shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """An array that TensorFlow takes over without a copy."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    memory = np.empty(size + TENSOR_ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % TENSOR_ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def sample_frames(
    videos: Sequence[np.ndarray],
    max_frames: int,
    positions: int,
    sampling: str = "strided",
    padding: str = "last",
    draw: FrameDraw | None = None,
) -> np.ndarray:
    """The sampled frames of a batch.

    Args:
        videos: values of each video's frames, `[frames, width]`.
        max_frames: frames sampled of a video.
        positions: positions of the batch, at most `max_frames`, which the longest video may not need but must not exceed.
        sampling, padding, draw: as for `frame_indices`.

    Returns:
        `[batch, positions, width]` of the same type; positions after the last frame repeat it or are zero, all are zero for a
        video without frames.
    """
    batch = aligned_empty((len(videos), positions, videos[0].shape[1]), videos[0].dtype)
    indices = frame_indices(np.array([len(frames) for frames in videos]), max_frames, sampling, draw=draw)
    for row, frames in enumerate(videos):
        if len(frames) <= max_frames:  # two copies are faster than one by index
            batch[row, : len(frames)] = frames
            batch[row, len(frames) :] = frames[-1] if padding == "last" and len(frames) else 0
        else:
            np.take(frames, indices[row, :positions], axis=0, out=batch[row], mode="clip")  # "raise" copies once more
    return batch

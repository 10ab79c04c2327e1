"""Frames that a graph samples are those that batches hold."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.export.frame_sampling import frame_indices, sampled_frames
from vsim_tf.input import frames
from vsim_tf.input.decoding import BatchFormat
from vsim_tf.models.model import PADDINGS, SAMPLINGS, FrameInput


@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("padding", PADDINGS)
def test_every_rule_takes_the_same_frames(sampling, padding):
    counts = np.arange(200, dtype=np.int32)
    for limit in (1, 2, 3, 5, 8, 31, 32):
        form = FrameInput(dim=1, max_frames=limit, sampling=sampling, padding=padding)
        found = frame_indices(tf.constant(counts), tf.range(limit), form)
        np.testing.assert_array_equal(found, frames.frame_indices(counts, limit, sampling, padding))


@pytest.mark.parametrize("trim", [True, False])
@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("counts", [(0, 1, 3), (0, 0), (4, 5, 11)])
def test_a_batch_is_that_of_records(counts, padding, trim):
    """Also where a longer video is in it; rows behind a video's last frame are not read."""
    rng = np.random.default_rng(0)
    videos = [rng.standard_normal((count, toys.DIM)).astype(np.float16) for count in counts]
    given = np.full((len(counts), max(counts), toys.DIM), np.nan, np.float16)
    for row, video in zip(given, videos, strict=True):
        row[: len(video)] = video
    config = FrameInput(dim=toys.DIM, max_frames=toys.FRAMES, padding=padding)
    form = BatchFormat(toys.TOKENIZERS["bert"], toys.TAGS, toys.TEXT, toys.FRAMES, toys.DIM, trim_frames=trim, padding=padding)
    expected = form.sample([video.view(np.uint16) for video in videos])
    found = sampled_frames(tf.constant(given), tf.constant(counts), config, trim)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)

"""Which frames are sampled, and how a batch of them is filled up."""

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input.frames import frame_indices, sample_frames

WIDTH = 4


@given(counts=st.lists(st.integers(0, 200), min_size=1, max_size=6), limit=st.sampled_from([1, 4, 5, 32]))
def test_frames_are_sampled_as_in_2021(counts, limit):
    indices = frame_indices(np.array(counts), limit).tolist()
    assert indices == [toys.sampled_in_2021(n, limit) if n else [-1] * limit for n in counts]


@pytest.mark.parametrize("positions", [3, 4, 5])
def test_frames_fill_the_positions(positions):
    videos = [np.arange(n * WIDTH, dtype=np.uint16).reshape(n, WIDTH) for n in (3, 0, 1)]
    frames = sample_frames(videos, 5, positions)
    assert frames.shape == (3, positions, WIDTH) and frames.dtype == np.uint16
    np.testing.assert_array_equal(frames[0], videos[0][[0, 1, 2, 2, 2][:positions]])
    np.testing.assert_array_equal(frames[2], videos[2][[0] * positions])
    assert not frames[1].any()


@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=6), limit=st.sampled_from([1, 4, 5, 32]))
def test_sampled_frames_are_those_of_the_indices(counts, limit):
    videos = [np.arange(n * WIDTH, dtype=np.uint16).reshape(n, WIDTH) for n in counts]
    for video, row in zip(videos, sample_frames(videos, limit, limit), strict=True):
        np.testing.assert_array_equal(row, video[toys.sampled_in_2021(len(video), limit)] if len(video) else 0)

"""Which frames are sampled, and what their bytes become."""

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.data.frames import decode_frames, frame_indices

WIDTH = 4


@given(counts=st.lists(st.integers(0, 200), min_size=1, max_size=6), limit=st.sampled_from([1, 4, 5, 32]))
def test_frames_are_sampled_as_in_2021(counts, limit):
    indices = frame_indices(tf.constant(counts, tf.int64), limit).numpy().tolist()
    assert indices == [toys.sampled_in_2021(n, limit) if n else [-1] * limit for n in counts]


def stored(videos):
    return tf.ragged.constant([[frame.tobytes() for frame in video] for video in videos], tf.string, row_splits_dtype=tf.int64)


@pytest.mark.parametrize("trim, positions", [(True, 3), (False, 5)])
def test_frames_fill_the_positions_of_the_longest_video_or_all(trim, positions):
    videos = [np.arange(n * WIDTH).reshape(n, WIDTH).astype("<f2") for n in (3, 0, 1)]
    frames, num_frames = decode_frames(stored(videos), WIDTH, 5, trim)
    assert num_frames.numpy().tolist() == [3, 0, 1]
    assert frames.shape == (3, positions, WIDTH) and frames.dtype == tf.float16
    assert (frames[0, :3] == videos[0]).numpy().all() and (frames[2] == videos[2]).numpy().all()
    assert not frames[1].numpy().any()


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_value_that_is_not_finite_is_refused(value):
    video = np.full((2, WIDTH), 65504, "<f2")  # the largest finite one
    decode_frames(stored([video]), WIDTH, 5, True)
    video[1, 2] = value
    with pytest.raises(tf.errors.InvalidArgumentError):
        decode_frames(stored([video]), WIDTH, 5, True)

"""Which frames are sampled, and how a batch of them is filled up."""

import itertools

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input.frames import SAMPLINGS, frame_indices, sample_frames
from vsim_tf.models import architectures

WIDTH = 4
RULES = [*itertools.product(architectures.SAMPLINGS, architectures.PADDINGS)]
COUNTS = st.lists(st.integers(0, 200), min_size=1, max_size=6)
SLOTS = st.sampled_from([1, 4, 5, 32])


def video(frames: int) -> np.ndarray:
    """Frames that all differ, none of them zero."""
    return np.arange(1, frames * WIDTH + 1, dtype=np.uint16).reshape(frames, WIDTH)


@given(counts=COUNTS, limit=SLOTS)
def test_frames_are_sampled_as_in_2021(counts, limit):
    indices = frame_indices(np.array(counts), limit).tolist()
    assert indices == [toys.sampled_in_2021(n, limit) if n else [-1] * limit for n in counts]


@given(counts=COUNTS, slots=SLOTS)
def test_centred_frames_are_rounded_to_even(counts, slots):
    """Python's `round` of a fraction is exact, and takes ties to even."""
    sampled = [[round((2 * i + 1) * (n - 1) / (2 * slots)) for i in range(slots)] for n in counts]
    kept = [[*range(n), *[-1] * (slots - n)] for n in counts]
    expected = [kept[row] if n <= slots else sampled[row] for row, n in enumerate(counts)]
    assert frame_indices(np.array(counts), slots, "centred", "zeros").tolist() == expected


def test_one_frame_more_than_slots_is_sampled():
    """(i + 0.5)·8/8 = 0.5, 1.5, ..., of which each is a tie: the original kept all nine (rank-1 quirk 12)."""
    assert frame_indices(np.array([9]), 8, "centred").tolist() == [[0, 2, 2, 4, 4, 6, 6, 8]]


@pytest.mark.parametrize("positions", [3, 4, 5])
def test_frames_fill_the_positions(positions):
    videos = [video(3), video(0), video(1)]
    frames = sample_frames(videos, 5, positions)
    assert frames.shape == (3, positions, WIDTH) and frames.dtype == np.uint16
    np.testing.assert_array_equal(frames[0], videos[0][[0, 1, 2, 2, 2][:positions]])
    np.testing.assert_array_equal(frames[2], videos[2][[0] * positions])
    assert not frames[1].any()


def test_zeros_behind_the_last_frame():
    frames = sample_frames([video(3), video(0)], 5, 5, padding="zeros")
    np.testing.assert_array_equal(frames[0], [*video(3), [0] * WIDTH, [0] * WIDTH])
    assert not frames[1].any()


@pytest.mark.parametrize("rules", RULES, ids="-".join)
@given(counts=st.lists(st.integers(0, 40), min_size=1, max_size=6), limit=SLOTS)
def test_sampled_frames_are_those_of_the_indices(rules, counts, limit):
    videos = [video(n) for n in counts]
    indices = frame_indices(np.array(counts), limit, *rules)
    for frames, index, row in zip(videos, indices, sample_frames(videos, limit, limit, *rules), strict=True):
        np.testing.assert_array_equal(row, np.append(frames, np.zeros((1, WIDTH), frames.dtype), axis=0)[index])


@pytest.mark.parametrize("rules", RULES, ids="-".join)
def test_trimmed_frames_are_the_first_of_all(rules):
    videos = [video(n) for n in (3, 0, 1)]
    np.testing.assert_array_equal(sample_frames(videos, 5, 3, *rules), sample_frames(videos, 5, 5, *rules)[:, :3])


def test_configurations_know_every_rule():
    assert tuple(SAMPLINGS) == architectures.SAMPLINGS

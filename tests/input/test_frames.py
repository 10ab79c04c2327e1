"""Which frames are sampled, and how a batch of them is filled up."""

import itertools

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input.frames import SAMPLINGS, FrameDraw, frame_indices, sample_frames
from vsim_tf.models import model as inputs

WIDTH = 4
RULES = [*itertools.product(inputs.SAMPLINGS, inputs.PADDINGS)]
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


@pytest.mark.parametrize(("n", "first"), [(16, 1), (31, 1), (32, 2), (47, 2), (100, 6)])
def test_stride_starts_are_multiples_of_n_by_slots(n, first):
    assert frame_indices(np.array([n]), 16, "stride_starts", "zeros").tolist() == [[i * first for i in range(16)]]


@given(counts=COUNTS, slots=SLOTS, seed=st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)))
def test_drawn_frames_are_in_the_order_of_time(counts, slots, seed):
    drawn = frame_indices(np.array(counts), slots, padding="zeros", draw=FrameDraw(seed, np.arange(len(counts))))
    for n, indices in zip(counts, drawn, strict=True):
        if n <= slots:
            assert indices.tolist() == [*range(n), *[-1] * (slots - n)]
        else:
            assert (np.diff(indices) > 0).all() and indices[0] >= 0 and indices[-1] < n


def test_a_draw_follows_from_seed_and_record_not_from_the_batch():
    counts, records = np.array([40, 90, 3, 40]), np.array([7, 8, 9, 10])
    drawn = frame_indices(counts, 16, draw=FrameDraw((2, 5), records))
    np.testing.assert_array_equal(frame_indices(counts[::-1], 16, draw=FrameDraw((2, 5), records[::-1])), drawn[::-1])
    for rows in (slice(0, 1), slice(1, 4)):
        np.testing.assert_array_equal(frame_indices(counts[rows], 16, draw=FrameDraw((2, 5), records[rows])), drawn[rows])
    assert (drawn[0] != drawn[3]).any()  # as many frames, another record
    for seed in ((2, 6), (3, 5)):
        assert (frame_indices(counts, 16, draw=FrameDraw(seed, records)) != drawn).any(axis=1).tolist() == [
            True,
            True,
            False,
            True,
        ]


def test_every_frame_is_drawn_equally_often():
    """Of 4 in 10 frames in 1,000 draws, 400 each: the standard deviation is √(1000·0.4·0.6) = 15.5."""
    counts = np.full(1000, 10)
    drawn = frame_indices(counts, 4, draw=FrameDraw((1, 1), np.arange(1000)))
    assert np.abs(np.bincount(drawn.ravel(), minlength=10) - 400).max() < 4 * 15.5


def test_drawn_frames_are_those_of_the_indices():
    videos, draw = [video(n) for n in (30, 3, 9)], FrameDraw((4, 4), np.array([1, 2, 3]))
    indices = frame_indices(np.array([30, 3, 9]), 5, padding="zeros", draw=draw)
    for frames, index, row in zip(videos, indices, sample_frames(videos, 5, 5, padding="zeros", draw=draw), strict=True):
        np.testing.assert_array_equal(row, np.append(frames, np.zeros((1, WIDTH), frames.dtype), axis=0)[index])


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
    assert tuple(SAMPLINGS) == inputs.SAMPLINGS

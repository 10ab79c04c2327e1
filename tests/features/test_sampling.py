import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.features.sampling import Sampling, spread


def times(frames: int, fps: int = 8) -> list[Fraction]:
    return [Fraction(j, fps) for j in range(frames)]


@pytest.mark.parametrize(
    ("frames", "count", "chosen"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (9, 3, [1, 4, 7]), (10, 3, [1, 4, 8]), (8, 4, [0, 2, 4, 6]),
     (300, 4, [37, 112, 187, 262])],
)  # fmt: skip
def test_frames_spread_over_a_video(frames, count, chosen):
    """Of 10 frames in 3 parts of 3.33 the middles are 1.17, 4.5 and 7.83; of 300 in 4 they are 37, 112, 187 and 262."""
    assert spread(frames, count) == chosen


@given(st.integers(0, 500), st.integers(1, 40))
def test_spread_frames_are_distinct_and_even(frames, count):
    chosen = spread(frames, count)
    assert len(chosen) == min(frames, count)
    gaps = {b - a for a, b in itertools.pairwise(chosen)}
    assert all(0 < gap <= frames / count + 1 for gap in gaps)
    assert all(0 <= j < frames for j in chosen)


@pytest.mark.parametrize(
    ("fps", "chosen"),
    [
        (8, list(range(10))),
        (1000, list(range(10))),
        (4, [0, 2, 4, 6, 8]),
        (3, [0, 2, 5, 8]),
        (1, [0, 8]),
        (0.5, [0]),
        (0.01, [0]),
    ],
)
def test_frames_at_a_rate(fps, chosen):
    """Ten frames of 1/8 s: at 0, 1/3, 2/3 and 1 s frames 0, 2 (from 0.25 s), 5 (from 0.625 s) and 8 are shown."""
    assert Sampling(fps=fps).choose(times(10)) == chosen


def test_a_frame_that_stays_long_is_used_once():
    assert Sampling(fps=4).choose([Fraction(0), Fraction(2), Fraction(17, 8)]) == [0, 1]
    assert Sampling(fps=1).choose([Fraction(0)]) == [0]
    assert Sampling(fps=1).choose([]) == []


def test_rounded_times_and_decimal_rates():
    """At 30 frames a second, times in milliseconds are 0, 33, 67, 100, ...; 0.1 a second is one in 10 s."""
    rounded = [Fraction(round(j * 1000 / 30), 1000) for j in range(40)]
    assert Sampling(fps=30).choose(rounded) == list(range(40))
    assert Sampling(fps=0.1).choose([Fraction(second) for second in range(25)]) == [0, 10, 20]


def test_the_first_frames_alone():
    assert Sampling().choose(times(10)) == list(range(10))
    assert Sampling(first=3).choose(times(10)) == [0, 1, 2]
    assert Sampling(fps=4, first=2).choose(times(10)) == [0, 2]
    assert Sampling(count=5, first=2).choose(times(10)) == [0, 2]  # of middles 0.5, 2.5, ...


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fps": 1, "count": 2}, "fps=1, count=2: one of both"),
        ({"fps": 0}, "fps=0: a number above 0"),
        ({"fps": float("nan")}, "fps=nan"),
        ({"fps": float("inf")}, "fps=inf"),
        ({"count": 0}, "count=0: an integer above 0"),
        ({"first": 0}, "max_frames=0: an integer above 0"),
    ],
)
def test_refuses(values, message):
    with pytest.raises(UserError, match=message):
        Sampling(**values)

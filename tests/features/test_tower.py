import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_frames import ToyTower

from vsim_tf.errors import UserError
from vsim_tf.features.tower import features_of_videos


def video(frames: int, value: int = 7) -> np.ndarray:
    return np.full((frames, 8, 8, 3), value, np.uint8)


def test_frames_of_several_videos_share_a_call():
    """5 + 0 + 2 + 6 frames in calls of 4: three full ones and one frame."""
    tower = ToyTower()
    features = list(features_of_videos([video(5, 1), video(0), video(2, 2), video(6, 3)], tower, 4))
    assert tower.calls == [4, 4, 4, 1]
    assert [values.shape for values in features] == [(5, 4), (0, 4), (2, 4), (6, 4)]
    assert [values[:, 0].tolist() for values in features] == [[1] * 5, [], [2] * 2, [3] * 6]


def test_features_come_as_soon_as_they_are_complete():
    tower, drawn = ToyTower(), []

    def videos():
        for number in range(3):
            drawn.append(number)
            yield video(2)

    stream = features_of_videos(videos(), tower, 2)
    next(stream)
    assert (drawn, tower.calls) == ([0], [2])


@given(st.lists(st.integers(0, 7), max_size=8), st.integers(1, 9))
def test_any_videos_keep_their_frames(counts, batch_size):
    tower = ToyTower()
    videos = [video(count, 10 * i) for i, count in enumerate(counts)]
    features = list(features_of_videos(videos, tower, batch_size))
    assert [len(values) for values in features] == counts
    assert all((values[:, 0] == 10 * i).all() for i, values in enumerate(features))
    full, rest = divmod(sum(counts), batch_size)
    assert tower.calls == [batch_size] * full + ([rest] if rest else [])


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (np.zeros((2, 5)), r"gave \[2, 5\] for 2 pictures; expected \[2, 4\]"),
        (np.zeros((1, 4)), r"gave \[1, 4\] for 2 pictures"),
        (np.full((2, 4), np.nan), "gave NaN or inf"),
    ],
)
def test_towers_that_are_wrong(result, message, monkeypatch):
    monkeypatch.setattr(ToyTower, "__call__", lambda self, pictures: result)
    with pytest.raises(UserError, match=message):
        list(features_of_videos([video(2)], ToyTower(), 2))

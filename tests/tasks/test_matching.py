"""Which frames are exchanged, and the loss of the logit on [CLS]."""

import math

import numpy as np
import pytest
import tensorflow as tf
from by_hand import logs_and_gradients, video_batch

from vsim_tf.errors import UserError
from vsim_tf.tasks.matching import Matching, reversed_behind


@pytest.mark.parametrize(
    ("size", "order", "target"),
    [
        (4, [0, 1, 3, 2], [1, 1, 0, 0]),
        (5, [0, 1, 4, 3, 2], [1, 1, 0, 1, 0]),  # the middle one keeps its frames
        (1, [0], [1]),
        (2, [0, 1], [1, 1]),
    ],
)
def test_the_second_half_is_reversed(size, order, target):
    frames = np.arange(2 * size, dtype="float16").reshape(size, 2, 1)
    batch = video_batch(range(1, size + 1), frames, tags=np.zeros((size, 1), "int8"))
    found = reversed_behind(batch, len(batch.frames) // 2)
    np.testing.assert_array_equal(found.frames, frames[order])
    np.testing.assert_array_equal(found.targets["matching"], target)
    np.testing.assert_array_equal(found.num_frames, batch.num_frames)  # masks do not move
    assert found.targets.keys() == {"tags", "matching"} and found.frames.dtype == tf.float16


def test_loss_by_hand():
    """A logit of 1 and a target of 1: log(1 + e⁻¹); of 2 and 0: log(1 + e²). The gradient is (σ(x) − y) / 2 on [CLS]."""
    states = tf.constant([[[1.0], [8], [8]], [[2], [8], [8]]])
    batch = video_batch([1, 1], np.zeros((2, 1, 1), "float16"), matching=np.float32([1, 0]))
    logs, gradient = logs_and_gradients({"itm": Matching(weight=3.0)}, batch, states)
    assert float(logs["itm"]) == pytest.approx(3 * (math.log(1 + 1 / math.e) + math.log(1 + math.e**2)) / 2, rel=1e-6)
    expected = np.zeros((2, 3, 1))
    expected[:, 0, 0] = [3 * (1 / (1 + math.e**-1) - 1) / 2, 3 / (1 + math.e**-2) / 2]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


def test_loss_of_two_logits_by_hand():
    """(0, ln 3) where both belong together: log 4/3; (0, 0) where they do not: log 2; the first row is of another part."""
    states = np.zeros((3, 3, 2), np.float32)
    states[:, 0] = [[5, -5], [0, math.log(3)], [0, 0]]
    rows = np.array([False, True, True])
    targets = {"matching": np.float32([0, 1, 0]), "rows/joint": rows}
    batch = video_batch([1, 1, 1], np.zeros((3, 1, 1), "float16"), **targets)
    logs, gradient = logs_and_gradients({"itm": Matching(units=2, part="joint")}, batch, tf.constant(states))
    assert float(logs["itm"]) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)
    expected = np.zeros((3, 3, 2))
    expected[1:, 0] = [[1 / 8, -1 / 8], [-1 / 4, 1 / 4]]
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("units", [0, 3])
def test_units_that_there_are_not(units):
    with pytest.raises(UserError, match=f"units={units}: 1 or 2 is accepted"):
        Matching(units=units)

"""The mean over videos that have tags, by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf
from by_hand import logs_and_gradients, video_batch

from vsim_tf.records.schema import UNTAGGED
from vsim_tf.tasks.tags import MeanTags

LOGITS = np.float32([[0, 1], [5, 5], [2, -1], [3, 3]])
TAGS = np.int8([[1, 0], [UNTAGGED] * 2, [0, 1], [UNTAGGED] * 2])
TASKS = {"tag": MeanTags(weight=100.0)}


def by_hand():
    """log(1 + e^x) − x·y, the mean of four numbers; the gradient is (σ(x) − y) / 4, and 0 of videos without tags."""
    terms = [math.log(2), math.log(1 + math.e), math.log(1 + math.e**2), math.log(1 + 1 / math.e) + 1]
    gradient = np.zeros((4, 2))
    for row in (0, 2):
        gradient[row] = (1 / (1 + np.exp(-LOGITS[row])) - TAGS[row]) / 4
    return 100 * sum(terms) / 4, 100 * gradient


def test_by_hand():
    logs, gradient = logs_and_gradients(TASKS, video_batch([0] * 4, tags=TAGS), logits=tf.constant(LOGITS))
    loss, expected = by_hand()
    assert float(logs["tag"]) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 2, 1, 3]])
def test_videos_with_tags_are_counted_over_replicas(on_two, order):
    """One of each replica, or both of one."""
    batch = video_batch([0] * 4, tags=TAGS[order])
    logs, gradient = on_two(TASKS, batch, logits=tf.constant(LOGITS[order]))
    loss, expected = by_hand()
    assert float(logs["tag"]) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient, expected[order], rtol=1e-5)


def test_without_any_tags_loss_and_gradient_are_0():
    """The gradient is there: Adam's moments and decay move the head (rank-1 quirk 21)."""
    batch = video_batch([0] * 4, tags=np.full_like(TAGS, UNTAGGED))
    logs, gradient = logs_and_gradients(TASKS, batch, logits=tf.constant(LOGITS))
    assert float(logs["tag"]) == 0
    assert gradient is not None and not gradient.numpy().any()


def test_with_all_tags_it_is_the_mean_of_all():
    tags = np.int8([[1, 0], [0, 0], [0, 1], [1, 1]])
    logs, _ = logs_and_gradients(TASKS, video_batch([0] * 4, tags=tags), logits=tf.constant(LOGITS))
    expected = np.mean(np.log1p(np.exp(LOGITS.astype(np.float64))) - LOGITS * tags)
    assert float(logs["tag"]) == pytest.approx(100 * expected, rel=1e-6)

"""Ranks, recall and average precision by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from vsim_tf.errors import UserError
from vsim_tf.evaluation import retrieval
from vsim_tf.evaluation.retrieval import ranks_of_relevant, retrieval_scores
from vsim_tf.records.embeddings import Embeddings

ANGLES = {"a": 0, "b": 10, "c": 30, "d": 60, "e": 100}
"""Degrees. From a, the others follow in their order; from c: b at 20, a and d at 30 (a is first in the list), e at 70."""
VIDEOS = Embeddings(list(ANGLES), np.array([[np.cos(x), np.sin(x)] for x in np.radians(list(ANGLES.values()))]))


@pytest.mark.parametrize("at_a_time", [1, 2, 256])
def test_ranks_leave_the_query_out(monkeypatch, at_a_time):
    monkeypatch.setattr(retrieval, "QUERIES_AT_A_TIME", at_a_time)
    found = ranks_of_relevant(VIDEOS, {"a": ["e", "b"], "c": {"c", "b"}, "e": ("a",)})
    assert [ranks.tolist() for ranks in found] == [[1, 4], [1], [4]]


def test_equal_cosines_keep_the_order_of_the_videos():
    same = Embeddings(["x", "y", "z"], np.ones((3, 2)))
    assert [ranks.tolist() for ranks in ranks_of_relevant(same, {"y": ["z"], "z": ["x", "y"]})] == [[2], [1, 2]]


def test_scores():
    """Ranks 1, 4 and 2: recall@1 (1/2 + 0) / 2, recall@3 (1/2 + 1) / 2; precision ((1/1 + 2/4) / 2 + 1/2) / 2 = 0.625."""
    scores = retrieval_scores([np.array([1, 4]), np.array([2])], [1, 3])
    assert scores == pytest.approx({"recall@1": 0.25, "recall@3": 0.75, "mean_average_precision": 0.625})


@given(st.sets(st.integers(1, 11), min_size=1), st.integers(0, 2**31))
def test_average_precision_is_that_of_scikit_learn(relevant, seed):
    """Which sums precision over the recall that each relevant video adds; random cosines are not equal."""
    values = np.random.default_rng(seed).standard_normal((12, 3))
    videos = Embeddings([str(number) for number in range(12)], values)
    ranks = ranks_of_relevant(videos, {"0": [str(number) for number in relevant]})
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    expected = average_precision_score([number in relevant for number in range(1, 12)], unit[1:] @ unit[0])
    assert retrieval_scores(ranks, [1])["mean_average_precision"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("relevant", "message"),
    [
        ({}, "no query is given"),
        ({"a": ["a"], "b": []}, "queries to which no other video is relevant: 2: a, b"),
        ({"a": ["x"], "y": ["b"]}, "ids without an embedding: 2: x, y"),
    ],
)
def test_what_cannot_be_scored(relevant, message):
    with pytest.raises(UserError, match=message):
        ranks_of_relevant(VIDEOS, relevant)

import logging
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import (
    cosine_similarity,
    l2_normalize,
    pair_rows,
    pair_scores,
    pair_spearman,
    rank_error,
    spearman,
    tag_counts,
    tag_metrics,
)
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair

SCORES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12)


def mean_ranks(values):
    ordered = sorted(values)
    return np.array([ordered.index(value) + (ordered.count(value) + 1) / 2 for value in values])


def test_cosine_against_the_definition():
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 20, 7))
    expected = [x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(cosine_similarity(a, b), expected, atol=1e-15)
    assert cosine_similarity(a[0], b[0]) == pytest.approx(expected[0])


def test_cosine_of_zero_tiny_and_large_float16_vectors():
    a = np.array([[0, 0], [1e-7, 0], [6e4, 6e4]], dtype=np.float16)
    cosine = cosine_similarity(a, np.array([[1, 0], [1, 0], [6e4, 6e4]], dtype=np.float16))
    np.testing.assert_allclose(cosine, [0, float(a[1, 0]) / 1e-6, 1], atol=1e-12)
    np.testing.assert_array_equal(l2_normalize(a)[0], [0, 0])


@settings(max_examples=100, deadline=None)
@given(SCORES)
def test_spearman_is_the_correlation_of_mean_ranks(scores):
    prediction, target = np.array(scores, dtype=float).T
    result = spearman(prediction, target)
    if len(set(prediction)) == 1 or len(set(target)) == 1:
        assert math.isnan(result)
    else:
        assert result == pytest.approx(np.corrcoef(mean_ranks(prediction), mean_ranks(target))[0, 1], abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(SCORES)
def test_rank_error_is_the_mean_square_to_mean_ranks_from_0_to_1(scores):
    prediction, target = np.array(scores, dtype=float).T
    if len(set(target)) == 1:
        assert math.isnan(rank_error(prediction, target))
        return
    ranks = mean_ranks(target)
    expected = (ranks - ranks.min()) / (ranks.max() - ranks.min())
    assert rank_error(prediction, target) == pytest.approx(np.mean((prediction - expected) ** 2))


def test_rank_error_by_hand():
    """Similarities 0, 0.2, 0.2, 0.9 have the ranks 1, 2.5, 2.5, 4, from 0 to 1: 0, 1/2, 1/2, 1."""
    cosines, similarity = np.array([0.1, 0.5, 0.3, 1.0]), np.array([0, 0.2, 0.2, 0.9])
    assert rank_error(cosines, similarity) == pytest.approx((0.01 + 0 + 0.04 + 0) / 4)
    assert math.isnan(rank_error(np.zeros(0), np.zeros(0)))


def test_scores_of_embeddings_are_of_their_cosines():
    """Cosines 1 and 0 of similarities 0.3 and 0.1: the ranks are 1 and 0."""
    embeddings = Embeddings(["a", "b", "c"], np.array([[1, 0], [2, 0], [0, 3]]))
    pairs = [Pair("a", "b", 0.3), Pair("b", "c", 0.1)]
    assert pair_scores(embeddings, pairs) == (pytest.approx(1), pytest.approx(0))
    assert pair_spearman(embeddings, pairs) == pytest.approx(1)


@pytest.mark.parametrize(
    "prediction, target, reason",
    [
        ([], [], "0 pairs is not defined: at least two are needed"),
        ([1.0], [1.0], "1 pairs is not defined: at least two"),
        ([1.0, 1.0], [0.0, 1.0], "2 pairs is not defined: all values of one side are 1"),
        ([0.0, 1.0], [0.5, 0.5], "all values of one side are 0.5"),
        ([0.0, math.nan], [0.0, 1.0], "a value is nan"),
    ],
)
def test_spearman_is_nan_where_undefined_and_that_is_said(prediction, target, reason, caplog):
    with caplog.at_level(logging.WARNING):
        assert math.isnan(spearman(prediction, target))
    assert reason in caplog.text


def test_a_defined_spearman_is_not_warned_of(caplog):
    assert spearman([0.0, 1.0, 0.5], [0.0, 1.0, 1.0]) > 0
    assert not caplog.text


def test_spearman_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"\(2,\) and \(3,\)"):
        spearman([1, 2], [1, 2, 3])


EMBEDDINGS = Embeddings(["b", "a", "c"], np.array([[1, 0], [1, 0.1], [0, 1]], dtype=np.float16))


def test_pair_spearman_finds_rows_by_id():
    pairs = [Pair("a", "b", 1.0), Pair("b", "c", 0.0), Pair("c", "a", 0.5)]
    first, second, similarity = pair_rows(EMBEDDINGS.ids, pairs)
    assert (first.tolist(), second.tolist(), similarity.tolist()) == ([1, 0, 2], [0, 2, 1], [1.0, 0.0, 0.5])
    assert pair_spearman(EMBEDDINGS, pairs) == pytest.approx(1)
    turned = [pair._replace(similarity=1 - pair.similarity) for pair in pairs]
    assert pair_spearman(EMBEDDINGS, turned) == pytest.approx(-1)
    assert math.isnan(pair_spearman(EMBEDDINGS, []))


def test_pair_spearman_names_missing_ids_once():
    pairs = [Pair("a", str(number % 7), 0.5) for number in range(20)]
    with pytest.raises(UserError, match="no embedding or record: 7: 0, 1, 2, 3, 4, ...$"):
        pair_spearman(EMBEDDINGS, pairs)


def test_tag_metrics_count_over_all_batches():
    probabilities = np.array([[0.9, 0.5, 0.1], [0.6, 0.7, 0.8]])
    tags = np.array([[1, 1, 0], [0, 1, 1]], dtype=np.int8)
    assert tag_counts(probabilities, tags) == (3, 4, 4)
    batches = [tag_counts(probabilities[row : row + 1], tags[row : row + 1]) for row in range(2)]
    assert tag_metrics(batches) == {"precision": 3 / 4, "recall": 3 / 4, "f1": 3 / 4}
    assert tag_metrics([tag_counts(probabilities[:1], tags[:1])]) == {"precision": 1, "recall": 1 / 2, "f1": 2 / 3}
    assert tag_counts(probabilities, tags, threshold=0.65) == (3, 3, 4)
    assert tag_metrics([]) == {"precision": 0, "recall": 0, "f1": 0}

"""Rank labels against hand-made ranks, the targets of 2021, and what they must not change."""

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from script_flags import refused

from vsim_tf.evaluation.metrics import spearman
from vsim_tf.records.rank_labels import RankLabels, read_similarities
from vsim_tf.records.schema import PairBatch

CONTEST_COUNTS = (
    24692, 3743, 2591, 2066, 1307, 1058, 1126, 1578, 1572, 1368, 4718, 1960, 2081, 1929, 1192, 794, 855, 1315, 1301, 1202, 9451,
)  # fmt: skip
"""Pairs of the 2021 contest by similarity, 0 to 1 in steps of 0.05."""


def labels(similarities, of=None):
    """Labels of some similarities (default: all) by their rank among all."""
    similarities = np.array(similarities, np.float32)
    asked = {"similarity": similarities if of is None else np.float32(of)}
    return RankLabels(similarities)(PairBatch(None, None, asked)).targets["similarity"].numpy()


def test_ties_share_the_mean_of_their_ranks():
    """Ranks of 0, 0, 0.5, 1, 1, 1 are 1.5, 1.5, 3, 5, 5, 5."""
    np.testing.assert_allclose(labels([1, 0, 0.5, 1, 0, 1]), [1, 0, 1.5 / 3.5, 1, 0, 1])


def test_targets_of_the_contest():
    similarities = np.repeat(np.arange(21) / 20, CONTEST_COUNTS)
    np.testing.assert_allclose(labels(similarities, [0, 0.05, 0.5, 0.95, 1]), [0, 0.2797, 0.6121, 0.8952, 1], atol=5e-5)


NORMAL = st.floats(0, 1, width=32, allow_subnormal=False)  # TensorFlow reads smaller ones as 0


@given(st.lists(NORMAL, min_size=2).filter(lambda values: len(set(values)) > 1))
def test_any_similarities_keep_their_order_and_fill_the_range(similarities):
    ranked = labels(similarities)
    assert (ranked.min(), ranked.max()) == (0, 1)
    assert spearman(ranked, similarities) == pytest.approx(1)


def test_equal_similarities_have_no_ranks():
    with refused(r"--labels=rank: every pair has the similarity 0.5"):
        RankLabels(np.array([0.5, 0.5], np.float32))


def test_similarities_of_records_are_those_of_their_batches(tmp_path):
    """An empty file among them, as always-train.tfrecord may be."""
    files = [toys.write_records(tmp_path / str(count), toys.random_pairs(count, count)) for count in (70, 0, 5)]
    batches = list(toys.evaluation_batches([files[0], files[2]], "pairs", toys.batch_format(), 8))
    similarities = read_similarities(tuple(files))
    np.testing.assert_array_equal(similarities, np.concatenate([batch.targets["similarity"] for batch in batches]))
    ranked = RankLabels(similarities)(batches[0])
    assert ranked.first is batches[0].first
    assert spearman(ranked.targets["similarity"], batches[0].targets["similarity"]) == pytest.approx(1)

"""Rank labels against hand-made ranks, the targets of 2021, and what they must not change."""

from pathlib import Path

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st
from script_flags import refused

from vsim_tf.evaluation.metrics import spearman
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.rank_labels import RankLabels, read_similarities
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.schema import PairBatch
from vsim_tf.records.videos import video_record
from vsim_tf.training.pair_runs import fold_runs

GOLDEN = Path(__file__).parents[1] / "golden"
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


def test_targets_of_the_1st_place():
    """Its own targets of the 21 scores of the contest's pairs, in float64."""
    with np.load(GOLDEN / "golden_public_qq_split.npz") as file:
        scores, counts, expected = (file[name] for name in ("in/score", "in/count", "out/rank_normalised"))
    assert tuple(counts) == CONTEST_COUNTS
    ranked = rank_normalized(np.repeat(scores, counts))
    assert ranked.dtype == np.float64
    np.testing.assert_allclose(ranked, np.repeat(expected, counts), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(labels(np.repeat(scores, counts), scores), expected.astype(np.float32))


@pytest.mark.parametrize(("split", "layout"), [("shuffled", "once"), ("modulo", "once"), ("modulo", "expanded")])
def test_ranks_are_among_training_and_validation_pairs(tmp_path, split, layout):
    """12 pairs of which 0 and 1 validate in one fold each: every fold ranks all 12, each of them once."""
    rng = np.random.default_rng(0)
    toys.write_records(tmp_path / "videos", [video_record(str(i), "", rng.normal(size=(1, toys.DIM))) for i in range(13)])
    pairs = [(0, 2), (1, 3), *((i, i + 1) for i in range(2, 12))]
    scores = rng.permutation(12) // 2 / 5
    lines = [f"{first}\t{second}\t{score}\n" for (first, second), score in zip(pairs, scores, strict=True)]
    (tmp_path / "label.tsv").write_text("".join(lines))
    write_folds(
        str(tmp_path / "videos"), str(tmp_path / "label.tsv"), str(tmp_path / "folds"),
        split=split, layout=layout, num_folds=2, frame_embedding_size=toys.DIM,
    )  # fmt: skip
    for run in fold_runs(tmp_path, tmp_path / "folds", [0, 1]):
        similarities = read_similarities(tuple(run.ranked_files))
        np.testing.assert_array_equal(np.sort(similarities), np.sort(scores).astype(np.float32))
        np.testing.assert_allclose(RankLabels(similarities).labels, np.unique(rank_normalized(scores)), rtol=1e-6)


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

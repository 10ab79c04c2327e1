"""Evaluators, called with embeddings and with what behaves as a model."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toys
from scipy.stats import pearsonr, spearmanr

import vsim_tf
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pearson
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.videos import video_record

ANGLES = {"a": 0, "b": 10, "c": 30, "d": 60}
VALUES = np.array([[np.cos(x), np.sin(x)] for x in np.radians(list(ANGLES.values()))], np.float32)
ITEMS = [{"id": video, "title": ""} for video in ANGLES]
PAIRS = [("a", "b", 0.9), ("a", "d", 0.2), ("c", "b", 0.95)]
EMBEDDINGS = Embeddings(list(ANGLES), VALUES)


class Fixed:
    """A model of embeddings that looks at the number of its videos alone."""

    def encode(self, videos):
        return VALUES[: len(videos)]


def test_similarity_by_hand():
    """Angles of 10, 60 and 20 degrees; of cosines and similarities the ranks are 3, 1, 2 and 2, 1, 3: 1 - 6 · 2 / 24 = 0.5."""
    cosines, scores = np.cos(np.radians([10, 60, 20])), [0.9, 0.2, 0.95]
    found = vsim_tf.SimilarityEvaluator(PAIRS, ITEMS)(Fixed())
    assert found == pytest.approx({"spearman": 0.5, "pearson": pearsonr(cosines, scores).statistic})
    assert found["spearman"] == pytest.approx(spearmanr(cosines, scores).statistic)


def test_forms_of_models_pairs_and_videos(tmp_path):
    (tmp_path / "label.tsv").write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in PAIRS))
    toys.write_records(tmp_path / "a.tfrecords", [video_record(video, "", np.zeros((1, 2))) for video in ANGLES])
    expected = vsim_tf.SimilarityEvaluator(PAIRS, ITEMS)(Fixed())
    assert vsim_tf.SimilarityEvaluator(tmp_path / "label.tsv")(EMBEDDINGS) == expected
    by_file = vsim_tf.SimilarityEvaluator(str(tmp_path / "label.tsv"), tmp_path / "a.tfrecords")
    assert by_file(VALUES) == by_file(SimpleNamespace(encode=lambda videos: VALUES)) == expected


def test_retrieval_by_hand():
    """From b, the others follow as a, c, d: ranks 2 of c and 3 of d, so 0 of the first, 1/2 of the first two, (1/2 + 2/3) / 2."""
    evaluate = vsim_tf.RetrievalEvaluator({"b": ["c", "d"]}, ITEMS, at=(1, 2))
    assert evaluate(Fixed()) == pytest.approx({"recall@1": 0, "recall@2": 0.5, "mean_average_precision": 7 / 12})
    assert evaluate(EMBEDDINGS) == evaluate(VALUES) == evaluate(Fixed())


def test_classes_by_hand(tmp_path):
    """Three of four are right at level 2, all at level 1. One of two of 0001 is taken for 0000: F1 2/3 of both; of 0100 1."""
    (tmp_path / "labels.tsv").write_text("a\t0000\nb\t0001\nc\t0100\nd\t0001\n")
    predicted = ["0000", "0001", "0100", "0000"]
    classifier = SimpleNamespace(predict=lambda videos: SimpleNamespace(categories=predicted))
    expected = {"level1_micro": 1.0, "level1_macro": 1.0, "level2_micro": 0.75, "level2_macro": (2 / 3 + 2 / 3 + 1) / 3}
    expected["mean_f1"] = sum(expected.values()) / 4
    evaluate = vsim_tf.ClassificationEvaluator(tmp_path / "labels.tsv", ITEMS)
    assert evaluate(classifier) == pytest.approx(expected)
    assert evaluate(dict(zip(ANGLES, predicted, strict=True))) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vsim_tf.SimilarityEvaluator(PAIRS)(Fixed()), "the evaluator has no videos"),
        (lambda: vsim_tf.SimilarityEvaluator(PAIRS, ITEMS)(VALUES[:3]), r"shape \[3, 2\] for 4 videos; accepted is a row"),
        (lambda: vsim_tf.SimilarityEvaluator(PAIRS, ITEMS[:3])(Fixed()), "have no embedding or record: 1: d"),
        (lambda: vsim_tf.SimilarityEvaluator(PAIRS, [{"title": ""}])(Fixed()), r"items\[0\]: 'id' is None; accepted is a str"),
        (lambda: vsim_tf.SimilarityEvaluator(PAIRS, [{"id": 7}])(Fixed()), r"items\[0\]: 'id' is 7; accepted is a str"),
        (lambda: vsim_tf.RetrievalEvaluator({"a": ["b"]}, [*ITEMS, ITEMS[0]])(Fixed()), "videos: ids that occur more than once"),
        (lambda: vsim_tf.ClassificationEvaluator({"a": "0000"})({"b": "0000"}), "the predictions: ids differ .* missing 1: a"),
    ],
)  # fmt: skip
def test_what_cannot_be_evaluated(call, message):
    with pytest.raises(UserError, match=message):
        call()


def test_pearson_of_two_points_and_of_a_constant():
    assert pearson(np.array([1.0, 2.0]), np.array([5.0, 3.0])) == pytest.approx(-1)
    assert np.isnan(pearson(np.ones(3), np.arange(3)))


def test_embeddings_are_evaluated_without_tensorflow():
    code = f"""
import sys, vsim_tf
from vsim_tf.records.embeddings import Embeddings
import numpy as np
assert vsim_tf.SimilarityEvaluator({PAIRS!r})(Embeddings({list(ANGLES)!r}, np.eye(4, 2)))
assert "tensorflow" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=Path(__file__).parents[2], timeout=60, check=True)

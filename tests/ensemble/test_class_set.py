"""Scores of classifiers by hand, and how a report shows them."""

import numpy as np
import pytest

from vsim_tf.ensemble.class_set import ClassifierScores, ClassSet, ensemble_scores, score_classifiers
from vsim_tf.ensemble.report import Report, markdown_report
from vsim_tf.errors import UserError
from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1
from vsim_tf.records.predictions import Predictions, write_predictions

CLASSES = ("0000", "0001", "0100")
LABELS = {"a": "0000", "b": "0001", "c": "0100", "d": "0100"}


def write(path, *probabilities, ids="abcd"):
    write_predictions(path, Predictions(list(ids), CLASSES, np.log(np.array(probabilities))))
    return path


@pytest.fixture
def members(tmp_path):
    """Two runs of one model, and one of another, whose videos are in another order."""
    right, wrong = (0.6, 0.2, 0.2), (0.1, 0.8, 0.1)
    return {
        "one": [
            write(tmp_path / "1.npz", right, (0.3, 0.5, 0.2), (0.2, 0.2, 0.6), (0.2, 0.5, 0.3)),
            write(tmp_path / "2.npz", wrong, (0.45, 0.35, 0.2), (0.2, 0.2, 0.6), (0.1, 0.2, 0.7)),
        ],
        "two": [write(tmp_path / "3.npz", (0.2, 0.2, 0.6), (0.2, 0.2, 0.6), (0.2, 0.5, 0.3), (0.9, 0.05, 0.05), ids="dcba")],
    }


def test_an_ensemble_is_the_weighted_sum_of_means(members):
    """Of video a: mean (0.6 + 0.1) / 2, (0.2 + 0.8) / 2, (0.2 + 0.1) / 2, plus half of 0.9, 0.05, 0.05."""
    scores = ensemble_scores(members, {"one": 1.0, "two": 0.5})
    np.testing.assert_allclose(scores.scores[0], [0.35 + 0.45, 0.5 + 0.025, 0.15 + 0.025], atol=1e-6)
    assert scores.categories() == {"a": "0000", "b": "0001", "c": "0100", "d": "0100"}


def test_every_run_mean_and_ensemble_is_scored(members):
    """Accuracies: run 1 is wrong in d alone, run 2 in a and b; their mean in a alone: of b it has 0.375 and 0.425."""
    models, ensemble = score_classifiers(members, {"one": 1.0, "two": 0.5}, LABELS)
    assert [run.level2_micro for run in models[0].runs] == [0.75, 0.5]
    assert models[0].mean.level2_micro == 0.75
    assert models[1].mean == models[1].runs[0] == HierarchicalF1(1, 1, 1, 1)
    assert ensemble.mean == 1


def test_labels_of_other_videos(members):
    with pytest.raises(UserError, match=r"1.npz: ids differ from those of the labels; extra 1: d"):
        score_classifiers(members, {"one": 1.0, "two": 0.5}, {name: LABELS[name] for name in "abc"})


F1 = HierarchicalF1(0.9, 0.8, 0.7, 0.6)
SCORES = ClassSet(
    "test_a", 400,
    [ClassifierScores("one", 1.0, [F1, HierarchicalF1(0.7, 0.6, 0.5, 0.4)], F1), ClassifierScores("two", 0.7, [F1], F1)],
    HierarchicalF1(1, 0.9, 0.8, 0.7), {"majority class": HierarchicalF1(0.3, 0.2, 0.1, 0)},
)  # fmt: skip


def test_the_table_has_one_run_the_mean_of_runs_ensemble_and_baselines():
    (table,) = SCORES.tables()
    assert table.markdown().splitlines() == [
        "| model | mean F1 | level-1 micro | level-1 macro | level-2 micro | level-2 macro | weight |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
        "| one, one run (mean of 2) | 0.6500 | 0.8000 | 0.7000 | 0.6000 | 0.5000 |  |",
        "| one, mean of 2 | 0.7500 | 0.9000 | 0.8000 | 0.7000 | 0.6000 | 1 |",
        "| two | 0.7500 | 0.9000 | 0.8000 | 0.7000 | 0.6000 | 0.7 |",
        "| ensemble | 0.8500 | 1.0000 | 0.9000 | 0.8000 | 0.7000 | 1.7 |",
        "| baseline: majority class | 0.1500 | 0.3000 | 0.2000 | 0.1000 | 0.0000 |  |",
    ]
    assert table.models == 3


def test_the_report_compares_mean_f1():
    text = markdown_report(Report("x", [SCORES]), "report.png")
    for words in (
        "![mean F1 of members",
        "## test_a: 400 labelled videos",
        "0.1000 above the best model (one) and 0.7000 above the best baseline (majority class)",
    ):
        assert words in text
    comparison = SCORES.comparison()
    assert {name: list(runs) for name, runs in comparison.runs.items()} == {
        "one": pytest.approx([0.75, 0.55]), "two": pytest.approx([0.75])
    }  # fmt: skip
    assert comparison.advice(output="csv") == ""
    said = comparison._replace(ensemble=0.7).advice(output="csv")
    assert said.endswith("with models=..., or give one more weight with weights=...; models=one makes the csv of that model")

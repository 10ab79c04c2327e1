import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1, hierarchical_f1, score_categories
from vsim_tf.records.classes import ClassTable

TABLE = ClassTable(("0000", "0001", "0100", "0200"))
VIDEOS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


def test_by_hand():
    target, prediction = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    # level 2: F1 is 2/3 of class 0, 2·1/(3 + 1) = 1/2 of class 1, 0 of class 2; class 3 occurs nowhere
    # level 1, parents 0 0 0 1 and 0 0 0 0: 2·3/(4 + 3) = 6/7, and 0
    expected = HierarchicalF1(3 / 4, (6 / 7 + 0) / 2, 2 / 4, (2 / 3 + 1 / 2 + 0) / 3)
    scores = hierarchical_f1(prediction, target, TABLE)
    assert scores == pytest.approx(expected, abs=1e-12)
    assert scores.mean == pytest.approx((3 / 4 + 3 / 7 + 1 / 2 + 7 / 18) / 4, abs=1e-12)


@given(VIDEOS)
def test_micro_is_accuracy_and_macro_has_what_occurs(videos):
    prediction, target = np.array(videos).T
    scores = hierarchical_f1(prediction, target, TABLE)
    parents = [0, 0, 1, 2]
    assert scores.level2_micro == pytest.approx(np.mean([a == b for a, b in videos]))
    assert scores.level1_micro == pytest.approx(np.mean([parents[a] == parents[b] for a, b in videos]))
    occurring = {label for video in videos for label in video}
    f1 = [2 * sum(a == b == c for a, b in videos) / sum((a == c) + (b == c) for a, b in videos) for c in occurring]
    assert scores.level2_macro == pytest.approx(np.mean(f1))
    assert (scores.mean == 1) == all(a == b for a, b in videos)


@pytest.mark.parametrize(("prediction", "target"), [([], []), ([0], [0, 1]), ([[0]], [[0]])])
def test_other_shapes(prediction, target):
    with pytest.raises(ValueError, match="expected two equal"):
        hierarchical_f1(np.array(prediction, int), np.array(target, int), TABLE)


def test_classes_by_id_in_any_order():
    prediction = {"a": "0000", "b": "0001", "c": "0001", "d": "0001"}
    target = {"d": "0100", "c": "0001", "b": "0000", "a": "0000"}
    by_index = hierarchical_f1(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 2]), TABLE)
    assert score_categories(prediction, target, "result.csv") == pytest.approx(by_index)
    with pytest.raises(UserError, match="result.csv: ids differ from those of the labels; missing 1: d; extra 1: e"):
        score_categories(
            {"e" if video == "d" else video: category for video, category in prediction.items()}, target, "result.csv"
        )

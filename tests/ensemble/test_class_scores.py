import logging

import numpy as np
import pytest

from vsim_tf.ensemble.class_scores import class_scores, softmax
from vsim_tf.errors import UserError
from vsim_tf.records.predictions import Predictions, write_predictions

CLASSES = ("0000", "0100")
FIRST = Predictions(["a", "b"], CLASSES, np.log(np.array([[0.9, 0.1], [0.25, 0.75]])))
SECOND = Predictions(["b", "a"], CLASSES, np.log(np.array([[6.0, 2.0], [1.0, 3.0]])))  # 3/4 1/4 of b, 1/4 3/4 of a


def test_weighted_sum_of_probabilities_by_hand(caplog):
    with caplog.at_level(logging.WARNING):
        scores = class_scores([FIRST, SECOND], [1, 0.7])
    assert not caplog.text  # weights need not sum to 1
    np.testing.assert_allclose(scores.scores, [[0.9 + 0.7 / 4, 0.1 + 2.1 / 4], [0.25 + 2.1 / 4, 0.75 + 0.7 / 4]], rtol=1e-12)
    assert (scores.ids, scores.classes) == (["a", "b"], CLASSES)
    assert scores.categories() == {"a": "0000", "b": "0100"}
    assert class_scores([FIRST, SECOND], [1, 2]).categories() == {"a": "0100", "b": "0000"}


def test_of_equal_scores_the_first_class():
    assert class_scores([FIRST._replace(logits=np.zeros((2, 2)))], [1]).categories() == {"a": "0000", "b": "0000"}


def test_a_class_whose_parent_is_probable_is_decided_for():
    """Of 0.3, 0.3 and 0.4, the first two of one parent: 0.3 + 0.6 is more than 0.4 + 0.4."""
    three = Predictions(["a"], ("0000", "0001", "0100"), np.log(np.array([[0.3, 0.3, 0.4]])))
    scores = class_scores([three], [1])
    assert scores.categories() == {"a": "0100"}
    assert scores.categories("levels") == {"a": "0000"}


def test_large_logits_do_not_overflow():
    np.testing.assert_allclose(softmax(np.array([[1000.0, 999.0]], np.float32)), [[1 / (1 + np.exp(-1)), 1 / (1 + np.e)]])


def test_files_are_members(tmp_path):
    paths = [tmp_path / name for name in ("a.npz", "b.npz")]
    for path, predictions in zip(paths, (FIRST, SECOND), strict=True):
        write_predictions(path, predictions)
    np.testing.assert_allclose(class_scores(paths, [1, 0.7]).scores, class_scores([FIRST, SECOND], [1, 0.7]).scores, rtol=1e-6)
    with pytest.raises(UserError, match="b.npz: ids differ from those of the first member; missing 1: a; extra 1: c"):
        write_predictions(paths[1], SECOND._replace(ids=["b", "c"]))
        class_scores(paths, [1, 1])


@pytest.mark.parametrize(
    ("members", "weights", "message"),
    [
        ([FIRST, SECOND._replace(classes=("0000", "0200"))], [1, 1], "^member 1: its 2 classes are not the 2 of member 0"),
        ([FIRST, SECOND], [1], "1 weights for more members"),
        ([FIRST], [1, 1], "2 weights for fewer members"),
        ([FIRST, SECOND], [1, -1], "accepted are finite numbers of at least 0"),
        ([FIRST], [0], "at least one must be above 0"),
        ([], [1], "1 weights for fewer members"),
    ],
)
def test_refusals(members, weights, message):
    with pytest.raises(UserError, match=message):
        class_scores(members, weights)

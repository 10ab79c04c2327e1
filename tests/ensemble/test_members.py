"""Worth of members by hand."""

import math

import numpy as np
import pytest

from vsim_tf.ensemble.comparison import Comparison
from vsim_tf.ensemble.page.blocks import Text
from vsim_tf.ensemble.page.members import gain_blocks, leave_one_out, likeness_blocks, spread_blocks


def comparison(runs: dict) -> Comparison:
    return Comparison("test_a", "Spearman", "9 pairs", runs, dict.fromkeys(runs, 0.5), 0.8, {})


def test_spread_of_runs():
    """Of 0.4 and 0.7 the mean is 0.55 and the deviation 0.15 √2; a run without a score is left out."""
    figure, table = spread_blocks(comparison({"one": [0.4, 0.7, math.nan], "two": [0.6], "three": []}))
    assert table.rows == [("one", "2", "0.4000", "0.5500", "0.7000", "0.2121"), ("two", "1", "0.6000", "0.6000", "0.6000", "")]
    assert "dots" in figure.caption


def test_scores_that_are_not_defined_are_not_drawn():
    """Of the mean of runs and of the ensemble."""
    shown = comparison({"one": [0.4, 0.7]})._replace(means={"one": math.nan}, ensemble=math.nan)
    assert "nan" not in spread_blocks(shown)[0].svg


def test_single_runs_have_no_spread():
    for runs in ({"one": [0.4], "two": [0.6]}, {"one": []}, {}):
        assert spread_blocks(comparison(runs)) == [Text("The spread is left out: every model has a single run.")]


def test_a_gain_is_what_the_score_loses_without_a_member():
    """Scores are 10 times the weight of a: 5 of all, 10/1.5 without c, 0 without a; b of weight 0 takes no part."""
    asked = []

    def score(weights):
        asked.append(weights)
        assert math.isclose(sum(weights.values()), 1)
        return 10 * weights.get("a", 0.0)

    gains = leave_one_out({"a": 1.0, "b": 0.0, "c": 1.0, "d": 0.0}, score)
    assert gains == {"a": pytest.approx(5), "c": pytest.approx(-5)}
    assert [list(weights) for weights in asked] == [["a", "c"], ["c"], ["a"]]
    assert leave_one_out({"a": 1.0, "b": 0.0}, score) == {}


def test_gains_are_drawn_with_their_numbers():
    (figure,) = gain_blocks("mean F1", {"one": 0.0123, "two": -0.0045})
    for text in ("one", "two", "+0.0123", "-0.0045", "gain in mean F1"):
        assert f">{text}</text>" in figure.svg.replace("\u2212", "-")


@pytest.mark.parametrize(("values", "said"), [({}, "single member"), ({"a": math.nan, "b": 0.1}, "not defined")])
def test_gains_that_are_not_defined_are_left_out(values, said):
    (text,) = gain_blocks("Spearman", values)
    assert isinstance(text, Text) and text.text.startswith("Gains are left out: ") and said in text.text


def test_likeness_has_a_number_in_each_cell():
    (figure,) = likeness_blocks(["a", "b"], np.array([[1.0, 0.256], [0.256, math.nan]]), "How alike", "alone")
    assert figure.svg.count(">0.26</text>") == 2 and figure.svg.count(">1.00</text>") == 1
    assert figure.width > 0
    assert likeness_blocks(["a"], np.ones((1, 1)), "How alike", "alone") == [Text("alone")]

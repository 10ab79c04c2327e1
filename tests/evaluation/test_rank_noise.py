"""Noise of a difference between two Spearman scores."""

import numpy as np
import pytest

from vsim_tf.evaluation.rank_noise import difference_error


def test_a_prediction_next_to_itself_has_none():
    target = np.arange(50.0)
    prediction = target + np.random.default_rng(0).normal(0, 10, 50)
    assert difference_error(prediction, 2 * prediction, target) == 0


def test_four_times_the_pairs_have_half_of_it():
    """√(1/4), which a bootstrap of 200 samples knows to a few percent."""
    rng = np.random.default_rng(1)
    target = rng.random(4000)
    first, second = target + rng.normal(0, 0.3, 4000), target + rng.normal(0, 0.3, 4000)
    few, all_of_them = (difference_error(first[:n], second[:n], target[:n]) for n in (1000, 4000))
    assert all_of_them / few == pytest.approx(0.5, rel=0.2)

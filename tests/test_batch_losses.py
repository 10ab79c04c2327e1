"""Losses of all pairs of a batch against arithmetic by hand, and what must hold for any similarities and targets."""

import functools
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from vsim_tf import losses

quick = settings(deadline=None, max_examples=20)
PAIRS = 6
SIMILARITIES = arrays(np.float32, PAIRS, elements=st.floats(-1, 1, width=32))
TARGETS = arrays(np.float32, PAIRS, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))  # with ties
SPREAD = arrays(np.float32, PAIRS, elements=st.sampled_from([-0.8, -0.1, 0.0, 0.3, 0.9]))
LOSSES = {
    "pearson": losses.pearson_distance,
    "cosent": functools.partial(losses.cosent, scale=20.0),
    "combinations": functools.partial(losses.ranking, scale=20.0),
}
ORDERS = {name: LOSSES[name] for name in ("cosent", "combinations")}
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
every_order = pytest.mark.parametrize("loss", ORDERS.values(), ids=ORDERS)


def of(loss, similarity, target) -> float:
    return float(loss(tf.constant(similarity, tf.float32), tf.constant(target, tf.float32)))


def gradient(loss, similarity, target) -> np.ndarray:
    s = tf.constant(similarity, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(s)
        value = loss(s, tf.constant(target, tf.float32))
    return tf.convert_to_tensor(tape.gradient(value, s)).numpy()


# --- by hand ----------------------------------------------------------------------------------------------------------


def test_cosent_by_hand():
    """log(1 + e^0.8) for a pair of low target at 0.9 and one of high target at 0.1."""
    assert of(functools.partial(losses.cosent, scale=1.0), [0.9, 0.1], [0.0, 1.0]) == pytest.approx(1.171101, abs=1e-6)


def test_cosent_of_three_pairs_by_hand():
    """Pairs (high, low) are (2, 0), (2, 1) and (1, 0), of which (1, 0) alone is in order."""
    s, t = [0.2, 0.5, 0.1], [0.0, 0.5, 1.0]
    expected = math.log(1 + sum(math.exp(2 * d) for d in (0.2 - 0.1, 0.5 - 0.1, 0.2 - 0.5)))
    assert of(functools.partial(losses.cosent, scale=2.0), s, t) == pytest.approx(expected, rel=1e-6)


def test_ranking_by_hand():
    """The mean over the same combinations."""
    s, t = [0.2, 0.5, 0.1], [0.0, 0.5, 1.0]
    expected = sum(math.log1p(math.exp(2 * d)) for d in (0.2 - 0.1, 0.5 - 0.1, 0.2 - 0.5)) / 3
    assert of(functools.partial(losses.ranking, scale=2.0), s, t) == pytest.approx(expected, rel=1e-6)


def test_pearson_by_hand():
    """Deviations (-1, 0, 1)/3 and (-2, 1, 1)/3 of the means: r = 3 / √(2 · 6)."""
    assert of(losses.pearson_distance, [0, 1 / 3, 2 / 3], [0, 1, 1]) == pytest.approx(1 - 3 / math.sqrt(12), rel=1e-5)


def test_the_gradient_of_cosent_by_hand():
    """scale · p for the low one, where p = e^0.8 / (1 + e^0.8), and its opposite for the high one."""
    p = math.exp(0.8) / (1 + math.exp(0.8))
    np.testing.assert_allclose(gradient(functools.partial(losses.cosent, scale=1.0), [0.9, 0.1], [0.0, 1.0]), [p, -p], rtol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 20.0, 1000.0])
@every_order
def test_any_scale_is_finite(loss, scale):
    s, t = [1.0, -1.0, 0.3], [0.0, 1.0, 0.5]
    value, slopes = of(functools.partial(loss.func, scale=scale), s, t), gradient(functools.partial(loss.func, scale=scale), s, t)
    assert math.isfinite(value) and value >= scale * 0.65 and np.isfinite(slopes).all()


# --- for all similarities ---------------------------------------------------------------------------------------------


@every_loss
@quick
@given(s=SIMILARITIES, t=TARGETS)
def test_values_and_gradients_are_finite(loss, s, t):
    assert math.isfinite(of(loss, s, t)) and np.isfinite(gradient(loss, s, t)).all()


@every_loss
@quick
@given(s=SPREAD, t=TARGETS)
def test_the_gradient_is_that_of_finite_differences(loss, s, t):
    assume(np.std(s) > 0.1)
    step = 0.01
    moved = [[of(loss, s + sign * step * np.eye(PAIRS, dtype="float32")[i], t) for sign in (1, -1)] for i in range(PAIRS)]
    slopes = np.array([(up - down) / (2 * step) for up, down in moved])
    np.testing.assert_allclose(gradient(loss, s, t), slopes, rtol=0.05, atol=0.03 * max(np.abs(slopes).max(), 0.1))


@every_loss
@quick
@given(s=SIMILARITIES, t=TARGETS, order=st.permutations(range(PAIRS)))
def test_the_order_of_pairs_does_not_matter(loss, s, t, order):
    assert of(loss, s[order], t[order]) == pytest.approx(of(loss, s, t), rel=1e-4, abs=1e-4)
    slopes = gradient(loss, s, t)
    np.testing.assert_allclose(gradient(loss, s[order], t[order]), slopes[order], rtol=1e-3, atol=1e-3 * np.abs(slopes).max())


@every_order
@quick
@given(s=SIMILARITIES, t=TARGETS)
def test_targets_count_by_their_order_alone(loss, s, t):
    assert of(loss, s, np.exp(3 * t) - 7) == of(loss, s, t)


@every_order
@quick
@given(s=SIMILARITIES, t=TARGETS, shift=st.floats(-1, 1, width=32))
def test_similarities_count_by_their_differences_alone(loss, s, t, shift):
    assert of(loss, s + np.float32(shift), t) == pytest.approx(of(loss, s, t), rel=1e-3, abs=1e-4)
    assert gradient(loss, s, t).sum() == pytest.approx(0, abs=1e-3)


@quick
@given(s=SPREAD, t=TARGETS, shift=st.floats(-1, 1, width=32), factor=st.floats(0.25, 4, width=32))
def test_correlation_knows_neither_level_nor_spread_and_is_scipys(s, t, shift, factor):
    assume(np.std(s) > 0.05 and np.std(t) > 0.05)
    value = of(losses.pearson_distance, s, t)
    assert value == pytest.approx(1 - pearsonr(s, t).statistic, abs=1e-4)
    assert of(losses.pearson_distance, np.float32(factor) * s + np.float32(shift), t) == pytest.approx(value, abs=1e-4)
    assert of(losses.pearson_distance, -s, t) == pytest.approx(2 - value, abs=1e-4)


@every_order
def test_a_better_order_costs_less(loss):
    t = np.linspace(0, 1, 5)
    right, swapped, wrong = t, t[[1, 0, 2, 3, 4]], t[::-1]
    assert of(loss, right, t) < of(loss, swapped, t) < of(loss, wrong, t)


@pytest.mark.parametrize("t", [[0.5, 0.5, 0.5], [0.5]])
@every_loss
def test_without_two_different_targets_there_is_nothing_to_learn(loss, t):
    s = [0.3, -0.2, 0.9][: len(t)]
    assert of(loss, s, t) == (1 if loss is losses.pearson_distance else 0)
    np.testing.assert_array_equal(gradient(loss, s, t), np.zeros(len(t)))


@pytest.mark.parametrize(("loss", "value"), [("pearson", 1), ("cosent", math.log(1 + 3)), ("combinations", math.log(2))])
def test_equal_similarities_of_different_targets_are_learned_from(loss, value):
    """Their correlation is not defined and counts as 0."""
    s, t = [0.7, 0.7, 0.7], [0.0, 0.5, 1.0]
    slopes = gradient(LOSSES[loss], s, t)
    assert of(LOSSES[loss], s, t) == pytest.approx(value, rel=1e-4)
    assert np.isfinite(slopes).all() and slopes[0] > 0 > slopes[2]

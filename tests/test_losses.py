"""Loss terms against arithmetic by hand, and what must hold for any input."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vsim_tf import losses

quick = settings(deadline=None, max_examples=50)


def matrix(low, high, shape=(3, 4)):
    return arrays(np.float32, shape, elements=st.floats(low, high, width=32))


LABELS = arrays(np.int8, (3, 4), elements=st.integers(0, 1))


def one(loss, *inputs):
    (value,) = loss(*(tf.constant([row]) for row in inputs)).numpy()
    return value


def test_binary_cross_entropy_by_hand():
    logits, labels = [0.0, 2.0, -1.0], [1, 0, 1]
    expected = math.log(2) + (2 + math.log1p(math.exp(-2))) + (1 + math.log1p(math.exp(-1)))
    assert one(losses.bce_from_logits, logits, labels) == pytest.approx(expected, rel=1e-6)


def test_asymmetric_loss_by_hand():
    probabilities, labels = [0.25, 0.25, 0.5], [1, 0, 0]
    expected = -math.log(0.25) - 0.25 * math.log(0.75) - 0.5 * math.log(0.5)
    assert one(losses.asymmetric_loss, probabilities, labels) == pytest.approx(expected, rel=1e-6)


def test_contrastive_by_hand():
    video, text = np.eye(2, dtype="float32"), np.float32([[1, 0], [1, 0]])
    rows = [math.log(2), math.log(2) + 0.0]  # v_1 fits both texts, v_2 none
    columns = [math.log1p(math.exp(-1 / 0.07)), 1 / 0.07 + math.log1p(math.exp(-1 / 0.07))]
    expected = [0.5 * (rows[0] + columns[0]), 0.5 * (rows[1] + columns[1])]
    np.testing.assert_allclose(losses.contrastive(video, text), expected, rtol=1e-5)


def test_mixture_regulariser_by_hand():
    z, zk = np.float32([[0.0, 2.0]]), np.float32([[2.0, 0.0]])
    q = 1 / (1 + math.exp(1))
    expected = q * math.log(q / (1 - q)) + (1 - q) * math.log((1 - q) / q)
    np.testing.assert_allclose(losses.mixture_regulariser(z, [zk, z]), [expected], rtol=1e-5)


def test_similarity_divergence_by_hand():
    s, t = np.float32([0.5, -0.2, 1.0]), np.float32([0.25, 0.5, 0.0])
    expected = [0.25 * math.log(0.5), 0.5 * math.log(0.5 / 1e-7), 1e-7 * math.log(1e-7)]
    np.testing.assert_allclose(losses.similarity_divergence(s, t), expected, rtol=1e-5)


def test_squared_error_and_cosine_by_hand():
    np.testing.assert_allclose(losses.squared_error(np.float32([0.5]), np.float32([0.2])), [0.09], rtol=1e-5)
    cosines = losses.cosine(np.float32([[3, 4], [0, 0], [1, 0]]), np.float32([[4, 3], [1, 1], [-2, 0]]))
    np.testing.assert_allclose(cosines, [0.96, 0.0, -1.0], atol=1e-6)


def with_gradient(loss, x, *others):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x, *others)
    return value.numpy(), tf.convert_to_tensor(tape.gradient(value, x)).numpy()


TAG_LOSSES = {
    "bce": losses.bce_from_logits,
    "bce of probabilities": lambda z, y: losses.bce_from_probabilities(tf.sigmoid(z), y),
    "asl": lambda z, y: losses.asymmetric_loss(tf.sigmoid(z), y),
}


@pytest.mark.parametrize("loss", TAG_LOSSES.values(), ids=TAG_LOSSES)
@quick
@given(logits=matrix(-1e4, 1e4), labels=LABELS)
def test_tag_losses_and_gradients_are_finite_at_any_logit(loss, logits, labels):
    value, gradient = with_gradient(loss, logits, labels)
    assert value.shape == (3,)
    assert np.isfinite(value).all() and np.isfinite(gradient).all()
    assert (value >= -1e-5).all()


@quick
@given(logits=arrays(np.float32, (3, 4), elements=st.floats(width=32, allow_nan=False)), labels=LABELS)
def test_asl_and_its_gradient_are_finite_at_any_logit_infinite_ones_included(logits, labels):
    value, gradient = with_gradient(TAG_LOSSES["asl"], logits, labels)
    assert np.isfinite(value).all() and np.isfinite(gradient).all()


@pytest.mark.parametrize("logit", [-100.0, 100.0])
@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("loss", TAG_LOSSES.values(), ids=TAG_LOSSES)
def test_tag_losses_and_gradients_are_finite_at_saturation(loss, logit, label):
    value, gradient = with_gradient(loss, np.float32([[logit]]), np.int8([[label]]))
    assert np.isfinite(value).all() and np.isfinite(gradient).all()
    assert (value > 10).all() == (label != (logit > 0))


@quick
@given(logits=matrix(-8, 8), labels=LABELS)
def test_both_forms_of_bce_agree_away_from_saturation(logits, labels):
    first, second = (with_gradient(TAG_LOSSES[name], logits, labels) for name in ("bce", "bce of probabilities"))
    np.testing.assert_allclose(first[0], second[0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(first[1], second[1], rtol=1e-3, atol=1e-3)


def test_the_gradient_at_a_logit_of_zero():
    """Dead embeddings give logits of exactly 0 at the start."""
    _, gradient = with_gradient(losses.bce_from_logits, np.float32([[0.0, 0.0, -0.0]]), np.int8([[0, 1, 0]]))
    np.testing.assert_allclose(gradient, [[0.5, -0.5, 0.5]])


@quick
@given(logits=matrix(-8, 8), labels=LABELS)
def test_asl_is_never_above_bce(logits, labels):
    assert (TAG_LOSSES["asl"](logits, labels) <= TAG_LOSSES["bce"](logits, labels) + 1e-4).numpy().all()


@quick
@given(video=matrix(-5, 5), text=matrix(-5, 5))
def test_contrastive_is_symmetric(video, text):
    np.testing.assert_allclose(losses.contrastive(video, text), losses.contrastive(text, video), rtol=1e-4, atol=1e-5)


@quick
@given(video=matrix(-5, 5, (4, 3)), text=matrix(-5, 5, (4, 3)))
def test_contrastive_of_parts_is_that_of_the_whole(video, text):
    parts = [losses.contrastive(video[i : i + 2], text[i : i + 2], video, text, i) for i in (0, 2)]
    np.testing.assert_allclose(np.concatenate(parts), losses.contrastive(video, text), rtol=1e-4, atol=1e-5)


@quick
@given(z=matrix(-20, 20), zk=matrix(-20, 20))
def test_mixture_regulariser_is_a_divergence(z, zk):
    assert (losses.mixture_regulariser(z, [zk]).numpy() > -1e-4).all()
    np.testing.assert_allclose(losses.mixture_regulariser(z, [z, z]), np.zeros(3), atol=1e-5)


@quick
@given(similarity=matrix(-1, 1, (4,)), target=matrix(0, 1, (4,)))
def test_pair_terms_are_finite_with_gradients(similarity, target):
    for loss in (losses.squared_error, losses.similarity_divergence):
        value, gradient = with_gradient(loss, similarity, target)
        assert np.isfinite(value).all() and np.isfinite(gradient).all()


def test_divergence_has_no_gradient_for_negative_cosines():
    _, gradient = with_gradient(losses.similarity_divergence, np.float32([-0.5, 0.5]), np.float32([1.0, 1.0]))
    np.testing.assert_allclose(gradient, [0.0, -2.0], rtol=1e-5)

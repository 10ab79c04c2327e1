"""Layer normalisation with a gradient of its own, compared with the numbers of its formula."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.kernels.layer_norm import LayerNorm

EPSILON = 0.5
X = np.array([[1.0, 2.0, 3.0, 6.0], [0.0, 0.0, 4.0, -4.0], [2.0, 2.0, 2.0, 2.0]])
GAMMA, BETA = np.array([1.0, 2.0, -1.0, 0.5]), np.array([0.0, 1.0, -2.0, 4.0])
UPSTREAM = np.array([[1.0, 0.0, 2.0, -1.0], [0.5, 0.25, -2.0, 1.0], [4.0, -8.0, 1.0, 2.0]])


def expected_values(x, gamma, beta):
    """x − mean is (−2, −1, 0, 3), (0, 0, 4, −4) and 0; the variances are 14/4, 32/4 and 0."""
    variance = x.var(axis=-1, keepdims=True)
    return gamma * (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(variance + EPSILON) + beta


def numeric_gradient(at, inputs):
    """Central differences of Σ upstream·y, in float64."""
    gradient, h = np.zeros_like(inputs[at]), 1e-6
    for index in np.ndindex(gradient.shape):
        ends = []
        for step in (h, -h):
            moved = [values.copy() for values in inputs]
            moved[at][index] += step
            ends.append((UPSTREAM * expected_values(*moved)).sum())
        gradient[index] = (ends[0] - ends[1]) / (2 * h)
    return gradient


def layer_of(dtype):
    layer = LayerNorm(epsilon=EPSILON, dtype=dtype)
    layer.build((None, None, 4))
    layer.gamma.assign(GAMMA)
    layer.beta.assign(BETA)
    return layer


@pytest.mark.parametrize("dtype, tolerance", [("float32", 2e-6), ("mixed_bfloat16", 2**-7)])
@pytest.mark.parametrize("compiled", [False, True])
def test_value_and_gradients(dtype, tolerance, compiled):
    """Rows of open number and length. X, γ, β and the upstream gradient are exact in bfloat16; the results are rounded to it."""
    layer = layer_of(dtype)

    def take(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x)
        return y, tape.gradient(y, [x, *layer.trainable_variables], output_gradients=tf.cast(UPSTREAM[None], y.dtype))

    if compiled:
        take = tf.function(take, input_signature=[tf.TensorSpec([None, None, 4], tf.float32)], autograph=False)
    y, gradients = take(tf.constant(X[None], tf.float32))
    assert y.dtype == keras.DTypePolicy(dtype).compute_dtype
    np.testing.assert_allclose(tf.cast(y, tf.float64)[0], expected_values(X, GAMMA, BETA), rtol=tolerance, atol=tolerance)
    for at, gradient in enumerate(gradients):
        expected = numeric_gradient(at, (X, GAMMA, BETA))
        assert gradient.dtype == tf.float32
        np.testing.assert_allclose(np.reshape(gradient, expected.shape), expected, rtol=tolerance, atol=4 * tolerance)


def test_value_of_one_row():
    """(−2, −1, 0, 3) / √(3.5 + 0.5) · γ + β = (−1, −1, 0, 0.75) + β."""
    np.testing.assert_allclose(layer_of("float32")(X[:1]), [[-1.0, 0.0, -2.0, 4.75]], rtol=1e-6)


def test_the_same_as_keras():
    ours = LayerNorm(epsilon=1e-12)
    keras_layer = keras.layers.LayerNormalization(epsilon=1e-12)
    x = tf.constant(np.random.default_rng(0).normal(3.0, 2.0, (2, 5, 16)), tf.float32)
    np.testing.assert_allclose(ours(x), keras_layer(x), atol=2e-6)

"""Quick GELU with and without its own gradient."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import expit

from vsim_tf.layers.kernels.quick_gelu import quick_gelu

X = np.concatenate([np.linspace(-12, 12, 97), [1e-30, -1e-30, 0.0, 1e4, -1e4]])


def slope(x):
    """The derivative of x·σ(1.702x)."""
    part = expit(1.702 * x)
    return part + 1.702 * x * part * (1 - part)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-6), ("bfloat16", 2**-7)])
def test_value_and_gradient(training, dtype, tolerance):
    x = tf.constant(X, dtype)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = quick_gelu(x, training=training)
    gradient = tape.gradient(y, x, output_gradients=tf.cast(2.0, dtype) * tf.ones_like(x))
    assert y.dtype == gradient.dtype == x.dtype
    rounded = np.asarray(tf.cast(x, "float32"), "float64")
    np.testing.assert_allclose(tf.cast(y, "float32"), rounded * expit(1.702 * rounded), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(tf.cast(gradient, "float32"), 2 * slope(rounded), rtol=tolerance, atol=tolerance)


def test_the_gradient_can_be_computed_inside_a_graph_of_open_length():
    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32)], autograph=False)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = quick_gelu(x, training=True)
        return tape.gradient(y, x)

    np.testing.assert_allclose(gradient(tf.constant(X, tf.float32)), slope(X), atol=2e-6)

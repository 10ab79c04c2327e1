"""The Dense layer with a gradient of its own, compared with Keras' layer."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.kernels.wide_dense import WideDense

X = np.array([[1.0, 2.0, -1.0], [0.5, 0.0, 4.0]])
KERNEL = np.array([[1.0, -2.0], [3.0, 0.0], [0.25, 1.0]])
BIAS = np.array([10.0, 20.0])
UPSTREAM = np.array([[1.0, 2.0], [-1.0, 0.5]])


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("compiled", [False, True])
def test_value_and_gradients(dtype, training, compiled):
    """y = x·W + b; the gradients are g·Wᵀ, xᵀ·g and the sum of g over rows. All numbers here are exact in bfloat16."""
    layer = WideDense(2, dtype=dtype)
    layer.build((None, 3))
    layer.kernel.assign(KERNEL)
    layer.bias.assign(BIAS)

    def take(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=training)
        watched = [x, layer.kernel.value, layer.bias.value]
        return y, tape.gradient(y, watched, output_gradients=tf.cast(UPSTREAM, y.dtype))

    if compiled:
        take = tf.function(take, input_signature=[tf.TensorSpec([None, 3], tf.float32)], autograph=False)
    y, gradients = take(tf.constant(X, tf.float32))
    assert y.dtype == keras.DTypePolicy(dtype).compute_dtype
    np.testing.assert_array_equal(tf.cast(y, tf.float64), X @ KERNEL + BIAS)
    for found, expected in zip(gradients, (UPSTREAM @ KERNEL.T, X.T @ UPSTREAM, UPSTREAM.sum(axis=0)), strict=True):
        assert found.dtype == tf.float32
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("training", [False, True])
def test_activation_and_no_bias(training):
    layer = WideDense(2, activation="relu", use_bias=False)
    layer.build((None, 3))
    layer.kernel.assign(KERNEL)
    np.testing.assert_array_equal(layer(tf.constant(X, tf.float32), training=training), np.maximum(X @ KERNEL, 0))


def test_states_of_open_length():
    """`[batch, positions, width]` are rows: the same numbers as their matrix."""
    layer = WideDense(2)
    layer.build((None, None, 3))
    layer.kernel.assign(KERNEL)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None, None, 2])], autograph=False)
    def take(x, upstream):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True)
        return y, tape.gradient(y, [x, layer.kernel.value], output_gradients=upstream)

    y, (of_x, of_kernel) = take(X[None].astype("float32"), UPSTREAM[None].astype("float32"))
    np.testing.assert_array_equal(y, [X @ KERNEL])
    np.testing.assert_array_equal(of_x, [UPSTREAM @ KERNEL.T])
    np.testing.assert_array_equal(of_kernel, X.T @ UPSTREAM)

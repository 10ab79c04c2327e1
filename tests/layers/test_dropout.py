"""Dropout draws what Keras draws, and on every replica something else."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.dropout import Dropout

X = np.ones((8, 64), "float32")


def test_one_replica_drops_what_keras_drops():
    outputs = []
    for layer_class in (keras.layers.Dropout, Dropout):
        keras.utils.set_random_seed(3)
        layers = [layer_class(0.3), layer_class(0.5)]
        outputs.append([layer(X, training=True).numpy() for layer in layers * 2])
    np.testing.assert_array_equal(*outputs)
    assert len({output.tobytes() for output in outputs[0]}) == 4


def test_nothing_is_dropped_outside_training_or_at_rate_0():
    np.testing.assert_array_equal(Dropout(0.5)(X, training=False), X)
    layer = Dropout(0.0)
    np.testing.assert_array_equal(layer(X, training=True), X)
    assert not layer.weights


@pytest.mark.parametrize("jit_compile", [False, pytest.param(True, marks=pytest.mark.medium)])
def test_replicas_drop_something_else(two_replicas, jit_compile):
    with two_replicas.scope():
        layer = Dropout(0.5)
    inner = tf.function(lambda x: layer(x, training=True), jit_compile=jit_compile)
    x = two_replicas.experimental_distribute_values_from_function(lambda context: tf.constant(X))

    @tf.function
    def both(x):
        return two_replicas.experimental_local_results(two_replicas.run(lambda x: inner(x), args=(x,)))

    outputs = [output.numpy() for _ in range(2) for output in both(x)]
    assert len({output.tobytes() for output in outputs}) == 4
    for output in outputs:
        assert set(np.unique(output)) == {0.0, 2.0}
        assert 0.4 < (output == 0).mean() < 0.6
    first, second = two_replicas.experimental_local_results(layer.seed_generator.state.value)
    np.testing.assert_array_equal(first, second)  # so that a checkpoint holds one state
    assert first.numpy()[1] == 2

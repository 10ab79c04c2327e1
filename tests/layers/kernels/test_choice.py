"""Implementations made for CPUs compute what Keras' own do, and are the default where there is no GPU."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.kernels import choice
from vsim_tf.layers.kernels.choice import made_for_cpus, use_kernels
from vsim_tf.layers.kernels.gelu import gelu
from vsim_tf.layers.kernels.layer_norm import LayerNorm
from vsim_tf.layers.kernels.wide_dense import WideDense

RNG = np.random.default_rng(0)
X, UPSTREAM = (tf.constant(RNG.normal(size=(3, 5, 8)), tf.float32) for _ in range(2))


def value_and_gradients(layer):
    with tf.GradientTape() as tape:
        tape.watch(X)
        y = layer(X, training=True)
    weights = [weight.value for weight in getattr(layer, "trainable_weights", [])]
    return [y, *tape.gradient(y, [X, *weights], output_gradients=UPSTREAM)]


@pytest.mark.parametrize("make", [LayerNorm, lambda: WideDense(8), lambda: gelu], ids=["LayerNorm", "WideDense", "GELU"])
def test_both_give_the_same_numbers(make):
    layer = make()
    value_and_gradients(layer)  # builds it
    results, operations = [], []
    for for_cpus in (True, False):
        with use_kernels(for_cpus):
            results.append(value_and_gradients(layer))
            graph = tf.function(lambda: value_and_gradients(layer), autograph=False).get_concrete_function().graph
            operations.append([operation.type for operation in graph.get_operations()])
    for ours, keras_own in zip(*results, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-5, atol=1e-5)
    assert operations[0] != operations[1]


def test_blocks_end_with_the_choice_before():
    assert made_for_cpus()
    with use_kernels(False):
        with use_kernels(True):
            assert made_for_cpus()
        assert not made_for_cpus()
    assert made_for_cpus()


def test_a_gpu_gets_those_of_keras(monkeypatch):
    monkeypatch.setattr(choice, "_no_gpu", choice._no_gpu.__wrapped__)
    monkeypatch.setattr(keras.distribution, "list_devices", lambda kind: [f"{kind}:0"])
    assert not made_for_cpus()

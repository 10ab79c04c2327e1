"""Blocks that are computed again in the backward pass: the same numbers, of fewer activations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks.activations import kept_bytes
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.recompute import recomputed
from vsim_tf.layers.transformer import TransformerEncoder

BATCH, LENGTH = 3, 5
SIZES = {
    "vocab_size": 11, "hidden_size": 8, "num_layers": 3, "num_heads": 2, "intermediate_size": 12, "max_positions": 9,
    "initializer_range": 0.5,
}  # fmt: skip


def test_a_function_is_called_again_with_its_inputs_and_variables():
    """y = w·x²: dy/dx = 2·w·x, dy/dw = Σ x²."""
    w, x, calls = tf.Variable(3.0), tf.constant([1.0, 2.0]), []

    def function(x):
        calls.append(1)
        return w * x**2

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = recomputed(function, x)
        return y, *tape.gradient(y, [x, w])

    y, of_x, of_w = gradients()
    np.testing.assert_allclose(y, [3, 12])
    np.testing.assert_allclose(of_x, [6, 12])
    assert float(of_w) == 5
    assert len(calls) == 2


def encoder_and_states(kind, dropout):
    keras.utils.set_random_seed(3)
    config = EncoderConfig(kind=kind, **SIZES, hidden_dropout=dropout, attention_dropout=dropout)
    encoder = TransformerEncoder(config)
    encoder.build()
    return encoder, tf.random.stateless_normal((BATCH, LENGTH, 8), (1, 2))


def forward(encoder, states, first_only=False):
    mask = tf.sequence_mask([5, 2, 3], LENGTH, tf.int32)
    states = encoder(states, mask, tf.range(LENGTH), first_only=first_only, training=True)
    return tf.reduce_sum(tf.cast(states, tf.float32) * tf.random.stateless_normal(tf.shape(states), (3, 4)))


def losses_and_gradients(remat, kind, first_only=False, strategy=None, policy="float32"):
    """Of two steps with dropout on each replica, the gradients of all weights and of the states."""
    keras.config.set_dtype_policy(policy)
    strategy = strategy or tf.distribute.get_strategy()
    with strategy.scope():
        encoder, states = encoder_and_states(kind, dropout=0.3)
    encoder.remat = remat
    weights = [weight.value for weight in encoder.trainable_variables]

    def step():
        with tf.GradientTape() as tape:
            tape.watch(states)
            loss = forward(encoder, states, first_only)
        return loss, [tf.convert_to_tensor(g) for g in tape.gradient(loss, [states, *weights]) if g is not None]

    both = tf.function(lambda: tf.nest.map_structure(strategy.experimental_local_results, strategy.run(step)), autograph=False)
    return [[value.numpy() for value in tf.nest.flatten(both())] for _ in range(2)]


@pytest.mark.parametrize(
    ("kind", "first_only"), [("bert", False), ("bert", True), pytest.param("roformer", False, marks=pytest.mark.slow)]
)
def test_losses_and_gradients_are_those_of_kept_activations(kind, first_only):
    """The same masks are drawn: another mask changes the loss in its first digit."""
    kept, again = (losses_and_gradients(remat, kind, first_only) for remat in (False, True))
    assert abs(kept[0][0] - kept[1][0]) > 0.1
    for ours, theirs in zip(again, kept, strict=True):
        assert len(ours) == len(theirs) > 3 * 12
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * max(np.abs(other).max(), 1))


def test_in_mixed_precision():
    kept, again = (losses_and_gradients(remat, "bert", policy="mixed_bfloat16") for remat in (False, True))
    for one, other in zip(again[0], kept[0], strict=True):
        np.testing.assert_allclose(one, other, rtol=0.05, atol=0.02 * max(np.abs(other).max(), 1))


@pytest.mark.slow
def test_on_two_replicas(two_replicas):
    """Each draws masks of its own, and the same ones again."""
    kept, again = (losses_and_gradients(remat, "bert", strategy=two_replicas) for remat in (False, True))
    assert abs(kept[0][0] - kept[0][1]) > 0.1
    for ours, theirs in zip(again, kept, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5 * max(np.abs(other).max(), 1))


def kept(remat, num_layers):
    """Bytes of activations that an encoder's backward pass reads."""
    config = EncoderConfig(kind="bert", **SIZES | {"num_layers": num_layers}, hidden_dropout=0.1, attention_dropout=0.1)
    encoder = TransformerEncoder(config)
    encoder.build()
    encoder.remat = remat
    states = tf.zeros((BATCH, LENGTH, 8))
    return kept_bytes(lambda: forward(encoder, states), encoder.trainable_variables)


def test_of_a_block_its_input_alone_is_kept():
    """Another block is 480 bytes more: 3 · 5 states of 8 float32 numbers."""
    assert 480 <= kept(True, 3) - kept(True, 2) < 480 + 100  # and seeds
    assert kept(False, 3) - kept(False, 2) > 10 * 480

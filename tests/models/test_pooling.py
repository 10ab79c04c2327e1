"""Poolings by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.pooling import AttentionPooling, ClsPooling, MaxPooling, MeanPooling, Pooling
from vsim_tf.models.sequence import Sequence

STATES = np.float32([[[1, 8], [3, 4], [9, 9]]])
SEQUENCE = Sequence(tf.constant(STATES), tf.constant([[True, True, False]]), tf.range(3), tf.constant([1, 1, 1]), {})
ENCODER = TransformerEncoder(EncoderConfig(kind="bert", vocab_size=9, hidden_size=2, num_heads=1, num_layers=1))
TRIMMED = SEQUENCE._replace(counts=tf.constant([1, 1, 3]))


@pytest.mark.parametrize(
    ("pooling", "sequence", "expected"),
    [
        (MeanPooling(), SEQUENCE, [[13 / 3, 7]]),
        (MeanPooling(), TRIMMED, [[(13 + 2 * 9) / 5, (21 + 2 * 9) / 5]]),
        (MeanPooling(padding=False), TRIMMED, [[2, 6]]),
        (ClsPooling(), SEQUENCE, [[1, 8]]),
        (MaxPooling(), SEQUENCE, [[3, 8]]),
        (MaxPooling(padding=True), SEQUENCE, [[9, 9]]),
    ],
)
def test_by_hand(pooling, sequence, expected):
    np.testing.assert_allclose(pooling(sequence.states, sequence.counted(pooling.reads_padding)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, entry in Pooling.entries.items() if entry.__module__.startswith("vsim_tf.")])
def test_without_padding_nothing_behind_the_mask_is_read(name):
    component = Pooling.entries[name]().without_padding()
    assert not component.reads_padding
    if not component.uses_pooler:
        pooling = component.build(ENCODER)
        changed = SEQUENCE._replace(states=tf.constant(STATES + np.float32([[[0], [0], [7]]])))
        counts = SEQUENCE.counted(padding=False)
        np.testing.assert_array_equal(pooling(changed.states, counts), pooling(SEQUENCE.states, counts))


def test_attention_by_hand():
    """Scores are tanh x + tanh y: of (0, 0) it is 0, of (a, b) with tanh a = tanh b = ½ it is 1."""
    half = math.atanh(0.5)
    states = tf.constant([[[0, 0], [half, half], [0, 0]]], tf.float32)
    pool = AttentionPooling().build(ENCODER)
    pool(states, tf.ones((1, 3)))
    pool.hidden.kernel.assign([[1, 0], [0, 1]])
    pool.hidden.bias.assign([0, 0])
    pool.score.kernel.assign([[1], [1]])
    for counts, others in (([1, 1, 1], 2), ([1, 1, 4], 5), ([1, 1, 0], 1)):
        weight = math.e / (others + math.e)
        for bias in (0.0, 3.0):  # softmax ignores it
            pool.score.bias.assign([bias])
            found = pool(states, tf.constant([counts], tf.float32))
            np.testing.assert_allclose(found, [[weight * half] * 2], rtol=1e-6)

"""Positions as rows of a matrix, or as they are: the same numbers."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.kernels.choice import use_kernels
from vsim_tf.layers.kernels.rows import rows
from vsim_tf.layers.transformer import TransformerEncoder

X = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 4)), tf.float32)


@pytest.mark.parametrize(
    ("for_cpus", "training", "shape"), [(True, False, (6, 4)), (True, True, (2, 3, 4)), (False, False, (2, 3, 4))]
)
def test_rows_are_made_for_inference_on_a_cpu(for_cpus, training, shape):
    with use_kernels(for_cpus):
        assert rows(X, training).shape == shape


@pytest.mark.parametrize("training", [False, True])
def test_an_encoder_gives_the_same_numbers_by_both(training):
    config = EncoderConfig(
        kind="bert", vocab_size=20, hidden_size=8, num_layers=2, num_heads=2, intermediate_size=12, max_positions=10,
        hidden_dropout=0.0, attention_dropout=0.0,
    )  # fmt: skip
    encoder = TransformerEncoder(config)
    encoder.build()
    states, mask = tf.random.normal((2, 5, 8)), tf.constant([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]])
    found = []
    for for_cpus in (True, False):
        with use_kernels(for_cpus):
            found.append(encoder(states, mask, tf.range(5), training=training))
    np.testing.assert_allclose(*found, rtol=1e-5, atol=1e-5)

"""NeXtVLAD and its normalisations."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.nextvlad import NeXtVLAD, batch_normalization
from vsim_tf.layers.normalize import l2_normalize

FRAMES = tf.constant(np.random.default_rng(0).standard_normal((3, 5, 6)), tf.float32)
MASK = tf.constant([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]) == 1


def make_layer(dropout=0.0):
    return NeXtVLAD(clusters=4, groups=3, expansion=2, output_size=7, dropout=dropout)


def plain(layer, frames, mask):
    """The formula in numpy loops, in float64, with BatchNorm as first made."""
    K, G, D = layer.clusters, layer.groups, layer.group_width
    result = np.zeros((len(frames), D, K))
    expand, attend, assign = (
        [w.numpy().astype(np.float64) for w in dense.weights]
        for dense in (layer.expand, layer.group_attention, layer.cluster_logits)
    )
    for b, x in enumerate(np.asarray(frames, np.float64) * np.asarray(mask)[:, :, None]):
        for u in x @ expand[0] + expand[1]:
            attention = 1 / (1 + np.exp(-(u @ attend[0] + attend[1])))
            logits = (u @ assign[0] / np.sqrt(1 + 1e-3)).reshape(G, K)
            share = np.exp(logits) / np.exp(logits).sum(1, keepdims=True) * attention[:, None]
            for g in range(G):
                result[b] += share[g] * (u[g * D : (g + 1) * D, None] - layer.centres.numpy()[0])
    norms = np.sqrt(np.maximum((result**2).sum(axis=1, keepdims=True), 1e-12))
    return (result / norms).reshape(len(frames), D * K)


def test_the_vector_is_that_of_the_formula():
    layer = make_layer()
    output = layer(FRAMES, MASK)
    assert output.shape == (3, 7)
    np.testing.assert_allclose(layer.vlad(FRAMES, MASK), plain(layer, FRAMES, MASK), rtol=1e-4, atol=1e-5)


def test_masked_frames_are_not_read():
    layer = make_layer()
    other = tf.where(MASK[:, :, None], FRAMES, 9.0)
    np.testing.assert_array_equal(layer(FRAMES, MASK), layer(other, MASK))


def test_the_order_of_frames_does_not_matter():
    layer = make_layer()
    np.testing.assert_allclose(layer(FRAMES, MASK), layer(FRAMES[:, ::-1], MASK[:, ::-1]), rtol=1e-5, atol=1e-6)


def test_dropout_and_batch_statistics_act_in_training_only():
    layer = make_layer(dropout=0.5)
    before = layer(FRAMES, MASK)
    np.testing.assert_array_equal(before, layer(FRAMES, MASK, training=False))
    assert not np.allclose(layer(FRAMES, MASK, training=True), layer(FRAMES, MASK, training=True))
    assert not np.allclose(before, layer(FRAMES, MASK))  # the moving averages have moved


def test_l2_normalize():
    x = tf.constant([[3.0, 4.0], [0.0, 0.0], [1e-8, 0.0]])
    np.testing.assert_allclose(l2_normalize(x), [[0.6, 0.8], [0, 0], [0.01, 0]], rtol=1e-5)
    np.testing.assert_allclose(l2_normalize(x, axis=0)[:, 1], [1, 0, 0], rtol=1e-5)


def test_statistics_are_synchronised_between_replicas_alone(two_replicas):
    assert not batch_normalization("one").synchronized
    with two_replicas.scope():
        assert batch_normalization("two").synchronized


@pytest.mark.parametrize("frames", [1, 9])
def test_any_number_of_frames(frames):
    assert make_layer()(tf.ones((2, frames, 6)), tf.ones((2, frames), tf.bool)).shape == (2, 7)

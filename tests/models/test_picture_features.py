"""Features of pictures: the tower runs once for all padding, and nothing else changes."""

import functools

import numpy as np
import pytest
import tensorflow as tf
import toy_towers
import toys
from keras import ops

from vsim_tf.layers.vision_tower import VisionTower, pixel_values
from vsim_tf.models.build import build_network

NUM_FRAMES = {"some": [2, 0, 3, 1], "all padding": [0, 0, 0, 0], "no padding": [3, 3, 3, 3]}
BYTES = np.random.default_rng(3).integers(0, 256, (4, 3, 8, 8, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    return build_network(toy_towers.dual_encoder(len(toys.VOCABULARY)))


def plain(network, frames, num_frames, training=None):
    """The tower on the pictures of all slots."""
    pixels = pixel_values(frames) if frames.dtype == "uint8" else frames
    real = ops.arange(3) < num_frames[:, None]
    pixels = ops.where(real[..., None, None, None], pixels, 0.0)
    return ops.reshape(network.tower(ops.reshape(pixels, (-1, 8, 8, 3)), training=training), (4, 3, -1))


def with_gradients(features, network, frames, num_frames, jit_compile=False):
    """The features, and the gradients of a sum in which every feature has a weight of its own."""
    weights = np.random.default_rng(4).standard_normal((4, 3, 6)).astype("float32")

    @functools.partial(tf.function, jit_compile=jit_compile, autograph=False)
    def compute(frames, num_frames):
        with tf.GradientTape() as tape:
            values = features(frames, num_frames, training=True)
            loss = tf.reduce_sum(values * weights)
        return values, tape.gradient(loss, [variable.value for variable in network.tower.trainable_variables])

    shape = tf.TensorSpec([None, None, 8, 8, 3], frames.dtype)
    if not jit_compile:  # as in training, where batches have no fixed size
        compute = tf.function(compute.python_function, [shape, tf.TensorSpec([None], tf.int32)], autograph=False)
    return compute(tf.constant(frames), tf.constant(num_frames, tf.int32))


@pytest.mark.parametrize("dtype", ["uint8", pytest.param("float32", marks=pytest.mark.slow)])
@pytest.mark.parametrize("num_frames", NUM_FRAMES.values(), ids=NUM_FRAMES)
def test_values_and_gradients(network, num_frames, dtype):
    frames = BYTES if dtype == "uint8" else (BYTES / 100).astype(dtype)
    values, gradients = with_gradients(network.features, network, frames, num_frames)
    expected, expected_gradients = with_gradients(functools.partial(plain, network), network, frames, num_frames)
    np.testing.assert_allclose(values, expected, atol=1e-5)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max() + 1e-6)


@pytest.mark.slow
def test_xla_compiles_it(network):
    values, gradients = with_gradients(network.features, network, BYTES, NUM_FRAMES["some"], jit_compile=True)
    expected, expected_gradients = with_gradients(network.features, network, BYTES, NUM_FRAMES["some"])
    np.testing.assert_allclose(values, expected, atol=1e-5)
    for one, other in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max() + 1e-6)


@pytest.mark.parametrize(("num_frames", "pictures"), [([2, 0, 3, 1], 7), ([0, 0, 0, 0], 1)])
def test_pictures_of_the_tower(network, monkeypatch, num_frames, pictures):
    """2 + 3 + 1 real ones and one for all padding."""
    counts, call = [], VisionTower.call
    monkeypatch.setattr(VisionTower, "call", lambda self, x, training=None: (counts.append(x.shape[0]), call(self, x))[1])
    network.features(BYTES, tf.constant(num_frames))
    assert counts == [pictures]

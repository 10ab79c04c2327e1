"""The vision tower: patches, states, what is read and what frozen blocks compute."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import VisionTower, quick_gelu

SIZES = {"picture_size": 8, "patch_size": 4, "hidden_size": 12, "num_layers": 3, "num_heads": 2, "intermediate_size": 20}
PIXELS = tf.random.stateless_normal((3, 8, 8, 3), (1, 2))


def make_tower(**changes) -> VisionTower:
    tower = VisionTower(VisionConfig(**SIZES | changes))
    tower.build()
    for weight in tower.weights:  # as first made, biases are 0
        weight.assign(weight + 0.2 * tf.random.normal(weight.shape))
    return tower


def test_shapes():
    tower = make_tower()
    assert [states.shape for states in tower.states(PIXELS)] == [(3, 1 + 4, 12)] * (1 + 3)
    assert tower(PIXELS).shape == (3, 12)


def test_quick_gelu_by_hand():
    """x·σ(1.702x): ±2/(1 + e^∓3.404)."""
    expected = [0, 2 / (1 + math.exp(-3.404)), -2 / (1 + math.exp(3.404))]
    np.testing.assert_allclose(quick_gelu(tf.constant([0.0, 2, -2])), expected, rtol=1e-5)


def test_patches_are_a_convolution():
    """The kernel in the order of PyTorch's, [out, in, h, w], flattened."""
    tower = make_tower()
    kernel = tf.transpose(tf.reshape(tower.patches.kernel, (3, 4, 4, 12)), (1, 2, 0, 3))
    expected = tf.reshape(tf.nn.conv2d(PIXELS, kernel, 4, "VALID"), (3, 4, 12))
    np.testing.assert_allclose(tower.patches(tower._cut(PIXELS)), expected, rtol=1e-4, atol=1e-5)


def test_the_vector_is_the_normalised_class_token():
    tower = make_tower()
    last = tower.states(PIXELS)[-1][:, 0].numpy()
    centred = last - last.mean(axis=1, keepdims=True)
    normal = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    expected = normal * tower.last_norm.gamma.numpy() + tower.last_norm.beta.numpy()
    np.testing.assert_allclose(tower(PIXELS), expected, rtol=1e-4, atol=1e-5)


def test_every_patch_is_read_and_no_other_picture():
    tower = make_tower()
    vectors = tower(PIXELS).numpy()
    for row in (0, 4):
        for column in (0, 4):
            change = np.zeros(PIXELS.shape, np.float32)
            change[0, row, column] = 1
            changed = tower(PIXELS + change).numpy()
            assert np.abs(changed[0] - vectors[0]).max() > 1e-4
            np.testing.assert_allclose(changed[1:], vectors[1:], rtol=1e-5, atol=1e-6)


def test_where_a_patch_stands_matters():
    """Rows of patches exchanged: without positions the class token would not see it."""
    tower, swapped = make_tower(), tf.concat([PIXELS[:, 4:], PIXELS[:, :4]], axis=1)
    assert np.abs(tower(swapped).numpy() - tower(PIXELS).numpy()).max() > 1e-3
    tower.position.assign(tf.zeros_like(tower.position))
    np.testing.assert_allclose(tower(swapped), tower(PIXELS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trained", [-1, 0, 1, 2, 3])
def test_the_last_blocks_alone_are_trained_if_asked_for(trained):
    """Embeddings, both norms outside of the blocks and all earlier blocks are frozen, also where all blocks are trained."""
    tower = make_tower(trainable_blocks=trained)
    assert len(tower.weights) == 3 + 2 * 2 + 3 * 12
    if trained == -1:
        assert len(tower.trainable_variables) == len(tower.weights)
        return
    names = {v.path.split("/")[1] for v in tower.trainable_variables}
    assert names == {f"block_{i}" for i in range(3 - trained, 3)}
    assert len(tower.trainable_variables) == 12 * trained


def test_frozen_blocks_compute_the_same_and_the_others_get_the_same_gradients():
    tower, frozen = make_tower(), make_tower(trainable_blocks=1)
    for mine, theirs in zip(frozen.weights, tower.weights, strict=True):
        mine.assign(theirs)
    found = []
    for each, block in ((tower, tower.blocks[-1]), (frozen, frozen.blocks[-1])):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(each(PIXELS, training=True) ** 3)
        found.append(tape.gradient(total, [v.value for v in block.trainable_variables]))
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patch_size": 3}, "picture_size=8 and patch_size=3"),
        ({"num_heads": 5}, "hidden_size=12 and num_heads=5"),
        ({"trainable_blocks": 4}, "trainable_blocks=4: -1 to num_layers=3"),
        ({"trainable_blocks": -2}, "trainable_blocks=-2"),
    ],
)
def test_sizes_that_do_not_go_together(changes, message):
    with pytest.raises(UserError, match=message):
        VisionConfig(**SIZES | changes)


def test_in_mixed_precision_states_are_bfloat16_and_weights_float32():
    keras.config.set_dtype_policy("mixed_bfloat16")
    tower = make_tower()
    assert tower(PIXELS).dtype == "bfloat16"
    assert {weight.dtype for weight in tower.weights} == {"float32"}

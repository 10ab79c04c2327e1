"""Streams that attend to each other: by hand, under masks, and with one set of weights."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.cross_attention import CrossAttention, CrossLayer
from vsim_tf.layers.encoder_config import TORCH_UNIFORM, EncoderConfig
from vsim_tf.layers.transformer import score_bias

CONFIG = EncoderConfig(
    kind="bert", hidden_size=8, num_heads=2, intermediate_size=12, hidden_dropout=0.0, attention_dropout=0.0,
    initializer=TORCH_UNIFORM,
)  # fmt: skip
TEXT, VISION = (tf.random.stateless_normal((2, n, 8), (n, 1)) for n in (5, 3))
TEXT_MASK, VISION_MASK = tf.constant([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]]), tf.constant([[1, 1, 0], [1, 1, 1]])
BIASES = tuple(score_bias(mask, "float32") for mask in (TEXT_MASK, VISION_MASK))
LAYERS = pytest.mark.parametrize("layer", [CrossAttention, CrossLayer])


def built(layer, config=CONFIG):
    made = layer(config, name="layer")
    made.build()
    return made


def attention(layer, x, other, mask, head):
    """One head's context in NumPy."""
    kernel, bias = layer.qkv.kernel.numpy(), layer.qkv.bias.numpy()
    query, key, value = (
        (states @ kernel + bias)[:, part * 8 + head * 4 : part * 8 + head * 4 + 4]
        for part, states in enumerate((x, other, other))
    )
    scores = np.where(mask == 1, np.exp(query @ key.T / 2), 0)  # √4
    return scores / scores.sum(axis=1, keepdims=True) @ value


@pytest.mark.parametrize("video", [0, 1])
def test_by_hand(video):
    """x = LN(x + Dense(softmax(QKᵀ/√d)·V)), queries of one stream, keys and values of the other, as both were before."""
    layer = built(CrossAttention)
    streams, masks = [TEXT.numpy()[video], VISION.numpy()[video]], [TEXT_MASK.numpy()[video], VISION_MASK.numpy()[video]]
    found = layer((TEXT, VISION), BIASES)
    for own, other in ((0, 1), (1, 0)):
        context = np.concatenate([attention(layer, streams[own], streams[other], masks[other], head) for head in (0, 1)], axis=1)
        x = streams[own] + context @ layer.output_dense.kernel.numpy() + layer.output_dense.bias.numpy()
        expected = (x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True)
        np.testing.assert_allclose(found[own][video], expected, rtol=1e-4, atol=1e-5)


def test_both_directions_have_the_same_weights():
    """docs/facts_rank8.md 7: exchanged streams give exchanged results."""
    layer = built(CrossAttention)
    text, vision = layer((TEXT, VISION), BIASES)
    exchanged = layer((VISION, TEXT), BIASES[::-1])
    np.testing.assert_allclose(exchanged[0], vision, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(exchanged[1], text, rtol=1e-5, atol=1e-6)
    assert len(layer.trainable_variables) == 2 + 2 + 2


def test_a_layer_has_self_attention_and_ffn_of_each_stream():
    layer = built(CrossLayer)
    parts = {weight.path.split("/")[1] for weight in layer.trainable_variables}
    assert parts == {"cross", "text", "vision"}
    assert len(layer.text.trainable_variables) == len(layer.vision.trainable_variables) == 12
    streams = layer((TEXT, VISION), BIASES)
    assert [states.shape for states in streams] == [(2, 5, 8), (2, 3, 8)]
    crossed = layer.cross((TEXT, VISION), BIASES)
    for found, block, states, bias in zip(streams, (layer.text, layer.vision), crossed, BIASES, strict=True):
        np.testing.assert_allclose(found, block(states, bias), rtol=1e-5, atol=1e-6)


@LAYERS
def test_padding_of_one_stream_does_not_change_the_other_or_its_own_real_positions(layer):
    layer = built(layer)
    before = layer((TEXT, VISION), BIASES)
    changed = tuple(tf.where(mask[..., None] == 1, states, 9.0) for states, mask in ((TEXT, TEXT_MASK), (VISION, VISION_MASK)))
    for found, states, mask in zip(layer(changed, BIASES), before, (TEXT_MASK, VISION_MASK), strict=True):
        real = mask.numpy() == 1
        np.testing.assert_allclose(found.numpy()[real], states.numpy()[real], rtol=1e-4, atol=1e-5)
        assert np.abs(found.numpy()[~real] - states.numpy()[~real]).max() > 1e-3


@LAYERS
def test_every_real_position_of_one_stream_changes_the_other(layer):
    layer = built(layer)
    before = layer((TEXT, VISION), BIASES)
    text = layer((TEXT, VISION + tf.one_hot([0], 3)[..., None]), BIASES)[0]
    vision = layer((TEXT + tf.one_hot([1], 5)[..., None] * tf.one_hot([0], 8), VISION), BIASES)[1]
    assert (np.abs(text - before[0]).max(axis=-1) > 1e-6).all()
    assert (np.abs(vision - before[1]).max(axis=-1) > 1e-6).all()


def test_first_weights_are_within_the_bounds_of_pytorch():
    """±1/√8, biases too; docs/facts_rank8.md 14."""
    layer = built(CrossLayer)
    for weight in layer.cross.trainable_variables:
        if "norm" not in weight.path:
            assert 0 < np.abs(weight.numpy()).max() <= 8**-0.5


def test_dropout_acts_in_training_alone():
    layer = built(CrossAttention, CONFIG.replace(hidden_dropout=0.5, attention_dropout=0.5))
    first, second = (layer((TEXT, VISION), BIASES, training=True)[0].numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    plain = [layer((TEXT, VISION), BIASES, training=False)[0].numpy() for _ in range(2)]
    np.testing.assert_array_equal(*plain)

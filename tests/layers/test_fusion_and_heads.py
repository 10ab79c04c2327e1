"""Gate, fusion and the MLM head against numpy."""

import numpy as np
import tensorflow as tf
from scipy.special import erf, expit

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.fusion import ConcatDenseSE, SEGate
from vsim_tf.layers.heads import MaskedLanguageModelHead

RNG = np.random.default_rng(0)


def random(*shape):
    return RNG.standard_normal(shape).astype("float32")


def arrays(layer):
    return [w.numpy() for w in layer.weights]


def test_the_gate_scales_each_number():
    gate, x = SEGate(ratio=3), random(4, 6)
    y = gate(x)
    reduce, restore = arrays(gate)
    assert (reduce.shape, restore.shape) == ((6, 2), (2, 6))
    np.testing.assert_allclose(y, x * expit(np.maximum(x @ reduce, 0) @ restore), rtol=1e-5, atol=1e-6)


def test_fusion_is_a_gated_dense_layer_of_both():
    fusion, video, text = ConcatDenseSE(size=8, se_ratio=2, dropout=0.5), random(4, 3), random(4, 5)
    y, weights = fusion(video, text)
    kernel, bias, reduce, restore = arrays(fusion.dense) + arrays(fusion.se)
    h = np.maximum(np.concatenate([video, text], axis=1) @ kernel + bias, 0)
    gate = expit(np.maximum(h @ reduce, 0) @ restore)
    np.testing.assert_allclose(weights, gate, rtol=1e-5)
    np.testing.assert_allclose(y, h * gate, rtol=1e-5, atol=1e-6)
    assert (y.numpy() >= 0).all()


def test_fusion_drops_in_training_only():
    fusion, video, text = ConcatDenseSE(size=8, se_ratio=2, dropout=0.5), tf.ones((4, 3)), tf.ones((4, 5))
    np.testing.assert_array_equal(fusion(video, text)[0], fusion(video, text, training=False)[0])
    assert not np.allclose(*(fusion(video, text, training=True)[0] for _ in range(2)))


def test_the_word_head_is_tied_to_the_word_table():
    config = EncoderConfig(kind="roformer", vocab_size=11, hidden_size=8, num_heads=2, embedding_size=6, num_layers=1)
    head, states, table = MaskedLanguageModelHead(config), random(3, 4), random(11, 6)
    head.build((None, 4))
    head.bias.assign(random(11))
    logits = head(states, table)
    kernel, bias = arrays(head.transform)
    x = states @ kernel + bias
    x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
    np.testing.assert_allclose(logits, x @ table.T + head.bias.numpy(), rtol=1e-4, atol=1e-4)
    assert {w.shape for w in head.weights} == {(4, 6), (6,), (11,)}  # no table of its own


def test_an_untied_head_has_a_decoder_of_its_own():
    """And starts as PyTorch's Linear does: 1/√4 bounds the transform, 1/√6 the decoder; the bias per token is zero."""
    config = EncoderConfig(kind="roformer", vocab_size=900, hidden_size=8, num_heads=2, embedding_size=6, num_layers=1)
    head, states = MaskedLanguageModelHead(config, tied=False), random(3, 4)
    head.build((None, 4))
    logits = head(states)
    kernel, bias = arrays(head.transform)
    x = states @ kernel + bias
    x = x * 0.5 * (1 + erf(x / np.sqrt(2)))
    x = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-12)
    np.testing.assert_allclose(logits, x @ head.decoder.numpy(), rtol=1e-4, atol=1e-4)
    assert head.decoder.shape == (6, 900) and not head.bias.numpy().any()
    for weight, bound in ((kernel, 0.5), (bias, 0.5), (head.decoder.numpy(), 6**-0.5)):
        assert 0.5 * bound < np.abs(weight).max() <= bound and weight.min() < 0 < weight.max()


def test_untied_weights_follow_those_of_the_tied_head():
    config = EncoderConfig(kind="bert", vocab_size=11, hidden_size=8, num_heads=2, num_layers=1)
    heads = {tied: MaskedLanguageModelHead(config, tied, name="mlm") for tied in (True, False)}
    for head in heads.values():
        head.build((None, 8))
    paths = {tied: {weight.path.removeprefix("mlm/") for weight in head.weights} for tied, head in heads.items()}
    assert paths[True] == {"transform/kernel", "transform/bias", "layer_norm/gamma", "layer_norm/beta", "bias"}
    assert paths[False] == paths[True] | {"decoder"}
    assert heads[False].named_weights().keys() == heads[True].named_weights().keys() | {"cls/predictions/decoder/kernel"}

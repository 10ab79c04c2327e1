"""The encoders: what is masked, what a position means, and shapes."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.layers.transformer import TransformerEncoder, rotate, sinusoid_table
from vsim_tf.models.sequence import frame_sequence, joined, text_sequence

SIZES = {"vocab_size": 20, "hidden_size": 8, "num_layers": 2, "num_heads": 2, "intermediate_size": 12, "max_positions": 10}
IDS = tf.constant([[2, 7, 8, 3, 0], [2, 9, 3, 0, 0]])
MASK = tf.constant([[1, 1, 1, 1, 0], [1, 1, 1, 0, 0]])
KINDS = pytest.mark.parametrize("kind", ["bert", "roformer"])


def make_encoder(kind, pooler=False, **sizes):
    encoder = TransformerEncoder(EncoderConfig(kind=kind, **SIZES | sizes), pooler=pooler)
    encoder.build(None)
    for weight in encoder.trainable_variables:  # as first made, positions and biases are too small to matter
        weight.assign(weight + 0.3 * tf.random.normal(weight.shape))
    return encoder


def run(encoder, ids, mask, frames=None, frame_mask=None, training=None):
    """States of text, or of text followed by frames."""
    sequence = text_sequence(encoder.embed(ids, training=training), mask)
    if frames is not None:
        of_frames = frame_sequence(frames, tf.zeros(len(frames), tf.int32), frames.shape[1])
        sequence = joined(sequence, of_frames._replace(mask=tf.cast(frame_mask, tf.bool)), ids.shape[1])
    return encoder(sequence.states, sequence.mask, sequence.positions, training=training)


def close(a, b, tolerance=1e-5):
    return np.allclose(a, b, rtol=tolerance, atol=tolerance)


@KINDS
def test_shapes_with_and_without_frames(kind):
    encoder = make_encoder(kind, pooler=True)
    states = run(encoder, IDS, MASK)
    assert states.shape == (2, 5, 8)
    assert encoder.pool(states).shape == (2, 8)
    assert run(encoder, IDS, MASK, tf.ones((2, 3, 8)), tf.ones((2, 3))).shape == (2, 8, 8)


@KINDS
def test_masked_tokens_and_frames_are_not_read(kind):
    encoder = make_encoder(kind)
    frames, frame_mask = tf.random.normal((2, 3, 8)), tf.constant([[1, 1, 0], [1, 0, 0]])
    states = run(encoder, IDS, MASK, frames, frame_mask).numpy()
    other_ids = tf.where(MASK == 1, IDS, 11)
    other_frames = tf.where(frame_mask[..., None] == 1, frames, 5.0)
    changed = run(encoder, other_ids, MASK, other_frames, frame_mask).numpy()
    real = tf.concat([MASK, frame_mask], axis=1).numpy() == 1
    assert close(states[real], changed[real])
    assert not close(states[~real], changed[~real])


@KINDS
def test_every_real_token_and_frame_is_read_by_all(kind):
    encoder = make_encoder(kind)
    frames, frame_mask = tf.random.normal((2, 3, 8)), tf.ones((2, 3))
    states = run(encoder, IDS, MASK, frames, frame_mask).numpy()
    other_token = run(encoder, tf.tensor_scatter_nd_update(IDS, [[0, 2]], [12]), MASK, frames, frame_mask).numpy()
    other_frame = run(encoder, IDS, MASK, frames + tf.constant([0.0, 0.0, 1.0])[:, None], frame_mask).numpy()
    assert not np.isclose(states[0], other_token[0], atol=1e-6).all(axis=-1).any()
    assert not np.isclose(states, other_frame, atol=1e-6).all(axis=-1).any()
    assert close(states[1], other_token[1])  # another video of the batch


@KINDS
def test_the_order_of_words_matters(kind):
    encoder = make_encoder(kind)
    swapped = tf.gather(IDS, [0, 2, 1, 3, 4], axis=1)
    assert not close(run(encoder, IDS, MASK)[:, 0], run(encoder, swapped, MASK)[:, 0])


def test_the_order_of_frames_matters_to_roformer_alone():
    frames = tf.random.normal((2, 3, 8))
    for kind, matters in (("bert", False), ("roformer", True)):
        encoder = make_encoder(kind)
        states, reversed_ = (run(encoder, IDS, MASK, f, tf.ones((2, 3)))[:, :5] for f in (frames, frames[:, ::-1]))
        assert close(states, reversed_) != matters


def test_a_projected_embedding():
    encoder = make_encoder("roformer", embedding_size=6)
    assert encoder.embedding.word.shape == (20, 6)
    assert run(encoder, IDS, MASK).shape == (2, 5, 8)
    assert encoder.embedding.project.kernel.shape == (6, 8)


@KINDS
def test_dropout_acts_in_training_only(kind):
    encoder = make_encoder(kind, hidden_dropout=0.5)
    assert close(run(encoder, IDS, MASK), run(encoder, IDS, MASK, training=False), 0)
    assert not close(run(encoder, IDS, MASK, training=True), run(encoder, IDS, MASK, training=True))


def test_sinusoids_and_rotation_by_hand():
    table = sinusoid_table(3, 4)
    np.testing.assert_allclose(table[2], [np.sin(2), np.sin(0.02), np.cos(2), np.cos(0.02)], rtol=1e-6)
    x = np.float32([1, 2, 3, 4]).reshape(1, 1, 1, 4)
    s, c, t, d = table[2][0], table[2][2], table[2][1], table[2][3]
    expected = [1 * c - 2 * s, 2 * c + 1 * s, 3 * d - 4 * t, 4 * d + 3 * t]
    np.testing.assert_allclose(rotate(x, table[2:3])[0, 0, 0], expected, rtol=1e-5)


def test_rotation_makes_products_depend_on_the_distance_alone():
    x, y = (tf.random.normal((1, 1, 1, 8)) for _ in range(2))
    table = sinusoid_table(20, 8)

    def product(i, j):
        return float(tf.reduce_sum(rotate(x, table[i : i + 1]) * rotate(y, table[j : j + 1])))

    assert product(3, 7) == pytest.approx(product(11, 15), abs=1e-4)
    assert product(3, 7) != pytest.approx(product(3, 8), abs=1e-4)


def test_rotary_value_changes_the_values_too():
    plain, rotated = make_encoder("roformer"), make_encoder("roformer", rotary_value=True)
    for a, b in zip(plain.weights, rotated.weights, strict=True):
        b.assign(a)
    assert not close(run(plain, IDS, MASK), run(rotated, IDS, MASK))


@KINDS
def test_every_weight_has_one_hugging_face_name(kind):
    encoder = make_encoder(kind, pooler=True)
    names = encoder.named_weights()
    covered = {}
    for weight in names.values():
        covered.setdefault(weight.variable.path, []).append(weight.part)
    parts = {path: sorted(map(str, p)) for path, p in covered.items()}
    assert set(parts) == {v.path for v in encoder.trainable_variables}
    assert all(p == (["0", "1", "2"] if "qkv" in path else ["None"]) for path, p in parts.items())


def test_a_part_of_a_fused_weight_is_written_alone():
    encoder = make_encoder("bert")
    names = encoder.named_weights()
    before = {name: weight.read() for name, weight in names.items()}
    key = names["encoder/layer_._1/attention/self/key/kernel"]
    assert isinstance(key, NamedWeight) and key.shape == (8, 8)
    key.assign(np.full((8, 8), 7.0))
    for name, weight in names.items():
        expected = 7.0 if weight is key else before[name]
        np.testing.assert_array_equal(weight.read(), np.broadcast_to(expected, weight.shape), err_msg=name)

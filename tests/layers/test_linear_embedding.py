"""Linear embeddings by hand."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.linear_embedding import LinearEmbedding

VOCABULARY, BUCKETS, FRAME_DIM, DIM = 10, 11, 3, 2
PAIR = VOCABULARY + 2
"""Row of the pair 5, 7: (5·7919 + 7) mod 11, and 7919 is 10 modulo 11: 57 mod 11."""


@pytest.fixture
def layer() -> LinearEmbedding:
    layer = LinearEmbedding(LinearConfig(buckets=BUCKETS, multiple=1, weight=2.0), VOCABULARY, DIM)
    layer(*inputs([[5]], [[1]], np.zeros((1, 1, FRAME_DIM)), [0]))
    random = np.random.default_rng(0)
    layer.set_weights([random.normal(size=weight.shape) for weight in layer.weights])
    layer.idf.assign(np.abs(layer.idf) + 0.5)
    return layer


def inputs(ids, mask, frames, counts):
    return tf.constant(ids), tf.constant(mask), tf.constant(frames, tf.float32), tf.constant(counts)


def test_by_hand(layer):
    idf, table, centre, kernel, bias, _ = (np.asarray(weight) for weight in layer.weights)
    frames = np.array([[[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [9.0, 9.0, 9.0]]])
    title = idf[5] * table[5] + idf[7] * table[7] + idf[PAIR] * table[PAIR]
    title /= np.sqrt(idf[5] ** 2 + idf[7] ** 2 + idf[PAIR] ** 2)
    expected = title + (np.array([2.0, 2.0, 2.0]) - centre) @ kernel + bias  # the third frame is none of the video
    found = layer(*inputs([[5, 7, 0]], [[1, 1, 0]], frames, [2]))
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


def test_a_video_of_nothing_has_the_bias(layer):
    found = layer(*inputs([[5, 7]], [[0, 0]], np.ones((1, 2, FRAME_DIM)), [0]))
    np.testing.assert_allclose(found, [np.asarray(layer.bias)], rtol=1e-6)


def test_padding_changes_nothing(layer):
    frames = np.random.default_rng(1).normal(size=(1, 2, FRAME_DIM))
    short = layer(*inputs([[5, 7]], [[1, 1]], frames, [2]))
    padded = layer(*inputs([[5, 7, 3, 3]], [[1, 1, 0, 0]], np.concatenate([frames, frames + 7], axis=1), [2]))
    np.testing.assert_allclose(padded, short, rtol=1e-6)


def test_beside_the_embedding_of_a_network(layer):
    """(3, 4) / 5 and 2·(0, 1) next to each other, of which the basis takes the first and the sum of the other three."""
    layer.basis.assign([[1, 0], [0, 1], [0, 1], [0, 1]])
    found = layer.beside(tf.constant([[3.0, 4.0]]), tf.constant([[0.0, 6.0]]))
    np.testing.assert_allclose(found, [[0.6, 2.8]], rtol=1e-6)


def test_a_transformed_layer_gives_transformed_embeddings(layer):
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    video = inputs([[5, 7]], [[1, 1]], np.ones((1, 2, FRAME_DIM)), [2])
    expected = np.asarray(layer(*video)) @ matrix
    layer.transform(matrix)
    np.testing.assert_allclose(layer(*video), expected, rtol=1e-5)


def test_before_a_basis_is_fitted_there_is_the_network_alone():
    layer = LinearEmbedding(LinearConfig(buckets=BUCKETS, multiple=2), VOCABULARY, DIM)
    linear = layer(*inputs([[5]], [[1]], np.zeros((1, 1, FRAME_DIM)), [0]))
    assert linear.shape == (1, 2 * DIM)
    found = layer.beside(tf.constant([[3.0, 4.0]]), tf.constant([[0.0, 6.0, 1.0, 2.0]]))
    np.testing.assert_allclose(found, [[0.6, 0.8]], rtol=1e-6)


def test_it_is_not_trained(layer):
    assert not layer.trainable_weights and len(layer.non_trainable_weights) == 6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"buckets": 0}, "buckets=0: an integer above 0"),
        ({"buckets": 2**17 + 1}, "buckets=131073: at most 131072 are accepted"),
        ({"multiple": 0}, "multiple=0: an integer above 0"),
        ({"exponents": []}, "exponents=\\[\\]: at least one number is needed"),
        ({"exponents": [1.0, -0.5]}, "exponents=\\[1.0, -0.5\\]: at least one number is needed, each above 0"),
        ({"weight": 0.0}, "weight=0.0: a number above 0"),
        ({"penalty": float("inf")}, "penalty=inf: a number above 0"),
    ],
)
def test_values_that_do_not_fit(values, message):
    with pytest.raises(UserError, match=message):
        LinearConfig(**values)

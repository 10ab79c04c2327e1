"""Embeddings of n-grams by hand."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.layers.encoder_config import MAX_NGRAM_BUCKETS, EncoderConfig
from vsim_tf.layers.ngram_embedding import MULTIPLIER, NgramEmbedding
from vsim_tf.layers.transformer import TextEmbedding

TINY = {"kind": "bert", "vocab_size": 20, "hidden_size": 4, "num_heads": 2, "num_layers": 1, "intermediate_size": 8}


def embedding(longest=3, buckets=11, dim=2) -> NgramEmbedding:
    layer = NgramEmbedding(longest, buckets, dim)
    layer.build()
    return layer


def test_by_hand():
    """Tokens 5 and 7, nothing before the first one, which counts as 0; 7919 is 10 modulo 11.

    h(5) = 5; with 0 before: 5·10 + 0 = 50 = 6, with 0 and 0: 6·10 = 60 = 5.
    h(7) = 7; with 5 before: 7·10 + 5 = 75 = 9, with 5 and 0: 9·10 + 0 = 90 = 2.
    """
    layer = embedding()
    two, three = (np.random.default_rng(n).normal(size=(11, 2)).astype("float32") for n in (2, 3))
    layer.set_weights([two, three])
    found = layer(tf.constant([[5, 7]]))
    np.testing.assert_allclose(found, [[two[6] + three[5], two[9] + three[2]]], rtol=1e-6)


def test_what_comes_later_changes_nothing():
    layer = embedding()
    layer.set_weights([np.random.default_rng(n).normal(size=(11, 2)) for n in (2, 3)])
    np.testing.assert_array_equal(layer(tf.constant([[5, 7, 1, 9]]))[:, :2], layer(tf.constant([[5, 7]])))


def test_an_encoder_starts_as_one_without_them():
    ids = tf.constant([[2, 5, 7, 3]])
    plain, with_ngrams = (TextEmbedding(EncoderConfig(**TINY, longest_ngram=n, ngram_buckets=11)) for n in (1, 3))
    for layer in (plain, with_ngrams):
        layer.build()
    with_ngrams.word.assign(plain.word)
    with_ngrams.token_type.assign(plain.token_type)
    with_ngrams.position.assign(plain.position)
    np.testing.assert_array_equal(with_ngrams(ids), plain(ids))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(with_ngrams(ids)[..., 0])
    tables = [table.value for table in with_ngrams.ngrams.tables]
    assert all(np.abs(tf.convert_to_tensor(gradient)).max() > 0 for gradient in tape.gradient(loss, tables))


def test_hashes_do_not_overflow():
    assert (MAX_NGRAM_BUCKETS - 1) * MULTIPLIER + 2**18 < 2**31  # with any vocabulary of up to 2¹⁸ tokens


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"longest_ngram": 0}, "longest_ngram=0"),
        ({"ngram_buckets": 2**17 + 1}, "ngram_buckets=131073: at most 131072 are accepted"),
    ],
)
def test_refusals(values, message):
    with pytest.raises(UserError, match=message):
        EncoderConfig(**TINY, **values)

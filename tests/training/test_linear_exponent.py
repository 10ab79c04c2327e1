"""The exponent of singular values that labelled pairs choose."""

import logging

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.labels import Pair
from vsim_tf.records.schema import VideoBatch
from vsim_tf.training.linear_exponent import fit_exponent
from vsim_tf.training.linear_start import embedded

VIDEOS, DIM = 40, 3
VALUES = np.array([8.0, 1.0, 0.0])
FIRST, SECOND = np.arange(VIDEOS - 1), np.arange(1, VIDEOS)


@pytest.fixture
def batches() -> list[VideoBatch]:
    """Videos with one frame each, which is their embedding."""
    frames = np.random.default_rng(0).normal(size=(VIDEOS, 1, DIM)).astype(np.float32) * [8, 1, 0]
    ones = np.ones((VIDEOS // 2, 1), np.int32)
    halves = np.split(frames.astype(np.float32), 2)
    ids = np.split(np.array([f"v{number}".encode() for number in range(VIDEOS)]), 2)
    return [VideoBatch(tf.constant(i), ones, ones, half, ones[:, 0], {}) for i, half in zip(ids, halves, strict=True)]


def made(*exponents: float) -> LinearEmbedding:
    layer = LinearEmbedding(LinearConfig(buckets=3, multiple=1, exponents=exponents), 5, DIM)
    layer(tf.constant([[1]]), tf.constant([[1]]), tf.zeros((1, 1, DIM)), tf.constant([0]))
    layer.kernel.assign(np.eye(DIM))
    return layer


def pairs_by(batches: list[VideoBatch], second: float) -> list[Pair]:
    """Labels by cosines of embeddings whose second number is multiplied, and a pair of a video that is not there."""
    scaled = np.concatenate([batch.frames[:, 0] for batch in batches]) * [1, second, 1]
    similarity = (cosine_similarity(scaled[FIRST], scaled[SECOND]) + 1) / 2
    pairs = [Pair(f"v{a}", f"v{b}", value) for a, b, value in zip(FIRST, SECOND, similarity.tolist(), strict=True)]
    return [*pairs, Pair("v0", "another", 1.0)]


@pytest.mark.parametrize(("second", "exponent"), [(1.0, 1.0), (8**0.5, 0.5), (8.0, 0.01), (8**-0.5, 1.5)])
def test_labelled_pairs_choose(batches, caplog, second, exponent):
    """(1/8)^(p − 1) is what the second number is multiplied with."""
    layer = made(1.0, 1.5, 0.5, 0.01)
    before = np.concatenate([embedded(layer, batch) for batch in batches])
    with caplog.at_level(logging.INFO):
        fit_exponent(layer, VALUES, batches, pairs_by(batches, second))
    after = np.concatenate([embedded(layer, batch) for batch in batches])
    np.testing.assert_allclose(after, before * [1, 8 ** (1 - exponent), 1], rtol=1e-5)
    assert f"to the power {exponent:g} rank {VIDEOS - 1} labelled pairs best: Spearman" in caplog.text


def test_without_labelled_pairs_nothing_changes(batches):
    layer = made(0.5, 1.0)
    fit_exponent(layer, VALUES, batches, [])
    np.testing.assert_array_equal(layer.kernel, np.eye(DIM))


def test_similarities_that_are_all_the_same_choose_nothing(batches):
    layer = made(0.5, 1.0)
    fit_exponent(layer, VALUES, batches, [Pair("v0", "v1", 0.5), Pair("v1", "v2", 0.5)])
    np.testing.assert_array_equal(layer.kernel, np.eye(DIM))


def test_one_exponent_needs_no_pairs():
    layer = made(0.5)
    fit_exponent(layer, VALUES, [], [])
    np.testing.assert_allclose(layer.kernel, np.diag([1, 8**0.5, 1]), rtol=1e-6)


def test_nothing_varies():
    layer = made(0.5)
    fit_exponent(layer, np.zeros(DIM), [], [])
    np.testing.assert_array_equal(layer.kernel, np.eye(DIM))

"""Metrics of linear embeddings from labelled pairs."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.evaluation.metrics import spearman
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.training import pair_metric
from vsim_tf.training.linear_start import embedded

PAIRS, DIM = 60, 3
OFF = np.triu_indices(DIM, 1)


class Videos:
    """A layer whose embedding of a video is its frame, and pairs of videos."""

    def __init__(self, seed: int = 0):
        random = np.random.default_rng(seed)
        self.layer = LinearEmbedding(LinearConfig(buckets=3, multiple=1), 5, DIM)
        self.first, self.second = random.normal(size=(2, PAIRS, DIM))
        self.embedded(self.first)
        self.layer.kernel.assign(np.eye(DIM))

    def batch(self, vectors: np.ndarray) -> VideoBatch:
        count = len(vectors)
        ones = tf.ones((count, 1), tf.int32)
        frames = tf.constant(vectors[:, None], tf.float32)
        return VideoBatch(tf.constant([""] * count), ones, ones, frames, tf.ones(count, tf.int32), {})

    def embedded(self, vectors: np.ndarray) -> np.ndarray:
        return embedded(self.layer, self.batch(vectors))

    def cosines(self) -> np.ndarray:
        return cosine_similarity(self.embedded(self.first), self.embedded(self.second))

    def fit(self, similarity: np.ndarray) -> None:
        """In two batches."""
        parts = (slice(0, 25), slice(25, PAIRS))
        pair_metric.fit_metric(self.layer, [
            PairBatch(self.batch(self.first[part]), self.batch(self.second[part]), {"similarity": tf.constant(similarity[part])})
            for part in parts
        ])  # fmt: skip


@pytest.fixture
def videos():
    return Videos()


def test_the_regression_is_that_of_all_symmetric_matrices():
    """By ridge regression with the 6 numbers of S: those on the diagonal once, the others by √2, so that ‖S‖² is their sum."""
    random = np.random.default_rng(1)
    first, second = (l2_normalize(side) for side in random.normal(size=(2, 20, DIM)))
    target = random.normal(size=20)
    crossed = (first[:, OFF[0]] * second[:, OFF[1]] + first[:, OFF[1]] * second[:, OFF[0]]) / np.sqrt(2)
    features = np.concatenate([first * second, crossed], axis=1)
    solution = np.linalg.solve(features.T @ features + pair_metric.PENALTY * np.eye(6), features.T @ target)
    expected = np.diag(solution[:DIM])
    expected[OFF] = solution[DIM:] / np.sqrt(2)
    expected = expected + np.triu(expected, 1).T
    np.testing.assert_allclose(pair_metric._ridge(first, second, target), expected, atol=1e-10)


def test_cosines_follow_the_similarity(videos):
    """Similarity is the cosine after the first number is tripled, and a number of other videos follows it better, too."""
    scaled = Videos(seed=2)
    scaled.layer.kernel.assign(np.diag([3.0, 1, 1]))
    others, truth = Videos(seed=2), scaled.cosines()
    before = spearman(others.cosines(), truth)
    tripled = cosine_similarity(videos.first * [3, 1, 1], videos.second * [3, 1, 1])
    videos.fit(tripled)
    others.layer.set_weights(videos.layer.get_weights())
    after = spearman(others.cosines(), truth)
    assert before < 0.9 < after
    kernel = np.asarray(videos.layer.kernel)
    np.testing.assert_allclose(kernel, kernel.T, atol=1e-6)


def test_all_parts_of_the_layer_are_mapped_alike(videos):
    random = np.random.default_rng(3)
    layer = videos.layer
    layer.table.assign(random.normal(size=layer.table.shape))
    layer.bias.assign(random.normal(size=DIM))
    before = videos.embedded(videos.first)
    kernel = np.asarray(layer.kernel)
    videos.fit(videos.cosines() ** 3)
    root = np.linalg.inv(kernel) @ np.asarray(layer.kernel)
    np.testing.assert_allclose(videos.embedded(videos.first), before @ root, atol=1e-5)


@pytest.mark.parametrize("similarity", ["all the same", "falls with the cosine"])
def test_similarity_that_says_nothing_changes_nothing(videos, similarity):
    before = videos.layer.get_weights()
    videos.fit(np.full(PAIRS, 0.5) if similarity == "all the same" else 1 - videos.cosines())
    for weight, old in zip(videos.layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)

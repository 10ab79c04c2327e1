"""The basis of two embeddings side by side."""

import types

import numpy as np
import pytest
import tensorflow as tf
import toys
from scipy.linalg import svd

from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.models.build import build_network
from vsim_tf.models.network import is_random_state
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.schema import VideoBatch
from vsim_tf.training.joint_basis import fit_basis

VIDEOS, DIM = 20, 4


@pytest.fixture(params=[False, True])
def fitted(request):
    """A layer, and embeddings of a network and linear ones, both of unit norm, to which its basis is fitted.

    Once the network scales what the layer makes to unit norm, as those of the 1st place do.
    """
    random = np.random.default_rng(0)
    network = random.normal(size=(VIDEOS, DIM)) * [4, 3, 2, 1]
    layer = LinearEmbedding(LinearConfig(buckets=3, weight=0.5), 5, DIM)
    layer(tf.constant([[1]]), tf.constant([[1]]), tf.zeros((1, 1, VIDEOS)), tf.constant([0]))
    layer.kernel.assign(random.normal(size=layer.kernel.shape))
    numbers = random.permutation(VIDEOS)  # of videos that have one frame each, in which the one of their number is 1
    frames = np.eye(VIDEOS, dtype=np.float32)[numbers, None]
    batches = [
        (tf.constant(numbers[rows]), VideoBatch(None, *np.ones((2, 10, 1), np.int32), frames[rows], np.ones(10, np.int32), {}))
        for rows in (slice(0, 10), slice(10, 20))
    ]

    def embed(_=None) -> Embeddings:
        values = np.asarray(layer.beside(tf.constant(network, tf.float32), tf.constant(np.asarray(layer.kernel))))
        return Embeddings([], l2_normalize(values) if request.param else values)

    fit_basis(layer, types.SimpleNamespace(embed=embed, strategy=None), batches)
    unit = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in (network, np.asarray(layer.kernel))]
    both = np.concatenate([unit[0], 0.5 * unit[1]], axis=1)
    return layer, both @ np.asarray(layer.basis), both


def test_it_is_the_svd_of_both_side_by_side(fitted):
    """By SciPy, up to the signs of singular vectors."""
    layer, embeddings, joint = fitted
    left, values, right = svd(joint, full_matrices=False)
    np.testing.assert_allclose(np.abs(layer.basis), np.abs(right[:DIM].T), atol=1e-5)
    np.testing.assert_allclose(np.abs(embeddings), np.abs(left[:, :DIM] * values[:DIM]), atol=1e-5)


def test_signs_are_no_accident(fitted):
    basis = np.asarray(fitted[0].basis)
    assert (basis[np.abs(basis).argmax(axis=0), np.arange(DIM)] > 0).all()


def test_no_other_basis_keeps_dot_products_as_well(fitted):
    _, embeddings, joint = fitted
    random = np.linalg.qr(np.random.default_rng(1).normal(size=(3 * DIM, DIM)))[0]
    products = joint @ joint.T
    by_basis, by_random = (np.linalg.norm(values @ values.T - products) for values in (embeddings, joint @ random))
    assert by_basis < 0.5 * by_random


def test_embeddings_by_two_replicas_are_those_of_one(two_replicas, tmp_path):
    """The basis is fitted through both, and each has it: Spearman and embeddings do not depend on replicas."""
    config = toys.model("uniter", {"linear": LinearConfig(buckets=11).to_dict()}, dropout=0.0)
    file = toys.write_records(tmp_path / "videos.tfrecords", toys.random_videos(12))
    videos = numbered_batches([file], "videos", toys.batch_format(), 3)
    embeddings = []
    for strategy in (tf.distribute.get_strategy(), two_replicas):
        with strategy.scope():
            network = build_network(config)
        random = np.random.default_rng(0)
        for weight in network.weights:
            if not is_random_state(weight):
                weight.assign(0.5 * random.normal(size=weight.shape))
        embedder = Embedder(network, strategy)
        fit_basis(network.linear, embedder, videos)
        embeddings.append(embedder.embed(videos).values)
    np.testing.assert_allclose(embeddings[1], embeddings[0], rtol=1e-4, atol=1e-5)

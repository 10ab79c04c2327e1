"""Linear embeddings next to scikit-learn's ridge regression."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import Ridge

from vsim_tf.errors import UserError
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.schema import VideoBatch
from vsim_tf.training.linear_start import FRAME_NORM, fit_linear

VIDEOS, VOCABULARY, BUCKETS, FRAME_DIM, TAGS = 40, 6, 13, 4, 5
SPECIAL = [0, 1]


def videos(seed: int = 0, tagged: bool = True) -> VideoBatch:
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 6, VIDEOS)
    return VideoBatch(
        ids=None,
        input_ids=tf.constant(random.integers(1, VOCABULARY, (VIDEOS, 5)).astype(np.int32)),
        attention_mask=tf.constant((np.arange(5) < lengths[:, None]).astype(np.int32)),
        frames=tf.constant(random.normal(size=(VIDEOS, 3, FRAME_DIM)).astype(np.float16)),
        num_frames=tf.constant(random.integers(1, 4, VIDEOS).astype(np.int32)),
        targets={"tags": tf.constant((random.random((VIDEOS, TAGS)) < 0.4 * tagged).astype(np.int8))},
    )


def inputs(batch: VideoBatch):
    return batch.input_ids, batch.attention_mask, batch.frames, batch.num_frames


def fitted(dim: int, batch: VideoBatch, **settings) -> tuple[LinearEmbedding, np.ndarray]:
    """The layer and its singular values."""
    layer = LinearEmbedding(LinearConfig(buckets=BUCKETS, multiple=1, **settings), VOCABULARY, dim)
    layer(*inputs(batch))
    rows = [tf.nest.map_structure(lambda values, part=part: values[part], batch._replace(ids=tf.zeros(VIDEOS))) for part in PARTS]
    return layer, fit_linear(layer, rows, SPECIAL)


PARTS = slice(0, 25), slice(25, VIDEOS)


def features(batch: VideoBatch, idf: np.ndarray) -> np.ndarray:
    """TF-IDF of tokens and hashed pairs, and the mean frame, of each video by loops."""
    rows = []
    for ids, mask, frames, count in zip(*(each.numpy() for each in inputs(batch)), strict=True):
        tokens = ids[mask > 0].tolist()
        pairs = [VOCABULARY + (a % BUCKETS * 7919 + b) % BUCKETS for a, b in itertools.pairwise(tokens)]
        title = np.zeros(VOCABULARY + BUCKETS)
        np.add.at(title, tokens + pairs, idf[tokens + pairs])
        norm = np.sqrt(sum(idf[term] ** 2 for term in tokens + pairs))
        rows.append(np.concatenate([title / max(norm, 1e-12), frames[:count].astype(np.float64).mean(axis=0)]))
    return np.array(rows)


@pytest.mark.parametrize("penalty", [1.0, 10.0])
def test_cosines_are_those_of_predicted_tags(penalty):
    seen, new = videos(), videos(seed=1)
    layer, values = fitted(TAGS + 3, seen, penalty=penalty)  # more dimensions than tags: the last three are 0
    idf = np.asarray(layer.idf, np.float64)
    train, test = features(seen, idf), features(new, idf)
    means, deviations = train[:, -FRAME_DIM:].mean(axis=0), train[:, -FRAME_DIM:].std(axis=0)
    for rows in (train, test):
        rows[:, -FRAME_DIM:] = (rows[:, -FRAME_DIM:] - means) / deviations * FRAME_NORM / np.sqrt(FRAME_DIM)
    tags = seen.targets["tags"].numpy().astype(float)
    ridge = Ridge(penalty).fit(train, tags)
    predicted = ridge.predict(test) - tags.mean(axis=0)
    found = np.asarray(layer(*inputs(new)), np.float64)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), np.linalg.norm(predicted, axis=1), rtol=1e-3)
    np.testing.assert_allclose(
        cosine_similarity(found[:-1], found[1:]), cosine_similarity(predicted[:-1], predicted[1:]), atol=1e-3
    )
    np.testing.assert_allclose(found[:, TAGS:], 0, atol=1e-6)
    expected = np.linalg.svd(ridge.predict(train) - tags.mean(axis=0), compute_uv=False)
    np.testing.assert_allclose(values, [*expected, 0, 0, 0], rtol=1e-4)


def test_inverse_document_frequencies():
    """log((1 + 40) / (1 + n)) + 1 of a token that n of 40 videos have; none of special and of unseen ones."""
    batch = videos()
    idf = np.asarray(fitted(2, batch)[0].idf)
    ids = np.where(batch.attention_mask, batch.input_ids, -1)
    for token in range(VOCABULARY):
        having = (ids == token).any(axis=1).sum()
        assert idf[token] == pytest.approx(np.log(41 / (1 + having)) + 1 if having and token not in SPECIAL else 0)


def test_without_any_tag_there_is_nothing_to_fit_to():
    with pytest.raises(UserError, match="no training video has a known tag"):
        fitted(2, videos(tagged=False))

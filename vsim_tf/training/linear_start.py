"""Weights of a linear embedding by ridge regression from title and mean frame to tags."""

import logging
import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from scipy import sparse

from vsim_tf.errors import UserError
from vsim_tf.layers.linear_embedding import LinearEmbedding, mean_frame
from vsim_tf.records.schema import VideoBatch

TITLE_COMPONENTS = 600
"""Dimensions of the titles' TF-IDF behind its truncated SVD."""
FRAME_NORM = 0.8
"""Root of the mean squared norm of the standardised mean frame; that of the title's TF-IDF is 1."""
NO_VARIANCE = 1e-6
"""Singular values up to this part of the largest one are rounding."""
MAX_VIDEOS = 100_000
"""Training videos that are read at most, evenly spread: 100,000 with 1536 numbers a frame take 1.2 GB."""

logger = logging.getLogger(__name__)


class Videos(NamedTuple):
    """Training videos as the regression sees them.

    Attributes:
        terms: rows of the terms of all titles, one after the other, `[occurrences]` int32.
        video: number of the video that each of them is of, `[occurrences]` int64.
        means: mean frames, `[videos, dim]` float32.
        tags: multi-hot, `[videos, tags]` sparse.
    """

    terms: np.ndarray
    video: np.ndarray
    means: np.ndarray
    tags: sparse.csr_array


def fit_linear(layer: LinearEmbedding, batches: Iterable[VideoBatch], without: Iterable[int]) -> np.ndarray:
    """Fits the layer's weights to tagged videos.

    Titles are TF-IDF vectors of unit norm, reduced to 600 dimensions by a truncated SVD; mean frames are standardised. With
    both as centred features Z and tags Y, W = (ZᵀZ + penalty·I)⁻¹·ZᵀY. With the singular value decomposition Z·W = U·Σ·Vᵀ, the
    cosine of predicted tags Z·W is that of Z·W·V = U·Σ, of which the layer has the first `dim` columns.

    Args:
        layer: built.
        batches: of the training videos.
        without: tokens that are no terms: special ones.

    Returns:
        The singular values Σ, `[dim]`; 0 behind the last one.

    Raises:
        UserError: no video has a known tag.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.preprocessing import StandardScaler

    videos = _read(layer, batches)
    if not videos.tags.nnz:
        raise UserError("model.linear: no training video has a known tag, to which it is fitted; leave it out", ["model.linear"])
    idf = _idf(videos, layer.rows, without)
    titles = _tf_idf(videos, idf)
    components = min(TITLE_COMPONENTS, *(size - 1 for size in titles.shape))
    reduced = TruncatedSVD(components, random_state=0)
    scaler = StandardScaler().fit(videos.means)
    scale = FRAME_NORM / math.sqrt(videos.means.shape[1]) / scaler.scale_
    features = np.concatenate([reduced.fit_transform(titles), (videos.means - scaler.mean_) * scale], axis=1).astype(np.float64)
    centre, basis, values = _solve(features, videos.tags, layer.config.penalty, layer.dim)
    layer.idf.assign(idf)
    layer.table.assign(reduced.components_.T @ basis[:components])
    layer.centre.assign(scaler.mean_)
    layer.kernel.assign(scale[:, None] * basis[components:])
    layer.bias.assign(-centre @ basis)
    logger.info(
        f"the linear embedding is fitted to {videos.tags.shape[1]:,} tags of {videos.tags.shape[0]:,} videos"
        f" with {np.count_nonzero(idf):,} terms"
    )
    return values


def embedded(layer: LinearEmbedding, videos: VideoBatch) -> np.ndarray:
    """Linear embeddings of a batch, `[batch, layer.dim]` float32."""
    return np.asarray(layer(videos.input_ids, videos.attention_mask, videos.frames, videos.num_frames))


def _read(layer: LinearEmbedding, batches: Iterable[VideoBatch]) -> Videos:
    terms, counts, means, tags = [], [], [], []
    for batch in batches:
        of_batch, present = (np.asarray(each) for each in layer.terms(batch.input_ids, batch.attention_mask))
        terms.append(of_batch[present > 0])
        counts.append((present > 0).sum(axis=1))
        means.append(np.asarray(mean_frame(batch.frames, batch.num_frames)))
        tags.append(sparse.csr_array(np.asarray(batch.targets["tags"]) > 0, dtype=np.float64))
    lengths = np.concatenate(counts)
    video = np.repeat(np.arange(len(lengths)), lengths)
    return Videos(np.concatenate(terms), video, np.concatenate(means), sparse.vstack(tags, format="csr"))


def _idf(videos: Videos, rows: int, without: Iterable[int]) -> np.ndarray:
    """log((1 + videos) / (1 + videos with the term)) + 1, `[rows]` float32; 0 of terms that no video has."""
    seen = np.unique(np.stack([videos.video, videos.terms]), axis=1)[1]
    frequency = np.bincount(seen, minlength=rows)
    idf = np.where(frequency, np.log((1 + len(videos.means)) / (1 + frequency)) + 1, 0)
    idf[list(without)] = 0
    return idf.astype(np.float32)


def _tf_idf(videos: Videos, idf: np.ndarray) -> sparse.csr_array:
    """Weights of the terms of each title as the layer has them, `[videos, rows]`."""
    weights = idf[videos.terms].astype(np.float64)
    norms = np.sqrt(np.bincount(videos.video, weights**2, minlength=len(videos.means)))
    values = np.divide(weights, norms[videos.video], out=np.zeros_like(weights), where=weights > 0)
    return sparse.csr_array((values, (videos.video, videos.terms)), shape=(len(videos.means), len(idf)))


def _solve(features: np.ndarray, tags: sparse.csr_array, penalty: float, dim: int) -> tuple[np.ndarray, ...]:
    """Means of the features, `[features]`, W·V, `[features, dim]`, and Σ, `[dim]`; see `fit_linear`."""
    from scipy.linalg import solve

    centre = features.mean(axis=0)
    centred = features - centre
    gram = centred.T @ centred
    weights = solve(gram + penalty * np.eye(len(gram)), (tags.T @ centred).T, assume_a="pos")
    # Z·W has the right singular vectors of R·W, where ZᵀZ = RᵀR
    squares, vectors = np.linalg.eigh(gram)
    root = np.sqrt(np.maximum(squares, 0))[:, None] * vectors.T
    _, values, right = np.linalg.svd(root @ weights, full_matrices=False)
    kept = min(dim, int(np.count_nonzero(values > NO_VARIANCE * values[0])))
    behind = ((0, 0), (0, dim - kept))
    return centre, np.pad(weights @ right[:kept].T, behind), np.pad(values[:kept], behind[1])

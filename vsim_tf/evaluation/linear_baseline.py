"""A linear model of the tags: what training the networks is to be compared with. It sees no labelled pair."""

import logging
import math
from collections.abc import Sequence

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.preprocessing import MultiLabelBinarizer, StandardScaler

from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_rows, spearman
from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.linear_model import TERM_OPTIONS, LinearModel
from vsim_tf.records.labels import Pair

TAG_BASELINE = "ridge to tags"
MAX_VIDEOS = 100_000
"""Training videos that are read at most: 100,000 with 1536 numbers a frame take about 2 GB."""
MAX_TERMS = 3000
"""Characters and pairs of neighbours that are counted, the most frequent ones: matrices grow with their square."""
ALPHA = 1.0
"""Ridge penalty of the baseline: scikit-learn's default, not tuned."""
FRAME_NORM = 0.8
"""Root of the mean squared norm of the scaled mean frame; that of the title's TF-IDF is 1."""
PAIRS_AT_ONCE = 512

logger = logging.getLogger(__name__)


def ridge_spearman(
    videos: RawVideos, pairs: Sequence[Pair], training_files: Sequence[str], tags: np.ndarray, max_videos: int = MAX_VIDEOS
) -> float:
    """Returns the Spearman of the cosine of two videos' predicted tags with the pairs' similarity.

    Args:
        videos: the test set.
        pairs: its labelled pairs.
        training_files: TFRecord files of videos with tags.
        tags: known tags, ascending, `[tags]` int64.
        max_videos: training videos that are read at most, evenly spread over the files.

    Raises:
        UserError: no training video has a known tag.
        RecordError: a damaged file, or a record that cannot be used.
    """
    training = sample_raw_videos(training_files, videos.mean_frames.shape[1], max_videos)
    if len(training.ids) == max_videos:
        logger.info(f"baseline {TAG_BASELINE!r}: fitted to {max_videos:,} training videos, the most that are read")
    ridge = TagRidge(training, tags)
    titles, frames = ridge.features(videos)
    first, second, similarity = pair_rows(videos.ids, pairs)
    cosines = [np.zeros(0)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        parts = (rows[start : start + PAIRS_AT_ONCE] for rows in (first, second))
        cosines.append(cosine_similarity(*(ridge.predict(titles[rows], frames[rows]) for rows in parts)))
    return spearman(np.concatenate(cosines), similarity)


class TagRidge:
    """Ridge regression from title and mean frame to multi-hot tags.

    Features are the TF-IDF of the title's characters and pairs of neighbours, and the standardised mean frame. With centred
    features X and tags Y the weights are W = (X^T X + alpha I)^-1 X^T Y. They are computed from X^T X and X^T Y, where titles and
    tags are sparse; scikit-learn's Ridge would hold 10,000 tags of every video.

    Args:
        videos: training videos.
        tags: known tags, ascending, `[tags]` int64.
        alpha: penalty.

    Raises:
        UserError: no video has a known tag.
    """

    def __init__(self, videos: RawVideos, tags: np.ndarray, alpha: float = ALPHA):
        from scipy.linalg import solve

        self._terms = _fit_terms(videos.titles)
        self._scaler = StandardScaler().fit(videos.mean_frames)
        titles, frames = self.features(videos)
        targets = multi_hot(videos.tags, tags)
        gram, mean = centred_gram(titles, frames)
        moments = np.concatenate([(titles.T @ targets).toarray(), (targets.T @ frames).T]).astype(np.float64)
        moments -= np.outer(mean, targets.sum(axis=0))
        gram[np.diag_indices_from(gram)] += alpha
        self._weights = solve(gram, moments, assume_a="pos", overwrite_a=True, overwrite_b=True)
        self._offset = mean @ self._weights

    def features(self, videos: RawVideos) -> tuple[sparse.csr_array, np.ndarray]:
        """TF-IDF of the titles, `[videos, terms]`, and scaled mean frames, `[videos, dim]` float32."""
        frames = self._scaler.transform(videos.mean_frames)
        titles = self._terms.transform(videos.titles) if self._terms else np.zeros((len(frames), 0), np.float32)
        return sparse.csr_array(titles), frames * np.float32(FRAME_NORM / math.sqrt(frames.shape[1]))

    def predict(self, titles: sparse.csr_array, frames: np.ndarray) -> np.ndarray:
        """Predicted tags, less those of the mean video, `[videos, tags]`: what all videos share tells no pair from another."""
        terms = titles.shape[1]
        deviation: np.ndarray = titles @ self._weights[:terms] + frames @ self._weights[terms:] - self._offset
        return deviation

    def tag_basis(self, videos: RawVideos, dim: int) -> tuple[np.ndarray, float]:
        """Directions in the space of tags that hold most of the predictions: their first right singular vectors.

        Args:
            videos: the training videos.
            dim: how many are wanted.

        Returns:
            Orthonormal columns, `[tags, dim or fewer]`, and the share of the predictions' squares that they hold.
        """
        from scipy.linalg import eigh, qr

        gram, _ = centred_gram(*self.features(videos))
        features, tags = self._weights.shape
        span = qr(self._weights.T, mode="economic")[0] if tags > features else np.eye(tags)  # all predictions are in it
        inside = self._weights @ span
        squares = inside.T @ gram @ inside
        size = len(squares)
        values, vectors = eigh(squares, subset_by_index=[max(size - dim, 0), size - 1])
        largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0, keepdims=True), axis=0)
        basis: np.ndarray = span @ (vectors * np.where(largest < 0, -1.0, 1.0))[:, ::-1]
        return basis, float(values.sum() / max(np.trace(squares), np.finfo(float).tiny))

    def projected(self, basis: np.ndarray) -> LinearModel:
        """The model whose embeddings are predicted tags times a matrix, `[tags, dim]`."""
        frame_dim = len(self._scaler.mean_)
        scale = FRAME_NORM / math.sqrt(frame_dim) / self._scaler.scale_
        terms = tuple(self._terms.get_feature_names_out().tolist()) if self._terms else ()
        idf = self._terms.idf_ if self._terms else np.zeros(0)
        numbers = (idf, self._scaler.mean_, scale, self._weights @ basis, self._offset @ basis)
        return LinearModel(terms, *(np.asarray(values, np.float32) for values in numbers))


def centred_gram(titles: sparse.csr_array, frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """X^T X of centred features, `[features, features]` float64, and their mean, `[features]`."""
    cross = titles.T @ frames
    gram = np.block([[(titles.T @ titles).toarray(), cross], [cross.T, frames.T @ frames]]).astype(np.float64)
    mean = np.concatenate([np.asarray(titles.mean(axis=0)).ravel(), frames.mean(axis=0)])
    gram -= len(frames) * np.outer(mean, mean)
    return gram, mean


def _fit_terms(titles: Sequence[str]) -> TfidfVectorizer | None:
    """None where there is no text."""
    if not any(title.strip() for title in titles):
        return None
    return TfidfVectorizer(vocabulary=_frequent_terms(CountVectorizer(**TERM_OPTIONS), titles), **TERM_OPTIONS).fit(titles)


def _frequent_terms(counter: CountVectorizer, titles: Sequence[str]) -> list[str]:
    """The most frequent terms, of equally frequent ones those that come first; `max_features` takes some by processor."""
    counts = counter.fit_transform(titles).sum(axis=0).A1
    chosen = np.argsort(-counts, kind="stable")[:MAX_TERMS]
    terms: list[str] = counter.get_feature_names_out()[np.sort(chosen)].tolist()
    return terms


def multi_hot(videos: Sequence[Sequence[int]], tags: np.ndarray) -> sparse.csr_array:
    """Multi-hot tags of videos, unknown ones dropped, `[videos, tags]` float32.

    Raises:
        UserError: no video has a known tag.
    """
    known = set(tags.tolist())
    rows = [[tag for tag in video if tag in known] for video in videos]
    if not any(rows):
        raise UserError(f"none of {len(rows)} training videos has a tag of tag_list.txt")
    return sparse.csr_array(MultiLabelBinarizer(classes=tags, sparse_output=True).fit_transform(rows), dtype=np.float32)

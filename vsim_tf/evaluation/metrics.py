"""Scores in numpy: of embeddings by Spearman against human similarity scores, of tags by micro precision, recall and F1."""

import logging
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.cosine import l2_normalize as l2_normalize  # for those who look for it here
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.ranks import rank_normalized

logger = logging.getLogger(__name__)


def spearman(prediction: np.ndarray, target: np.ndarray) -> float:
    """Returns the rank correlation of two `[n]` arrays, ties by mean rank (scipy's `spearmanr`, the contest's score).

    It is nan, with a warning, where it is not defined: fewer than two pairs, a constant side, or a nan among the values. A caller
    that looks for the best score treats nan as never best.
    """
    from scipy.stats import spearmanr

    prediction, target = _both(prediction, target)
    if _is_defined("Spearman", prediction, target):
        return float(spearmanr(prediction, target).statistic)
    return math.nan


def pearson(prediction: np.ndarray, target: np.ndarray) -> float:
    """Returns the linear correlation of two `[n]` arrays (scipy's `pearsonr`); nan, with a warning, as in `spearman`."""
    from scipy.stats import pearsonr

    prediction, target = _both(prediction, target)
    return float(pearsonr(prediction, target).statistic) if _is_defined("Pearson", prediction, target) else math.nan


def _both(prediction: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    prediction, target = np.asarray(prediction, np.float64), np.asarray(target, np.float64)
    if prediction.shape != target.shape or prediction.ndim != 1:
        raise ValueError(f"shapes {prediction.shape} and {target.shape}; expected two equal [n]")
    return prediction, target


def _is_defined(name: str, prediction: np.ndarray, target: np.ndarray) -> bool:
    if reason := _undefined(prediction) or _undefined(target):
        logger.warning("%s of %d pairs is not defined: %s", name, len(target), reason)
    return not reason


def _undefined(side: np.ndarray) -> str:
    if len(side) < 2:
        return "at least two are needed"
    if np.isnan(side).any():
        return "a value is nan"
    return f"all values of one side are {side[0]:g}" if (side == side[0]).all() else ""


def pair_rows(ids: Sequence[str], pairs: Sequence[Pair]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns for each pair the position of both videos in `ids`, `[pairs]` int64 each, and the similarity, `[pairs]`.

    Raises:
        UserError: an id of a pair is not in `ids`; with the count and the first five.
    """
    rows = {video: row for row, video in enumerate(ids)}
    missing = list(dict.fromkeys(video for pair in pairs for video in pair[:2] if video not in rows))
    if missing:
        raise UserError(f"ids of labelled pairs that have no embedding or record: {count_and_first(missing)}")
    first = np.array([rows[pair.id_1] for pair in pairs], dtype=np.int64)
    second = np.array([rows[pair.id_2] for pair in pairs], dtype=np.int64)
    return first, second, np.array([pair.similarity for pair in pairs], dtype=np.float64)


class PairScores(NamedTuple):
    """Scores of labelled pairs.

    Attributes:
        spearman: rank correlation of cosine and similarity; nan as in `spearman`.
        rank_error: see `rank_error`.
    """

    spearman: float
    rank_error: float


UNDEFINED = PairScores(math.nan, math.nan)
"""The scores of what has no labelled pairs."""


def pair_scores(embeddings: Embeddings, pairs: Sequence[Pair]) -> PairScores:
    """Returns the scores of the cosines of the pairs' embeddings against the pairs' similarities.

    Raises:
        UserError: an id of a pair has no embedding; with the count and the first five.
    """
    first, second, similarity = pair_rows(embeddings.ids, pairs)
    return cosine_scores(cosine_similarity(embeddings.values[first], embeddings.values[second]), similarity)


def cosine_scores(cosine: np.ndarray, similarity: np.ndarray) -> PairScores:
    """Returns the scores of cosines against similarities, `[pairs]` each."""
    return PairScores(spearman(cosine, similarity), rank_error(cosine, similarity))


def pair_spearman(embeddings: Embeddings, pairs: Sequence[Pair]) -> float:
    """Returns the Spearman of `pair_scores` alone."""
    return pair_scores(embeddings, pairs).spearman


def rank_error(cosine: np.ndarray, similarity: np.ndarray) -> float:
    """Returns the mean squared error of cosines to rank-normalised similarities (docs/facts_rank1.md 7), `[pairs]` each.

    It is nan where all similarities are the same, and without pairs.
    """
    target = rank_normalized(similarity)
    return float(np.mean((cosine - target) ** 2)) if len(target) else math.nan


class TagCounts(NamedTuple):
    """Counts over all videos and tags of a batch: predicted and true, predicted, true."""

    hits: int
    predicted: int
    actual: int


def tag_counts(probabilities: np.ndarray, tags: np.ndarray, threshold: float = 0.5) -> TagCounts:
    """Counts the tags of a batch whose probability exceeds the threshold.

    Args:
        probabilities: `[batch, tags]`.
        tags: multi-hot, `[batch, tags]`.
        threshold: a tag is predicted above it.
    """
    predicted, actual = np.asarray(probabilities) > threshold, np.asarray(tags) > 0
    return TagCounts(int((predicted & actual).sum()), int(predicted.sum()), int(actual.sum()))


def tag_metrics(batches: Iterable[TagCounts]) -> dict[str, float]:
    """Returns micro `precision`, `recall` and `f1` over the counts of all batches; 0 where their divisor is 0.

    precision = hits / predicted, recall = hits / actual, f1 = 2 hits / (predicted + actual).
    """
    hits, predicted, actual = (sum(counts) for counts in zip(TagCounts(0, 0, 0), *batches, strict=True))
    return {
        "precision": hits / max(predicted, 1),
        "recall": hits / max(actual, 1),
        "f1": 2 * hits / max(predicted + actual, 1),
    }

"""Scores of what one would try before training anything: raw frame features, and the characters of the titles."""

import math
from collections.abc import Sequence

import numpy as np

from vsim_tf.evaluation.metrics import pair_rows, spearman
from vsim_tf.evaluation.raw_videos import RawVideos
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.records.labels import Pair

FRAME_BASELINE = "mean frame cosine"
TITLE_BASELINE = "character TF-IDF cosine"


def baseline_scores(videos: RawVideos, pairs: Sequence[Pair]) -> dict[str, float]:
    """Returns the Spearman of each baseline on a labelled test set: name -> score, nan as in `metrics.spearman`.

    Args:
        videos: the test set.
        pairs: its labelled pairs.

    Raises:
        UserError: a video of a pair is missing.
    """
    return {
        FRAME_BASELINE: mean_frame_spearman(videos, pairs),
        TITLE_BASELINE: title_spearman(videos, pairs),
    }


def mean_frame_spearman(videos: RawVideos, pairs: Sequence[Pair]) -> float:
    """Returns the Spearman of the cosine of two videos' mean frame features with the pairs' similarity."""
    first, second, similarity = pair_rows(videos.ids, pairs)
    return spearman(cosine_similarity(videos.mean_frames[first], videos.mean_frames[second]), similarity)


def title_spearman(videos: RawVideos, pairs: Sequence[Pair]) -> float:
    """Returns the Spearman of the cosine of two titles' character TF-IDF with the pairs' similarity.

    Terms are single characters and pairs of neighbours (1- and 2-grams); document frequencies come from the titles of
    this test set and nothing else. nan where all titles are empty.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    first, second, similarity = pair_rows(videos.ids, pairs)
    if not any(title.strip() for title in videos.titles):
        return math.nan
    rows = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(videos.titles)
    cosine = rows[first].multiply(rows[second]).sum(axis=1)
    return spearman(np.asarray(cosine).ravel(), similarity)

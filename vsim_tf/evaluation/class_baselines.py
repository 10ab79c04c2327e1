"""What one would try before training a network: the most frequent class, and logistic regression."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from scipy import sparse

from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1, score_categories
from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.records.predictions import Predictions

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

MAJORITY, TEXT, FRAMES = "majority class", "text", "mean frame"
BOTH = f"{TEXT} and {FRAMES}"
INVERSE_PENALTIES = {TEXT: 300.0, FRAMES: 30.0, BOTH: 30.0}
"""C of each logistic regression: fixed, as chosen on real short videos in folds that share no subject."""
MAX_VIDEOS = 10_000
"""Training videos that are fitted to at most: time grows with them, and memory with terms times classes."""
MAX_TERMS = 20_000
"""Most frequent ones that are counted."""
MAX_STEPS = 1000

Matrix: TypeAlias = np.ndarray | sparse.csr_array
"""Rows of features."""

logger = logging.getLogger(__name__)


class BaselineVideos(NamedTuple):
    """What the baselines see of videos.

    Attributes:
        ids: of the videos.
        texts: all texts of each video, with a blank between its fields.
        mean_frames: mean of each video's frame features, zero for a video without frames, `[videos, dim]`.
    """

    ids: Sequence[str]
    texts: Sequence[str]
    mean_frames: np.ndarray

    def rows(self, rows: np.ndarray) -> "BaselineVideos":
        """Some of the videos."""
        return BaselineVideos([self.ids[row] for row in rows], [self.texts[row] for row in rows], self.mean_frames[rows])


def class_baselines(
    training: BaselineVideos, categories: Sequence[str], test: BaselineVideos, labels: Mapping[str, str]
) -> dict[str, HierarchicalF1]:
    """Returns the scores of each baseline on a labelled test set: name -> score.

    The features of logistic regression are the TF-IDF of single, double and triple characters, with 1 + log of their counts, and
    the mean frame, each of unit norm; together they stand next to each other.

    Args:
        training: labelled videos; evenly spread ones where they are more than `MAX_VIDEOS`.
        categories: their classes of level 2.
        test: the test set.
        labels: class of level 2 of each of its videos, by id.

    Raises:
        UserError: the labels are those of other videos.
    """
    training, categories = _spread(training, categories)
    majority = Counter(categories).most_common(1)[0][0]
    scores = {MAJORITY: score_categories(dict.fromkeys(test.ids, majority), labels, "the test set")}
    if len(set(categories)) > 1:
        for name, (fitted, applied) in _features(training, test).items():
            predicted = _logistic(fitted, categories, INVERSE_PENALTIES[name]).predict(applied).tolist()
            scores[name] = score_categories(dict(zip(test.ids, predicted, strict=True)), labels, "the test set")
    return scores


def linear_predictions(
    training: BaselineVideos, categories: Sequence[str], tests: Mapping[str, BaselineVideos]
) -> dict[str, Predictions]:
    """Logistic regression as a member of an ensemble: logarithms of its probabilities for each test set, by name.

    Its features are those of the last baseline of `class_baselines`, which also says what the arguments are.
    """
    training, categories = _spread(training, categories)
    name, (fitted, *applied) = list(_features(training, *tests.values()).items())[-1]
    model = _logistic(fitted, categories, INVERSE_PENALTIES[name])
    classes = tuple(model.classes_.tolist())
    return {
        test: Predictions(list(videos.ids), classes, np.log(np.maximum(model.predict_proba(features), np.finfo("f4").tiny)))
        for (test, videos), features in zip(tests.items(), applied, strict=True)
    }


def _spread(training: BaselineVideos, categories: Sequence[str]) -> tuple[BaselineVideos, Sequence[str]]:
    """At most `MAX_VIDEOS` of the videos, and their classes."""
    if len(training.ids) <= MAX_VIDEOS:
        return training, categories
    logger.info(f"logistic regression: fitted to {MAX_VIDEOS:,} of {len(training.ids):,} training videos")
    rows = np.linspace(0, len(training.ids) - 1, MAX_VIDEOS).astype(int)
    return training.rows(rows), [categories[row] for row in rows]


def _features(*videos: BaselineVideos) -> dict[str, list[Matrix]]:
    """Features of videos, `[videos, features]` each, by the baseline's name; without text, the frames alone.

    The terms are those of the first ones, the training videos.
    """
    training = videos[0]
    frames: list[Matrix] = [l2_normalize(part.mean_frames) for part in videos]
    terms = _fit_terms(training.texts)
    if terms is None:
        return {FRAMES: frames}
    texts: list[Matrix] = [sparse.csr_array(terms.transform(part.texts)) for part in videos]
    both = [sparse.hstack(parts, format="csr") for parts in zip(texts, frames, strict=True)]
    return {TEXT: texts, FRAMES: frames, BOTH: both}


def _fit_terms(texts: Sequence[str]) -> "TfidfVectorizer | None":
    """Terms that at least two videos have; None where there are none."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    terms = TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, max_features=MAX_TERMS, sublinear_tf=True)
    try:
        return terms.fit(texts)
    except ValueError:  # as scikit-learn says that no term is left
        return None


def _logistic(training: Matrix, categories: Sequence[str], inverse_penalty: float) -> "LogisticRegression":
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=inverse_penalty, max_iter=MAX_STEPS).fit(training, categories)

"""Measurements of a model on labelled videos, as values: made of labels once, called with any model."""

import dataclasses
import os
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.evaluation.hierarchical_f1 import score_categories
from vsim_tf.evaluation.metrics import pair_rows, pearson, spearman
from vsim_tf.evaluation.retrieval import ranks_of_relevant, retrieval_scores
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.given import Given, ids_of, is_path
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.embeddings import Embeddings, check_ids
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

Embedded: TypeAlias = "Model | Embeddings | np.ndarray"
"""A model, embeddings with their ids, or embeddings of an evaluator's videos in their order, `[videos, dim]`."""


@dataclasses.dataclass(frozen=True)
class SimilarityEvaluator:
    """Correlation of the cosines of pairs with human similarity scores.

    Called with a model or embeddings, it returns `spearman`, the contest's score, and `pearson`; NaN where they are not defined.

    Args:
        pairs: id, id and similarity of each pair, or a `label.tsv` with them.
        videos: with ids, in any form that `Model.encode` takes; not needed for embeddings with ids.

    Raises:
        UserError: when called: labels or videos that cannot be read, or an id of a pair that no video has.
    """

    pairs: Sequence[Pair | tuple[str, str, float]] | PathLike
    videos: Given | None = None

    def __call__(self, model: Embedded) -> dict[str, float]:
        pairs = read_labels(self.pairs) if isinstance(self.pairs, str | os.PathLike) else [Pair(*pair) for pair in self.pairs]
        embeddings = _embeddings(model, self.videos)
        first, second, similarity = pair_rows(embeddings.ids, pairs)
        cosines = cosine_similarity(embeddings.values[first], embeddings.values[second])
        return {"spearman": spearman(cosines, similarity), "pearson": pearson(cosines, similarity)}


@dataclasses.dataclass(frozen=True)
class RetrievalEvaluator:
    """How well the videos that belong to a video are found by falling cosine among all others.

    Called with a model or embeddings, it returns `recall@k`, the share of the relevant videos among the first k, and
    `mean_average_precision`: of one query the mean of r / rank over its relevant videos, where r counts those up to this
    rank. Both are means over queries. Equal cosines keep the order of the videos.

    Args:
        relevant: ids of the videos that are to be found, for the id of each query; at least one that is not the query itself.
        videos: all that are searched, and the queries; see `SimilarityEvaluator`.
        at: the values of k.

    Raises:
        UserError: when called: nothing is relevant to a query, an id that no video has, or videos that cannot be read.
    """

    relevant: Mapping[str, Collection[str]]
    videos: Given | None = None
    at: Sequence[int] = (1, 5, 10)

    def __call__(self, model: Embedded) -> dict[str, float]:
        return retrieval_scores(ranks_of_relevant(_embeddings(model, self.videos), self.relevant), self.at)


@dataclasses.dataclass(frozen=True)
class ClassificationEvaluator:
    """F1 of predicted classes at both levels (docs/facts_rank8.md 9).

    Called with a classifier, or with the predicted class of each video by its id, it returns `mean_f1`, the contest's score, and
    its four parts, `level1_micro` to `level2_macro`.

    Args:
        categories: true class of each video by its id, four digits, or a file of `id<tab>category_id` lines.
        videos: those and no others; see `SimilarityEvaluator`; not needed for predictions.

    Raises:
        UserError: when called: other videos than have a class, a model that is no classifier, or files that cannot be read.
    """

    categories: Mapping[str, str] | PathLike
    videos: Given | None = None

    def __call__(self, model: "Model | Mapping[str, str]") -> dict[str, float]:
        known = self.categories if isinstance(self.categories, Mapping) else read_categories(self.categories)
        if isinstance(model, Mapping):
            predicted = model
        else:
            ids = _ids(self.videos)
            predicted = dict(zip(ids, model.predict(self.videos).categories, strict=True))
        scores = score_categories(predicted, known, "the predictions")
        return {"mean_f1": scores.mean} | scores._asdict()


def _embeddings(model: Embedded, videos: Given | None) -> Embeddings:
    if isinstance(model, Embeddings):
        return model
    ids = _ids(videos)
    values = np.asarray(model) if hasattr(model, "__len__") else model.encode(videos)
    if values.ndim != 2 or len(values) != len(ids):
        raise UserError(f"embeddings of the shape {list(values.shape)} for {len(ids)} videos; accepted is a row for each")
    return Embeddings(ids, values)


def _ids(videos: Given | None) -> list[str]:
    if videos is None:
        raise UserError("the evaluator has no videos; give it those of its labels, videos=...")
    ids = ids_of(videos)
    check_ids(ids, videos if is_path(videos) else "videos")
    return ids

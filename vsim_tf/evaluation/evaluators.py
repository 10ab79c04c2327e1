"""Measurements while a model trains: metrics of a model as it is, by name."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np

from vsim_tf.evaluation.metrics import TagCounts, pair_spearman, spearman, tag_counts, tag_metrics
from vsim_tf.inference.embedder import Embedder
from vsim_tf.records.labels import Pair
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.types import Tensor


@dataclasses.dataclass(frozen=True)
class PairEvaluator:
    """Spearman and mean squared error of the predicted similarity of labelled pairs.

    Args:
        embedder: the model.
        batches: of pairs, with their numbers (`input.pipeline.numbered_batches`).
    """

    embedder: Embedder
    batches: Iterable[tuple[Tensor, PairBatch]]

    def __call__(self) -> dict[str, float]:
        predicted, target = self.embedder.similarities(self.batches)
        return {"spearman": spearman(predicted, target), "mse": float(np.mean((predicted - target) ** 2))}


@dataclasses.dataclass(frozen=True)
class VideoEvaluator:
    """Spearman of labelled pairs of videos; precision, recall and F1 of the videos' tags (docs/facts.md 4.4).

    Args:
        embedder: the model.
        batches: of videos, with their numbers.
        pairs: labelled pairs among the videos.
    """

    embedder: Embedder
    batches: Iterable[tuple[Tensor, VideoBatch]]
    pairs: Sequence[Pair]

    def __call__(self) -> dict[str, float]:
        embeddings, counts = self.embedder.embed_and_count(self.batches, tag_counts)
        return {"spearman": pair_spearman(embeddings, self.pairs)} | tag_metrics(TagCounts(*row) for row in counts.tolist())

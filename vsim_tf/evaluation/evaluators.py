"""Measurements while a model trains: metrics of a model as it is, by name."""

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from scipy.special import log_softmax

from vsim_tf.evaluation.hierarchical_f1 import hierarchical_f1
from vsim_tf.evaluation.metrics import TagCounts, pair_spearman, spearman, tag_counts, tag_metrics
from vsim_tf.inference.embedder import Embedder
from vsim_tf.inference.predictor import Predictor
from vsim_tf.records.classes import ClassTable
from vsim_tf.records.labels import Pair
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.types import Tensor


@dataclasses.dataclass(frozen=True)
class PairEvaluator:
    """Spearman and mean squared error of the predicted similarity of labelled pairs.

    `spearman_64` is that by the first 64 numbers of the embeddings, for each of the embedder's `dims`.

    Args:
        embedder: the model.
        batches: of pairs, with their numbers (`input.pipeline.numbered_batches`).
    """

    embedder: Embedder
    batches: Iterable[tuple[Tensor, PairBatch]]

    def __call__(self) -> dict[str, float]:
        of_dims, target = self.embedder.similarities_by_dims(self.batches)
        predicted, sizes = of_dims[:, -1], enumerate(self.embedder.dims)
        scores = {"spearman": spearman(predicted, target), "mse": float(np.mean((predicted - target) ** 2))}
        return scores | {f"spearman_{size}": spearman(of_dims[:, column], target) for column, size in sizes}


@dataclasses.dataclass(frozen=True)
class VideoEvaluator:
    """Spearman of labelled pairs of videos; precision, recall, F1 (docs/facts.md 4.4) and loss of the videos' tags.

    `tag_loss` is the mean binary cross-entropy over videos and tags (docs/facts_rank1.md 4.1).

    Args:
        embedder: the model.
        batches: of videos, with their numbers.
        pairs: labelled pairs among the videos.
        some_videos: the batches are some of the videos: pairs of others are left out.
    """

    embedder: Embedder
    batches: Iterable[tuple[Tensor, VideoBatch]]
    pairs: Sequence[Pair]
    some_videos: bool = False

    def __call__(self) -> dict[str, float]:
        embeddings, counts, tag_losses = self.embedder.embed_and_count(self.batches, tag_counts)
        ids = set(embeddings.ids)
        pairs = [pair for pair in self.pairs if {pair.id_1, pair.id_2} <= ids] if self.some_videos else self.pairs
        metrics = {"spearman": pair_spearman(embeddings, pairs)} | tag_metrics(TagCounts(*row) for row in counts.tolist())
        return metrics | {"tag_loss": float(np.mean(tag_losses, dtype=np.float64)) / self.embedder.model.config.num_tags}


@dataclasses.dataclass(frozen=True)
class ClassEvaluator:
    """F1 of the predicted classes at both levels (docs/facts_rank8.md 9), and the mean cross-entropy.

    Args:
        predictor: the model.
        batches: of videos, with their numbers.
        targets: the true class of each video, in the order of their numbers, `[videos]` integers.
        classes: of the videos.
    """

    predictor: Predictor
    batches: Iterable[tuple[Tensor, VideoBatch]]
    targets: np.ndarray
    classes: ClassTable

    def __call__(self) -> dict[str, float]:
        logits = self.predictor.embed(self.batches).values
        scores = hierarchical_f1(logits.argmax(axis=1), self.targets, self.classes)
        own = np.take_along_axis(log_softmax(logits.astype(np.float64), axis=1), self.targets[:, None], axis=1)
        return {"mean_f1": scores.mean, "cross_entropy": float(-own.mean())} | scores._asdict()

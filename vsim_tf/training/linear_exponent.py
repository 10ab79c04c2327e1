"""The exponent of a linear embedding's singular values, chosen by labelled pairs before pre-training."""

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from vsim_tf.evaluation.metrics import pair_spearman
from vsim_tf.layers.linear_embedding import LinearEmbedding
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.schema import VideoBatch
from vsim_tf.training.linear_start import embedded

logger = logging.getLogger(__name__)


def fit_exponent(layer: LinearEmbedding, values: np.ndarray, batches: Iterable[VideoBatch], pairs: Sequence[Pair]) -> None:
    """Makes embeddings U·Σ those of U·Σ^p, with the p of the layer's exponents by which cosines rank labelled pairs best.

    Below 1, what few videos have in common counts for more than its variance (Caron 2001). Without labelled pairs p is 1, unless
    there is one exponent to choose from.

    Args:
        layer: fitted.
        values: its singular values Σ, `[layer.dim]`.
        batches: of videos.
        pairs: labelled; those of other videos are left out.
    """
    exponents = layer.config.exponents
    if len(exponents) == 1:
        exponent = exponents[0]
    else:
        exponent = _best(exponents, values, _embeddings(layer, batches), pairs) if pairs else 1.0
    layer.transform(np.diag(_scales(values, exponent)))


def _embeddings(layer: LinearEmbedding, batches: Iterable[VideoBatch]) -> Embeddings:
    parts = [(batch.ids.numpy(), embedded(layer, batch)) for batch in batches]
    ids, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Embeddings([video.decode() for video in ids], values)


def _best(exponents: Sequence[float], values: np.ndarray, embeddings: Embeddings, pairs: Sequence[Pair]) -> float:
    """The exponent of the highest Spearman, of equal ones the first; 1 where it is not defined."""
    known = set(embeddings.ids)
    pairs = [pair for pair in pairs if {pair.id_1, pair.id_2} <= known]
    scores = {
        exponent: pair_spearman(embeddings._replace(values=embeddings.values * _scales(values, exponent)), pairs)
        for exponent in exponents
    }
    best = max(scores, key=lambda exponent: np.nan_to_num(scores[exponent], nan=-1))
    if np.isnan(scores[best]):
        return 1.0
    logger.info(f"its singular values to the power {best:g} rank {len(pairs):,} labelled pairs best: Spearman {scores[best]:.4f}")
    return best


def _scales(values: np.ndarray, exponent: float) -> np.ndarray:
    """(Σ / the largest)^(exponent − 1), `[dim]`; 1 for those that are 0."""
    scales = np.ones_like(values)
    present = values > 0
    scales[present] = (values[present] / values.max()) ** (exponent - 1)
    return scales

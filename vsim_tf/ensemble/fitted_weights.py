"""Ensemble weights fitted on out-of-fold pairs, and which model or ensemble to deploy."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.find import trained_run
from vsim_tf.ensemble.kept_members import cross_fitted_cosines, fit_weights, kept_members
from vsim_tf.ensemble.labelled_set import frame_width
from vsim_tf.ensemble.out_of_fold import out_of_fold
from vsim_tf.ensemble.score_tables import score_text
from vsim_tf.evaluation.baselines import baseline_scores
from vsim_tf.evaluation.metrics import spearman
from vsim_tf.evaluation.rank_noise import difference_error
from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.io.paths import PAIRWISE, model_folder, records_pattern
from vsim_tf.records.labels import Pair
from vsim_tf.records.tfrecords import expand_pattern

FEW_PAIRS = 100
NOISE = 2
"""Standard errors by which an ensemble must be above the best model to be worth its cost."""

logger = logging.getLogger(__name__)


class FittedWeights(NamedTuple):
    """An ensemble and what to deploy.

    Attributes:
        weights: of each model, at least 0, with the sum 1.
        facts: what a report says about it, name -> text.
    """

    weights: dict[str, float]
    facts: dict[str, str]


class Deployment(NamedTuple):
    """Out-of-fold Spearman of the best model and of the ensemble.

    Attributes:
        model: the best one.
        alone, ensemble: their scores.
        noise: standard error of the difference, by bootstrap over pairs.
    """

    model: str
    alone: float
    ensemble: float
    noise: float

    @property
    def takes_ensemble(self) -> bool:
        """Whether the ensemble is better by more than noise."""
        return self.ensemble - self.alone > NOISE * self.noise

    def __str__(self) -> str:
        difference = f"difference {self.ensemble - self.alone:+.4f}, standard error {self.noise:.4f}"
        if self.takes_ensemble:
            return (
                f"the ensemble, out-of-fold Spearman {score_text(self.ensemble)}, {score_text(self.alone)} of {self.model}, the"
                f" best model ({difference})"
            )
        return (
            f"{self.model} alone, out-of-fold Spearman {score_text(self.alone)}, and {score_text(self.ensemble)} of the ensemble"
            f" is not above it by more than noise ({difference})"
        )


def fit_ensemble(
    output_dir: Path,
    data_dir: Path,
    folds: Mapping[str, Sequence[int | str]],
    method: str,
    normalize: bool,
    center: bool = False,
) -> FittedWeights:
    """Fits the weights of models on their out-of-fold pairs, and logs them with what to deploy.

    Models without which the ensemble ranks these pairs better get weight 0 (`kept_members`).

    Args:
        output_dir, data_dir, folds: see `out_of_fold`.
        method, normalize, center: how models are combined, see `ensemble_run`.

    Raises:
        UserError: as in `out_of_fold` and `fit_weights`.
    """
    pairs = out_of_fold(output_dir, data_dir, folds, center)
    names = list(folds)
    if len(pairs.pairs) < FEW_PAIRS:
        message = (
            f"weights=fit: {len(pairs.pairs)} out-of-fold pairs are few to fit weights on; train more folds, or give weights"
        )
        logger.warning(message, extra={"fields": ["weights"]})
    cosines = pairs.cosines()
    kept, dropped = kept_members(pairs, method, normalize)
    used = pairs.of(kept)
    fitted = fit_weights(used.cosines(), pairs.similarity).tolist()
    weights = dict.fromkeys(names, 0.0) | dict(zip(kept, fitted, strict=True))
    scores = {name: spearman(cosines[:, column], pairs.similarity) for column, name in enumerate(names)}
    chosen = deployment(scores, cosines, cross_fitted_cosines(used, method, normalize), pairs.similarity)
    untrained = _untrained(data_dir, trained_run(output_dir, folds), pairs.pairs)
    useless = ", ".join(name for name in kept if weights[name] == 0)
    facts = {
        "out-of-fold pairs": f"{len(pairs.pairs):,}",
        "out-of-fold Spearman": _listed(scores),
        "the same without training": _listed(untrained),
        "fitted weights": _listed(weights),
        **({"models of weight 0": useless} if useless else {}),
        "models left out": ", ".join(f"{name} ({rise:+.4f} without it)" for name, rise in dropped.items()) or "none",
        "to deploy": f"{chosen}; {_how(chosen, output_dir, method)}{better(untrained, chosen)}",
    }
    for name, fact in facts.items():
        logger.info(f"{name}: {fact}", extra={"fields": ["method"]})
    return FittedWeights(weights, facts)


def _how(chosen: Deployment, output_dir: Path, method: str) -> str:
    if not chosen.takes_ensemble:
        return f"vsim_tf.load({str(model_folder(output_dir, chosen.model))!r})"
    if method == "svd":
        return f"vsim_tf.load({str(output_dir)!r})"
    return "method=svd would keep these weights for vsim_tf.load, which takes the registered ones for a sum"


def better(untrained: Mapping[str, float], chosen: Deployment) -> str:
    """What to say where the best baseline is better than all that was trained."""
    best = max(untrained, key=lambda name: np.nan_to_num(untrained[name], nan=-1))
    if not untrained[best] > max(chosen.alone, chosen.ensemble):
        return ""
    return f"; but {best} has {score_text(untrained[best])} without training: more videos or pairs are needed to be better"


def _untrained(data_dir: Path, run: Path, pairs: Sequence[Pair]) -> dict[str, float]:
    """Scores of the baselines on the same pairs."""
    files = expand_pattern(records_pattern(data_dir / PAIRWISE))
    return baseline_scores(sample_raw_videos(files, frame_width(run)), pairs)


def deployment(scores: Mapping[str, float], cosines: np.ndarray, ensemble: np.ndarray, similarity: np.ndarray) -> Deployment:
    """What to deploy.

    Args:
        scores: Spearman of each model.
        cosines: of pairs by each model, `[pairs, models]`.
        ensemble: of the ensemble, `[pairs]`.
        similarity: of the pairs, `[pairs]`.
    """
    best = max(scores, key=lambda name: np.nan_to_num(scores[name], nan=-1))
    noise = difference_error(cosines[:, list(scores).index(best)], ensemble, similarity)
    return Deployment(best, scores[best], spearman(ensemble, similarity), noise)


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {score_text(value)}" for name, value in values.items())

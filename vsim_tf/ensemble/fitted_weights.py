"""Ensemble weights fitted on out-of-fold pairs, and which model or ensemble to deploy."""

import logging
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.combine import align, fold_mean, weighted_sum
from vsim_tf.ensemble.labelled_set import frame_width
from vsim_tf.ensemble.out_of_fold import OutOfFold, out_of_fold
from vsim_tf.ensemble.score_tables import score_text
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.evaluation.baselines import baseline_scores
from vsim_tf.evaluation.metrics import spearman
from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.io.paths import PAIRWISE, embeddings_file, fold_folder, model_folder, records_pattern
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.tfrecords import expand_pattern

RESAMPLES, SEED = 200, 0
FEW_PAIRS = 100
NOISE = 2
"""Standard errors by which an ensemble must be above the best model to be worth its cost."""

logger = logging.getLogger(__name__)


class FittedWeights(NamedTuple):
    """An ensemble and what to deploy.

    Attributes:
        weights: of each model, at least 0, with the sum 1.
        facts: what a report says about it, name -> text.
        basis: of `svd`, fitted to the videos of the labelled pairs, which are more than those of a small test set; else None.
    """

    weights: dict[str, float]
    facts: dict[str, str]
    basis: SvdBasis | None


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
    output_dir: Path, data_dir: Path, folds: Mapping[str, Sequence[int]], method: str, normalize: bool
) -> FittedWeights:
    """Fits the weights of models on their out-of-fold pairs, and logs them with what to deploy.

    Args:
        output_dir, data_dir, folds: see `out_of_fold`.
        method, normalize: how models are combined, see `ensemble_run`.

    Raises:
        UserError: as in `out_of_fold` and `fit_weights`.
    """
    pairs = out_of_fold(output_dir, data_dir, folds)
    names = list(folds)
    if len(pairs.pairs) < FEW_PAIRS:
        message = (
            f"weights=fit: {len(pairs.pairs)} out-of-fold pairs are few to fit weights on; train more folds, or give weights"
        )
        logger.warning(message, extra={"fields": ["weights"]})
    cosines = np.stack([cosine_similarity(pairs.first[name], pairs.second[name]) for name in names], axis=1)
    weights = fit_weights(cosines, pairs.similarity)
    scores = {name: spearman(cosines[:, column], pairs.similarity) for column, name in enumerate(names)}
    chosen = deployment(scores, cosines, _cross_fitted(pairs, cosines, weights, method, normalize), pairs.similarity)
    untrained = _untrained(data_dir, fold_folder(output_dir, names[0], folds[names[0]][0]), pairs.pairs)
    left_out = [name for name, weight in zip(names, weights, strict=True) if weight == 0]
    facts = {
        "out-of-fold pairs": f"{len(pairs.pairs):,}",
        "out-of-fold Spearman": _listed(scores),
        "the same without training": _listed(untrained),
        "fitted weights": _listed(dict(zip(names, weights.tolist(), strict=True))),
        "models of weight 0": ", ".join(left_out) or "none",
        "to deploy": f"{chosen}; {_how(chosen, output_dir, method)}{better(untrained, chosen)}",
    }
    for name, fact in facts.items():
        logger.info(f"{name}: {fact}", extra={"fields": ["method"]})
    named = dict(zip(names, weights.tolist(), strict=True))
    return FittedWeights(named, facts, _basis(output_dir, folds, named) if method == "svd" else None)


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


def _basis(output_dir: Path, folds: Mapping[str, Sequence[int]], weights: Mapping[str, float]) -> SvdBasis:
    files = {
        model: [embeddings_file(fold_folder(output_dir, model, fold), PAIRWISE) for fold in numbers]
        for model, numbers in folds.items()
    }
    aligned = align(map(fold_mean, files.values()), [weights[model] for model in files], list(files))
    return SvdBasis.fit(aligned.values, aligned.weights)


def _untrained(data_dir: Path, run: Path, pairs: Sequence[Pair]) -> dict[str, float]:
    """Scores of the baselines on the same pairs."""
    files = expand_pattern(records_pattern(data_dir / PAIRWISE))
    return baseline_scores(sample_raw_videos(files, frame_width(run)), pairs)


def fit_weights(cosines: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Weights of models by non-negative least squares from the ranks of their cosines to that of the similarity.

    Ranks are centred, so that no model gets weight for being there.

    Args:
        cosines: of pairs by each model, `[pairs, models]`.
        similarity: of the pairs, `[pairs]`.

    Returns:
        `[models]`, at least 0, with the sum 1.

    Raises:
        UserError: fewer than two similarities, or no model ranks the pairs as people do.
    """
    from scipy.optimize import nnls

    if len(np.unique(similarity)) < 2:
        raise UserError("weights=fit: all out-of-fold pairs have the same similarity; give weights", ["weights"])
    ranks = np.stack([rank_normalized(column) for column in (*cosines.T, similarity)], axis=1)
    ranks -= ranks.mean(axis=0)
    weights, _ = nnls(np.nan_to_num(ranks[:, :-1]), ranks[:, -1])  # nan of a model with the same cosine everywhere
    if not weights.any():
        raise UserError("weights=fit: no model ranks the out-of-fold pairs as people do; give weights", ["weights"])
    normalized: np.ndarray = weights / weights.sum()
    return normalized


def combined_cosines(pairs: OutOfFold, rows: np.ndarray, weights: np.ndarray, method: str, normalize: bool) -> np.ndarray:
    """Cosines of the ensemble on some rows of the pairs, `[rows]`; of `svd`, before its concatenation is reduced."""
    sides = [{name: side[name][rows] for name in pairs.names} for side in (pairs.first, pairs.second)]
    if method == "svd":
        terms = [cosine_similarity(sides[0][name], sides[1][name]) for name in pairs.names]
        cosines: np.ndarray = np.stack(terms, axis=1) @ weights
        return cosines
    ids = [str(row) for row in rows.tolist()]
    members = [[Embeddings(ids, side[name]) for name in pairs.names] for side in sides]
    first, second = (weighted_sum(side, weights.tolist(), normalize, pairs.names).values for side in members)
    return cosine_similarity(first, second)


def _cross_fitted(pairs: OutOfFold, cosines: np.ndarray, weights: np.ndarray, method: str, normalize: bool) -> np.ndarray:
    """Cosines of the ensemble, `[pairs]`: of each fold by weights fitted on the others, where there are some."""
    found = np.empty(len(pairs.similarity))
    for number in np.unique(pairs.fold):
        inside = pairs.fold == number
        try:
            fitted = fit_weights(cosines[~inside], pairs.similarity[~inside])
        except UserError:  # there are no others, or too few
            fitted = weights
        found[inside] = combined_cosines(pairs, np.flatnonzero(inside), fitted, method, normalize)
    return found


def deployment(scores: Mapping[str, float], cosines: np.ndarray, ensemble: np.ndarray, similarity: np.ndarray) -> Deployment:
    """What to deploy.

    Args:
        scores: Spearman of each model.
        cosines: of pairs by each model, `[pairs, models]`.
        ensemble: of the ensemble, `[pairs]`.
        similarity: of the pairs, `[pairs]`.
    """
    from scipy.stats import bootstrap, spearmanr

    def difference(alone: np.ndarray, together: np.ndarray, target: np.ndarray) -> float:
        return float(spearmanr(together, target).statistic - spearmanr(alone, target).statistic)

    best = max(scores, key=lambda name: np.nan_to_num(scores[name], nan=-1))
    data = (cosines[:, list(scores).index(best)], ensemble, similarity)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a few pairs, some samples are all the same one
        resampled = bootstrap(
            data, difference, paired=True, vectorized=False, n_resamples=RESAMPLES, method="percentile",
            rng=np.random.default_rng(SEED),
        )  # fmt: skip
        noise = float(np.nanstd(resampled.bootstrap_distribution, ddof=1))
    return Deployment(best, scores[best], spearman(ensemble, similarity), noise)


def _listed(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {score_text(value)}" for name, value in values.items())

"""Weights of an ensemble on out-of-fold pairs: how it ranks pairs that they were not fitted to, and members that hurt it."""

import math

import numpy as np

from vsim_tf.ensemble.combine import weighted_sum
from vsim_tf.ensemble.out_of_fold import OutOfFold
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import spearman
from vsim_tf.evaluation.rank_noise import difference_error
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.ranks import rank_normalized

SHRINKAGE = 0.3
"""Of weights towards equal ones, next to the mean square of a model's ranks."""
LEAST_RISE, NOISE = 0.001, 1
"""By how much, and by how many standard errors, Spearman must rise without a member that is dropped."""


def fit_weights(cosines: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Weights of models by non-negative ridge regression from the ranks of their cosines to that of the similarity.

    Ranks are centred, so that no model gets weight for being there. The penalty is on the distance to equal weights of all models
    whose correlation with people is above 0: videos of these pairs took part in pre-training, so that out-of-fold scores of
    models that remember them well are too good.

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
    predictors, target = np.nan_to_num(ranks[:, :-1]), ranks[:, -1]  # nan of a model with the same cosine everywhere
    useful = predictors.T @ target > 0
    if not useful.any():
        raise UserError("weights=fit: no model ranks the out-of-fold pairs as people do; give weights", ["weights"])
    root = math.sqrt(SHRINKAGE * np.sum(target**2))
    rows = np.concatenate([predictors, root * np.eye(len(useful))])
    weights, _ = nnls(rows, np.concatenate([target, root * useful / useful.sum()]))
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


def cross_fitted_cosines(pairs: OutOfFold, method: str, normalize: bool) -> np.ndarray:
    """Cosines of the ensemble, `[pairs]`: of each fold by weights fitted on the others, or on all where these do not do.

    Raises:
        UserError: as in `fit_weights`, on all pairs.
    """
    cosines, found = pairs.cosines(), np.empty(len(pairs.similarity))
    weights = fit_weights(cosines, pairs.similarity)
    for number in np.unique(pairs.fold):
        inside = pairs.fold == number
        try:
            fitted = fit_weights(cosines[~inside], pairs.similarity[~inside])
        except UserError:  # there are no others, or too few
            fitted = weights
        found[inside] = combined_cosines(pairs, np.flatnonzero(inside), fitted, method, normalize)
    return found


def kept_members(pairs: OutOfFold, method: str, normalize: bool) -> tuple[list[str], dict[str, float]]:
    """Drops members one after the other, each time the one without which the cross-fitted ensemble rises most.

    A rise within one standard error is noise, and one of less than 0.001 says nothing of videos that no model has seen; neither
    drops a member.

    Args:
        pairs: of all members.
        method, normalize: how they are combined, see `ensemble_run`.

    Returns:
        Names of the members that are left, and of those dropped in their order with the rise of Spearman without each.

    Raises:
        UserError: as in `fit_weights`, on all pairs and members.
    """
    kept, dropped = pairs.names, {}
    reached = cross_fitted_cosines(pairs, method, normalize)
    while len(kept) > 1:
        without = {
            name: found for name in kept if (found := _cosines_without(pairs.of(kept), name, method, normalize)) is not None
        }
        before = spearman(reached, pairs.similarity)
        rises = {name: spearman(found, pairs.similarity) - before for name, found in without.items()}
        worst = max(rises, key=lambda name: np.nan_to_num(rises[name], nan=-np.inf), default=None)
        if worst is None or not rises[worst] > max(
            LEAST_RISE, NOISE * difference_error(reached, without[worst], pairs.similarity)
        ):
            break
        dropped[worst], reached = rises[worst], without[worst]
        kept = [name for name in kept if name != worst]
    return kept, dropped


def _cosines_without(pairs: OutOfFold, name: str, method: str, normalize: bool) -> np.ndarray | None:
    """Those of the other members; None where none of them ranks pairs as people do."""
    try:
        return cross_fitted_cosines(pairs.of([other for other in pairs.names if other != name]), method, normalize)
    except UserError:
        return None

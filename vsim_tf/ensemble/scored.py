"""One ensemble from start to end: folds averaged, models combined, all of it scored on labelled pairs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.combine import Aligned, Member, align, fold_mean, load_member, member_name, weighted_sum
from vsim_tf.ensemble.scores import ModelScores
from vsim_tf.ensemble.svd_basis import SvdBasis, concatenated
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import UNDEFINED, PairScores, cosine_scores, pair_rows, pair_scores, pair_spearman
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.presets.recipes import NOTHING
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair

METHODS = ("sum", "svd")
PAIRS_AT_ONCE = 4096
"""Pairs whose concatenated embeddings are in memory at a time."""


class EnsembleResult(NamedTuple):
    """What `ensemble_run` returns.

    Attributes:
        embeddings: the ensemble's, `[videos, dim]` float64.
        models: one row per model; scores are nan, and those of folds none, without labelled pairs.
        scores: of the ensemble, nan without labelled pairs.
        concatenation: of the concatenation that `svd` reduces; nan without labelled pairs, and of another method.
        basis: that `svd` has fitted or was given; None of another method.
        means: fold mean of each model, where they were to be kept; none otherwise.
    """

    embeddings: Embeddings
    models: list[ModelScores]
    scores: PairScores
    concatenation: PairScores = UNDEFINED
    basis: SvdBasis | None = None
    means: Mapping[str, Embeddings] = NOTHING


def ensemble_run(
    members: Mapping[str, Sequence[Member]],
    weights: Mapping[str, float],
    pairs: Sequence[Pair] | None = None,
    method: str = "sum",
    normalize: bool = False,
    dim: int | None = None,
    basis: SvdBasis | None = None,
    keep_means: bool = False,
    center: bool = False,
) -> EnsembleResult:
    """Averages each model over its folds, combines the models, and scores every fold, mean and the ensemble.

    Each file is read once; a model of weight 0 is scored but not used.

    Args:
        members: model name -> its members, one per fold (see `find.find_members`), or name of a file -> that one file.
        weights: model name -> weight.
        pairs: labelled pairs of the test set, where there are any.
        method: `sum` (`weighted_sum`, 2021) or `svd` (`svd_ensemble`).
        normalize: see `weighted_sum`; `svd` always does.
        dim: embedding dimension after `svd`, see `svd_ensemble`.
        basis: of an earlier `svd` of the same models, instead of a new one; its dimension is the result's.
        keep_means: return the fold means, too; else one is in memory at a time where the method allows it.
        center: whether a new basis of `svd` is of centred members, see `SvdBasis.fit`; a given one says it itself.

    Raises:
        UserError: weights for other models than given, a basis of another ensemble, or anything `fold_mean`, `weighted_sum`,
            `svd_ensemble` refuse.
    """
    if set(weights) != set(members):
        raise UserError(f"weights are given for {sorted(weights)}, members for {sorted(members)}; they must agree")
    if method not in METHODS:
        raise UserError(f"ensemble method {method!r}; accepted are {', '.join(METHODS)}")
    models: list[ModelScores] = []
    names, kept = list(members), dict[str, Embeddings]()
    means = (_scored_mean(name, members[name], weights[name], pairs, models) for name in names)
    if keep_means:
        kept = dict(zip(names, means, strict=True))
        means = (mean for mean in kept.values())
    ordered = [weights[name] for name in names]
    if method == "sum":
        ensemble = weighted_sum(means, ordered, normalize, names)
        return EnsembleResult(ensemble, models, _scores(ensemble, pairs), means=kept)
    aligned = align(means, ordered, names)
    if basis is None:
        basis = SvdBasis.fit(aligned.values, aligned.weights, dim, center)
    else:
        basis.require({name: values.shape[1] for name, values in aligned.values.items()}, aligned.weights)
    ensemble = Embeddings(aligned.ids, basis.project(aligned.values))
    concatenation = _concatenation_scores(aligned, pairs, basis)
    return EnsembleResult(ensemble, models, _scores(ensemble, pairs), concatenation, basis, kept)


def _scored_mean(
    name: str, members: Sequence[Member], weight: float, pairs: Sequence[Pair] | None, models: list[ModelScores]
) -> Embeddings:
    """Returns the fold mean and appends the model's scores to `models`."""
    fold_scores: list[float] = []
    names = [member_name(member, position) for position, member in enumerate(members)]
    mean = fold_mean(_scored(members, pairs, fold_scores), names)
    norm = float(np.linalg.norm(mean.values, axis=1).mean())
    scores = _scores(mean, pairs)
    models.append(ModelScores(name, weight, fold_scores, scores.spearman, scores.rank_error, norm))
    return mean


def _scored(members: Sequence[Member], pairs: Sequence[Pair] | None, fold_scores: list[float]) -> Iterator[Embeddings]:
    for member in members:
        embeddings = load_member(member)
        if pairs is not None:
            fold_scores.append(pair_spearman(embeddings, pairs))
        yield embeddings


def _scores(embeddings: Embeddings, pairs: Sequence[Pair] | None) -> PairScores:
    return UNDEFINED if pairs is None else pair_scores(embeddings, pairs)


def _concatenation_scores(aligned: Aligned, pairs: Sequence[Pair] | None, basis: SvdBasis) -> PairScores:
    """Scores of the cosines of `concatenated`, a part of the pairs at a time."""
    if pairs is None:
        return UNDEFINED
    first, second, similarity = pair_rows(aligned.ids, pairs)
    cosines = [np.zeros(0)]
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = slice(start, start + PAIRS_AT_ONCE)
        a, b = (concatenated(aligned.values, aligned.weights, rows[part], basis.means()) for rows in (first, second))
        cosines.append(cosine_similarity(a, b))
    return cosine_scores(np.concatenate(cosines), similarity)

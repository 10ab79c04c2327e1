"""Ensembles of embeddings: mean over folds, weighted sum over models, and concatenation reduced by SVD.

Members are taken one after the other, from memory or from files, and added up in float64; a mean or a sum never holds
more than one member next to the running total.
"""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.report import ModelScores
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.evaluation.metrics import l2_normalize, pair_spearman
from vsim_tf.io.paths import CONFIG, FOLD_RUNS, embeddings_file, fold_folder, model_folder
from vsim_tf.records.embeddings import MAX_DIMENSIONS, Embeddings, check_same_ids, read_embeddings, read_submission
from vsim_tf.records.labels import Pair
from vsim_tf.types import PathLike

Member = Embeddings | PathLike
"""Embeddings in memory, or a file of them: .npz (of one checkpoint) or .zip (a submission)."""

METHODS = ("sum", "svd")

logger = logging.getLogger(__name__)


class EnsembleResult(NamedTuple):
    """What `ensemble_run` returns.

    Attributes:
        embeddings: the ensemble's, `[videos, dim]` float64.
        models: one row per model; scores are nan, and those of folds none, without labelled pairs.
        score: Spearman of the ensemble, nan without labelled pairs.
    """

    embeddings: Embeddings
    models: list[ModelScores]
    score: float


def load_member(member: Member) -> Embeddings:
    """Returns embeddings as they are, or reads them from an .npz or .zip file.

    Raises:
        UserError: another kind of file, or one that cannot be read; names the file.
    """
    if isinstance(member, Embeddings):
        return member
    readers = {".npz": read_embeddings, ".zip": read_submission}
    suffix = Path(member).suffix.lower()
    if suffix not in readers:
        raise UserError(f"{member}: not a file of embeddings; accepted are {' and '.join(readers)}")
    return readers[suffix](member)


def fold_mean(members: Iterable[Member], names: Sequence[str] | None = None) -> Embeddings:
    """Returns the element-wise mean of the members, not normalised, in float64 (2021 solution, ensemble step 1).

    The 2021 code averaged 8 of the 11 folds of MixNextVLAD_ASL, the others were not written; here a mean is over
    whatever members are given.

    Args:
        members: each `[videos, dim]` with the same ids in any order; the result has the first one's order.
        names: what error messages call the members; default is the file's path or `member 0`.

    Raises:
        UserError: no members, or one with other ids or another size than the first; names the member.
    """
    total, count = _total(members, None, names)
    return Embeddings(total.ids, total.values / count)


def weighted_sum(
    members: Iterable[Member],
    weights: Sequence[float],
    normalize: bool = False,
    names: Sequence[str] | None = None,
) -> Embeddings:
    """Returns the sum of weight times embedding in float64, without rounding (2021 solution, ensemble step 2).

    Args:
        members: each `[videos, dim]` with the same ids in any order; the result has the order of the first one used.
        weights: one per member, at least 0; a member of weight 0 is left out. They need not sum to 1.
        normalize: whether each member's rows are scaled to unit norm first. Unnormalised, as in 2021, a model counts by
            its weight times the length of its vectors.
        names: see `fold_mean`.

    Raises:
        UserError: unusable weights, or a member with other ids or another size; names the member.
    """
    weights = check_weights(weights)
    return _total(members, weights, names, l2_normalize if normalize else _float64)[0]


def svd_ensemble(
    members: Iterable[Member],
    weights: Sequence[float],
    dim: int | None = None,
    names: Sequence[str] | None = None,
) -> Embeddings:
    """Returns the members concatenated and reduced to `dim` numbers (first place of the 2021 contest).

    Each row is scaled to unit norm, times sqrt(weight), and all are concatenated: X, `[videos, sum of dims]`. A dot product
    of two rows of X is the weighted sum of the members' cosines. The result is the truncated SVD X V_dim = U_dim S_dim,
    without centring, from the eigenvectors of X^T X: exact and deterministic (the sign of a column is chosen so that
    the largest entry of its eigenvector is positive), where the original used a randomised solver. float64.

    Args:
        members: each `[videos, dim of its own]` with the same ids in any order.
        weights: as in `weighted_sum`.
        dim: embedding dimension of the result, at most the sum of the members'; default: 256, or that sum if it is less.
        names: see `fold_mean`.

    Raises:
        UserError: unusable weights or `dim`, or a member with other ids; names the member.
    """
    ids: list[str] = []
    blocks: list[np.ndarray] = []
    for name, member, weight in _weighted(members, check_weights(weights), names):
        ids = ids if blocks else list(member.ids)
        blocks.append(math.sqrt(weight) * l2_normalize(_align(member, ids, name)))
    x = np.concatenate(blocks, axis=1)
    dim = min(MAX_DIMENSIONS, x.shape[1]) if dim is None else dim
    if not 1 <= dim <= x.shape[1]:
        raise UserError(f"{dim} dimensions asked of an SVD of {x.shape[1]} columns; accepted are 1 to {x.shape[1]}")
    _, vectors = np.linalg.eigh(x.T @ x)
    basis = vectors[:, ::-1][:, :dim]
    largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=0, keepdims=True), axis=0)
    return Embeddings(ids, x @ (basis * np.where(largest < 0, -1.0, 1.0)))


def check_weights(weights: Sequence[float]) -> list[float]:
    """Returns the weights as floats; a sum other than 1 is allowed and logged.

    Raises:
        UserError: a weight is negative or not finite, or none is above 0.
    """
    weights = [float(weight) for weight in weights]
    if not math.isfinite(sum(weights)) or any(weight < 0 for weight in weights):
        raise UserError(f"weights {weights}; accepted are finite numbers of at least 0, with a finite sum")
    total = math.fsum(weights)
    if total == 0:
        raise UserError(f"weights {weights}; at least one must be above 0")
    if not math.isclose(total, 1, abs_tol=1e-6):
        logger.warning("The ensemble weights %s sum to %.6g, not to 1; cosines do not depend on it.", weights, total)
    return weights


def _weighted(
    members: Iterable[Member], weights: list[float] | None, names: Sequence[str] | None
) -> Iterator[tuple[str, Embeddings, float]]:
    """Yields name, embeddings and weight (1 if none are given) of each member; one of weight 0 is not even read."""
    position = -1
    pairs = zip(members, repeat(1.0)) if weights is None else zip_longest(members, weights)
    for member, weight in pairs:  # not in enumerate, with which zip would keep the first member alive
        position += 1
        if member is None or weight is None:
            which = "fewer" if member is None else "more"
            raise UserError(f"{len(weights or ())} weights for {which} members; accepted is one weight per member")
        if weight > 0:
            yield _name(member, position, names), load_member(member), weight
    if position < 0:
        raise UserError("an ensemble of no members; at least one is needed")


def _name(member: Member, position: int, names: Sequence[str] | None) -> str:
    if names is not None:
        return names[position]
    return f"member {position}" if isinstance(member, Embeddings) else str(member)


def _float64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)


def _total(
    members: Iterable[Member],
    weights: list[float] | None,
    names: Sequence[str] | None,
    transform: Callable[[np.ndarray], np.ndarray] = _float64,
) -> tuple[Embeddings, int]:
    """Returns the sum of weight * transform(values) in the order of the first member, and how many were added."""
    ids: list[str] = []
    total: np.ndarray = np.zeros(())
    count = 0
    for name, member, weight in _weighted(members, weights, names):
        if not count:
            ids, total = list(member.ids), weight * transform(member.values)
        else:
            values = transform(_align(member, ids, name))
            if values.shape != total.shape:
                raise UserError(f"{name}: {values.shape[1]} dimensions, members before it {total.shape[1]}")
            values *= weight
            total += values
        count += 1
    return Embeddings(ids, total), count


def _align(member: Embeddings, ids: list[str], name: str) -> np.ndarray:
    """Returns the member's values in the order of `ids`."""
    if member.ids == ids:
        return member.values
    check_same_ids(member.ids, ids, name, "the first member")
    rows = {video: row for row, video in enumerate(member.ids)}
    return member.values[[rows[video] for video in ids]]


def find_members(output_dir: PathLike, models: Iterable[str], folds: Sequence[int], test_name: str) -> dict[str, list[Path]]:
    """Returns for each model the files `<output_dir>/<model>/fold-XX/embeddings/<test_name>.npz`, one per fold.

    Raises:
        UserError: files are missing; names the model and folds of each.
    """
    found = {model: [embeddings_file(fold_folder(output_dir, model, fold), test_name) for fold in folds] for model in models}
    missing = [path for paths in found.values() for path in paths if not path.is_file()]
    if missing:
        runs = [f"{path.parts[-4]}/{path.parts[-3]}" for path in missing]
        raise UserError(
            f"{output_dir}: no embeddings of {test_name} for {count_and_first(runs)}; {_sets_there(found)};"
            " run inference_pair.py for them, or give fewer models or folds (docs/data.md, 'Embeddings and submission')"
        )
    return found


def _sets_there(paths: Mapping[str, Sequence[Path]]) -> str:
    """Of which test sets the same runs have embeddings."""
    counts = Counter(file.stem for files in paths.values() for path in files for file in path.parent.glob("*.npz"))
    listed = ", ".join(f"{name} ({count} runs)" for name, count in sorted(counts.items()))
    return f"there are those of {listed}" if listed else "these runs have none of any test set"


def models_present(output_dir: PathLike, names: Iterable[str]) -> list[str]:
    """Returns the models of `names` that have a fine-tuned run, `<output_dir>/<model>/fold-XX`, in their order.

    Raises:
        UserError: none has.
    """
    present = [name for name in names if any(model_folder(output_dir, name).glob(f"{FOLD_RUNS}/{CONFIG}"))]
    if not present:
        message = f"{output_dir}: no model has a run fold-XX; train one by train_pair.py, or give another output_dir"
        raise UserError(message, ["output_dir"])
    return present


def normalized_weights(weights: Sequence[float]) -> list[float]:
    """Returns weights with the sum 1; those that have it, or are all 0, as they are."""
    total = math.fsum(weights)
    return list(weights) if total == 0 or math.isclose(total, 1, abs_tol=1e-6) else [weight / total for weight in weights]


def ensemble_run(
    members: Mapping[str, Sequence[Member]],
    weights: Mapping[str, float],
    pairs: Sequence[Pair] | None = None,
    method: str = "sum",
    normalize: bool = False,
    dim: int | None = None,
) -> EnsembleResult:
    """Averages each model over its folds, combines the models, and scores every fold, mean and the ensemble.

    Each file is read once; a model of weight 0 is scored but not used.

    Args:
        members: model name -> its members, one per fold (see `find_members`), or name of a file -> that one file.
        weights: model name -> weight.
        pairs: labelled pairs of the test set, where there are any.
        method: `sum` (`weighted_sum`, 2021) or `svd` (`svd_ensemble`).
        normalize: see `weighted_sum`; `svd` always does.
        dim: embedding dimension after `svd`, see `svd_ensemble`.

    Raises:
        UserError: weights for other models than given, or anything `fold_mean`, `weighted_sum`, `svd_ensemble` refuse.
    """
    if set(weights) != set(members):
        raise UserError(f"weights are given for {sorted(weights)}, members for {sorted(members)}; they must agree")
    if method not in METHODS:
        raise UserError(f"ensemble method {method!r}; accepted are {', '.join(METHODS)}")
    models: list[ModelScores] = []
    names = list(members)
    means = (_scored_mean(name, members[name], weights[name], pairs, models) for name in names)
    ordered = [weights[name] for name in names]
    if method == "svd":
        ensemble = svd_ensemble(means, ordered, dim, names)
    else:
        ensemble = weighted_sum(means, ordered, normalize, names)
    return EnsembleResult(ensemble, models, _score(ensemble, pairs))


def _scored_mean(
    name: str, members: Sequence[Member], weight: float, pairs: Sequence[Pair] | None, models: list[ModelScores]
) -> Embeddings:
    """Returns the fold mean and appends the model's scores to `models`."""
    fold_scores: list[float] = []
    names = [_name(member, position, None) for position, member in enumerate(members)]
    mean = fold_mean(_scored(members, pairs, fold_scores), names)
    models.append(ModelScores(name, weight, fold_scores, _score(mean, pairs)))
    return mean


def _scored(members: Sequence[Member], pairs: Sequence[Pair] | None, fold_scores: list[float]) -> Iterator[Embeddings]:
    for member in members:
        embeddings = load_member(member)
        if pairs is not None:
            fold_scores.append(_score(embeddings, pairs))
        yield embeddings


def _score(embeddings: Embeddings, pairs: Sequence[Pair] | None) -> float:
    return math.nan if pairs is None else pair_spearman(embeddings, pairs)

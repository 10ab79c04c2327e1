"""Ensembles of embeddings: mean over folds, weighted sum over models, and concatenation reduced by SVD.

Members are taken one after the other, from memory or from files, and added up in float64; a mean or a sum never holds
more than one member next to the running total.
"""

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat, zip_longest
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import l2_normalize
from vsim_tf.records.embeddings import Embeddings, check_same_ids, read_embeddings, read_submission
from vsim_tf.types import PathLike

Member = Embeddings | PathLike
"""Embeddings in memory, or a file of them: .npz (of one checkpoint) or .zip (a submission)."""

logger = logging.getLogger(__name__)


class Aligned(NamedTuple):
    """Members whose rows are those of the same videos.

    Attributes:
        ids: of the videos.
        values: name -> embeddings, `[videos, dim of its own]`.
        weights: name -> weight, above 0.
    """

    ids: list[str]
    values: dict[str, np.ndarray]
    weights: dict[str, float]


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
    total, count = total_of(members, None, names)
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
    return total_of(members, weights, names, l2_normalize if normalize else _float64)[0]


def svd_ensemble(
    members: Iterable[Member],
    weights: Sequence[float],
    dim: int | None = None,
    names: Sequence[str] | None = None,
) -> Embeddings:
    """Returns the members concatenated and reduced to `dim` numbers (first place of the 2021 contest).

    Each row is scaled to unit norm, times sqrt(weight), and all are concatenated: X, `[videos, sum of dims]`. A dot product
    of two rows of X is the weighted sum of the members' cosines. The result is the truncated SVD X V_dim = U_dim S_dim,
    without centring: exact and deterministic, where the original used a randomised solver (`SvdBasis`). float64.

    Args:
        members: each `[videos, dim of its own]` with the same ids in any order.
        weights: as in `weighted_sum`.
        dim: embedding dimension of the result, at most the sum of the members'; default: 256, or that sum if it is less.
        names: see `fold_mean`; unique.

    Raises:
        UserError: unusable weights or `dim`, or a member with other ids; names the member.
    """
    aligned = align(members, weights, names)
    basis = SvdBasis.fit(aligned.values, aligned.weights, dim)
    return Embeddings(aligned.ids, basis.project(aligned.values))


def align(members: Iterable[Member], weights: Sequence[float], names: Sequence[str] | None = None) -> Aligned:
    """Returns members with their videos in the order of the first one; arguments and errors are those of `svd_ensemble`."""
    ids: list[str] = []
    aligned = Aligned(ids, {}, {})
    for name, member, weight in _weighted(members, check_weights(weights), names):
        if name in aligned.values:
            raise UserError(f"{name}: a member is named twice")
        if not ids:
            ids += member.ids
        aligned.values[name], aligned.weights[name] = _align(member, ids, name), weight
    return aligned


def check_weights(weights: Sequence[float]) -> list[float]:
    """Returns the weights as `usable_weights` does, and logs a sum other than 1."""
    weights = usable_weights(weights)
    total = math.fsum(weights)
    if not math.isclose(total, 1, abs_tol=1e-6):
        logger.warning("The ensemble weights %s sum to %.6g, not to 1; cosines do not depend on it.", weights, total)
    return weights


def usable_weights(weights: Sequence[float]) -> list[float]:
    """Returns the weights as floats.

    Raises:
        UserError: a weight is negative or not finite, or none is above 0.
    """
    weights = [float(weight) for weight in weights]
    if not math.isfinite(sum(weights)) or any(weight < 0 for weight in weights):
        raise UserError(f"weights {weights}; accepted are finite numbers of at least 0, with a finite sum")
    if math.fsum(weights) == 0:
        raise UserError(f"weights {weights}; at least one must be above 0")
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
            yield member_name(member, position, names), load_member(member), weight
    if position < 0:
        raise UserError("an ensemble of no members; at least one is needed")


def member_name(member: Member, position: int, names: Sequence[str] | None = None) -> str:
    """Returns what messages call a member: its name, or else the file's path, or `member 0`."""
    if names is not None:
        return names[position]
    return f"member {position}" if isinstance(member, Embeddings) else str(member)


def _float64(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float64)


def total_of(
    members: Iterable[Member],
    weights: list[float] | None,
    names: Sequence[str] | None,
    transform: Callable[[np.ndarray], np.ndarray] = _float64,
) -> tuple[Embeddings, int]:
    """Returns the sum of weight * transform(values) in the order of the first member, and how many were added.

    Args:
        members: as in `weighted_sum`.
        weights: one per member, as `usable_weights` returns them; None: 1 each.
        names: see `fold_mean`.
        transform: of a member's values, `[videos, dim]`, to float64.

    Raises:
        UserError: another number of weights, no members, or one with other ids or another size; names the member.
    """
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


def normalized_weights(weights: Sequence[float]) -> list[float]:
    """Returns weights with the sum 1; those that have it, or are all 0, as they are."""
    total = math.fsum(weights)
    return list(weights) if total == 0 or math.isclose(total, 1, abs_tol=1e-6) else [weight / total for weight in weights]

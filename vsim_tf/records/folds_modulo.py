"""Folds by the remainders of video ids, those of the 1st place of 2021 (docs/facts_rank1.md 6).

Fold k of K validates on the pairs of whose ids both are k modulo K, and trains on all others. Videos of a validation pair may
still be in training pairs, those with another video (rank-1 quirk 18). Fold 0 of 5 of the contest's 67,899 pairs is the 1st
place's split, 65,373 to train on and 2,526 to validate on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vsim_tf.errors import UserError
from vsim_tf.records.folds import Split, require_folds
from vsim_tf.records.labels import Pair
from vsim_tf.types import PathLike

MODULUS = 5
NO_FOLD = -1
_INTEGER = re.compile(r"-?\d{1,99}", re.ASCII)
"""`int` alone would also take "1_0" and digits of other scripts, and it fails at thousands of digits."""


@dataclass(frozen=True)
class ModuloFolds(Split):
    """Pairs in the order of the label file, with the fold that each validates in.

    Attributes:
        pairs: all pairs.
        num_folds: the modulus.
        fold_of: the fold of each pair, -1 for pairs of no fold.
    """

    pairs: tuple[Pair, ...]
    num_folds: int
    fold_of: tuple[int, ...]

    def validation(self, fold: int) -> tuple[Pair, ...]:
        self.require_fold(fold)
        return self._of(fold)

    def training(self, fold: int) -> tuple[Pair, ...]:
        self.require_fold(fold)
        return tuple(pair for pair, its_fold in zip(self.pairs, self.fold_of, strict=True) if its_fold != fold)

    def always_train(self) -> tuple[Pair, ...]:
        return self._of(NO_FOLD)

    def _of(self, fold: int) -> tuple[Pair, ...]:
        return tuple(pair for pair, its_fold in zip(self.pairs, self.fold_of, strict=True) if its_fold == fold)


def split_by_modulo(pairs: Sequence[Pair], num_folds: int = MODULUS, label_file: PathLike = "the label file") -> ModuloFolds:
    """Put pairs, in the order of the label file, into folds by their ids.

    Args:
        pairs: one for each line of the label file.
        num_folds: the modulus.
        label_file: what errors call the file of the pairs.

    Raises:
        UserError: fewer than 2 folds, an id that is no integer, or a fold without validation pairs.
    """
    require_folds(pairs, num_folds)
    fold_of = tuple(_fold_of(pair, num_folds, f"{label_file}, line {number}") for number, pair in enumerate(pairs, 1))
    if empty := set(range(num_folds)) - set(fold_of):
        fold = min(empty)
        raise UserError(
            f"{label_file}: no pair has two ids that are {fold} modulo {num_folds}, so that fold {fold} has nothing to validate"
            " on; give fewer folds (num_folds), or split=shuffled",
            ["num_folds", "split"],
        )
    return ModuloFolds(tuple(pairs), num_folds, fold_of)


def _fold_of(pair: Pair, modulus: int, where: str) -> int:
    first, second = (_remainder(video_id, modulus, where) for video_id in (pair.id_1, pair.id_2))
    return first if first == second else NO_FOLD


def _remainder(video_id: str, modulus: int, where: str) -> int:
    if not _INTEGER.fullmatch(video_id):
        raise UserError(
            f"{where}: the id {video_id!r} is no integer, which split=modulo needs; split=shuffled takes any id", ["split"]
        )
    return int(video_id) % modulus

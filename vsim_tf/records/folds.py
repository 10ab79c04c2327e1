"""Folds of labelled pairs, and those of the 4th place of 2021: which pairs validate, and in which order the others train.

In the 4th place's split one `random.Random(seed)` shuffles the label file once; fold i validates on the i-th slice of the
shuffled list and trains on everything else, shuffled by the same generator in its next state. Pairs behind the last slice
trains in every fold. With the contest's 67,899 pairs and seed 42 these are the 2021 folds to the last position.
"""

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.io.paths import fold_name
from vsim_tf.records.labels import Pair

CONTEST_FOLDS = 11
CONTEST_FOLD_SIZE = 6000


class Split(ABC):
    """Pairs split into folds: each pair validates in one fold at most, and trains in all others.

    Attributes:
        pairs: all pairs.
        num_folds: number of folds.
    """

    pairs: tuple[Pair, ...]
    num_folds: int

    @abstractmethod
    def validation(self, fold: int) -> tuple[Pair, ...]:
        """Pairs that fold `fold` is validated on."""

    @abstractmethod
    def training(self, fold: int) -> tuple[Pair, ...]:
        """Pairs that fold `fold` is trained on, in the order of `pairs`."""

    @abstractmethod
    def always_train(self) -> tuple[Pair, ...]:
        """Pairs that no fold is validated on: every fold trains on them."""

    def training_orders(self) -> Iterator[list[Pair]]:
        """Training pairs of fold 0, 1, ... in the order in which the layout "expanded" writes them."""
        for fold in range(self.num_folds):
            yield list(self.training(fold))

    def folder(self, fold: int) -> str:
        """Folder name of a fold in the layout "expanded"."""
        return fold_name(fold)

    def require_fold(self, fold: int) -> None:
        """`UserError` for a fold that does not exist."""
        if not 0 <= fold < self.num_folds:
            raise UserError(f"fold {fold} does not exist; folds are 0 to {self.num_folds - 1}")


def require_folds(pairs: Sequence[Pair], num_folds: int) -> None:
    """`UserError` for fewer than 2 folds, or fewer pairs than folds."""
    if num_folds < 2:
        raise UserError(f"num_folds is {num_folds}; at least 2 are needed to train on one part and validate on another")
    if len(pairs) < num_folds:
        raise UserError(
            f"{len(pairs)} pairs cannot fill {num_folds} folds; give more pairs or fewer folds (num_folds)", ["num_folds"]
        )


@dataclass(frozen=True)
class Folds(Split):
    """Pairs in shuffled order, cut into `num_folds` slices of `fold_size`.

    Attributes:
        pairs: all pairs in shuffled order.
        num_folds: number of slices.
        fold_size: pairs of a slice.
        generator_state: state of the generator behind the first shuffle, from which the training orders follow.
    """

    pairs: tuple[Pair, ...]
    num_folds: int
    fold_size: int
    generator_state: tuple[Any, ...]

    def bounds(self, fold: int) -> tuple[int, int]:
        """First position of a fold's slice, and the first behind it."""
        self.require_fold(fold)
        return fold * self.fold_size, (fold + 1) * self.fold_size

    def validation(self, fold: int) -> tuple[Pair, ...]:
        start, stop = self.bounds(fold)
        return self.pairs[start:stop]

    def training(self, fold: int) -> tuple[Pair, ...]:
        start, stop = self.bounds(fold)
        return self.pairs[:start] + self.pairs[stop:]

    def always_train(self) -> tuple[Pair, ...]:
        return self.pairs[self.num_folds * self.fold_size :]

    def training_orders(self) -> Iterator[list[Pair]]:
        """Training pairs of fold 0, 1, ... in the 2021 order.

        The generator runs on from fold to fold, so the order of fold i takes the shuffles of all folds before it.
        """
        generator = random.Random()
        generator.setstate(self.generator_state)
        for fold in range(self.num_folds):
            order = list(self.training(fold))
            generator.shuffle(order)
            yield order

    def folder(self, fold: int) -> str:
        """Folder name in the 2021 tree, the slice's first and last position: `6000-11999val`."""
        start, stop = self.bounds(fold)
        return f"{start}-{stop - 1}val"


def split_pairs(pairs: Sequence[Pair], num_folds: int = CONTEST_FOLDS, seed: int = 42) -> Folds:
    """Cut pairs (in the order of the label file) into folds.

    A slice has 6,000 pairs where 11 of them fit, as in 2021, and else `len(pairs) // num_folds`.

    Raises:
        UserError: fewer than 2 folds, or fewer pairs than folds.
    """
    require_folds(pairs, num_folds)
    contest_size = num_folds == CONTEST_FOLDS and len(pairs) >= CONTEST_FOLDS * CONTEST_FOLD_SIZE
    fold_size = CONTEST_FOLD_SIZE if contest_size else len(pairs) // num_folds
    shuffled = list(pairs)
    generator = random.Random(seed)
    generator.shuffle(shuffled)
    return Folds(tuple(shuffled), num_folds, fold_size, generator.getstate())

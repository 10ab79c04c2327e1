"""Folds of labelled videos in which every class has its share (docs/facts_rank8.md 8)."""

import logging
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.types import PathLike

NUM_FOLDS, SEED = 5, 802
"""Of the original."""

logger = logging.getLogger(__name__)


class FoldRecords(NamedTuple):
    """Record numbers of one fold, ascending, int64 each."""

    training: np.ndarray
    validation: np.ndarray


@dataclass(frozen=True, eq=False)
class ClassFolds:
    """Labelled videos split into folds.

    Attributes:
        fold_of: the fold that each video validates in, `[videos]` int64.
        num_folds: number of folds.
    """

    fold_of: np.ndarray
    num_folds: int

    def records(self, fold: int, full: bool = False) -> FoldRecords:
        """What a fold trains and validates on.

        Args:
            fold: number of the fold.
            full: train on all videos, those of the fold included: its score then says how well they are remembered.

        Raises:
            UserError: there is no such fold.
        """
        if not 0 <= fold < self.num_folds:
            raise UserError(f"fold {fold} does not exist; folds are 0 to {self.num_folds - 1}", ["fold"])
        validates = self.fold_of == fold
        training = np.arange(len(validates)) if full else np.flatnonzero(~validates)
        return FoldRecords(training, np.flatnonzero(validates))


def class_folds(
    categories: Sequence[str],
    num_folds: int = NUM_FOLDS,
    seed: int = SEED,
    label_file: PathLike = "the labelled file",
) -> ClassFolds:
    """Split videos by scikit-learn's `StratifiedKFold` with shuffling, as the original did.

    A class of fewer videos than folds is missing from the validation of some, which is logged.

    Args:
        categories: class of each video, in the order of the file; which names they have makes no difference.
        num_folds: number of folds.
        seed: of the shuffles.
        label_file: what errors call the file.

    Raises:
        UserError: fewer than 2 folds, or no class with as many videos as folds.
    """
    counts = Counter(categories)
    if num_folds < 2:
        raise UserError(
            f"num_folds is {num_folds}; at least 2 are needed to train on one part and validate on another", ["num_folds"]
        )
    if (largest := max(counts.values(), default=0)) < num_folds:
        raise UserError(
            f"{label_file}: no class has {num_folds} videos, one for each fold, the largest has {largest}; give more videos, or"
            " fewer folds (num_folds)",
            ["num_folds"],
        )
    small = sorted(category for category, count in counts.items() if count < num_folds)
    if small:
        listed = count_and_first(small)
        logger.info(f"{label_file}: classes of fewer than {num_folds} videos, which some folds do not validate on: {listed}")
    return ClassFolds(_fold_of(categories, num_folds, seed), num_folds)


def _fold_of(categories: Sequence[str], num_folds: int, seed: int) -> np.ndarray:
    from sklearn.model_selection import StratifiedKFold

    fold_of = np.empty(len(categories), np.int64)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The least populated class in y has only", category=UserWarning)
        folds = StratifiedKFold(num_folds, shuffle=True, random_state=seed).split(fold_of, np.array(categories))
        for fold, (_, validation) in enumerate(folds):
            fold_of[validation] = fold
    return fold_of

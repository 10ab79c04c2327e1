"""The score of the WeChat contest of 2022: F1 at both levels of the classes (docs/facts_rank8.md 9)."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from vsim_tf.records.classes import ClassTable
from vsim_tf.records.embeddings import check_same_ids
from vsim_tf.types import PathLike


class HierarchicalF1(NamedTuple):
    """F1 of predicted classes, at level 1 of their parents.

    Micro F1 of one class per video is accuracy. Macro F1 is the unweighted mean over the classes that occur among the true ones
    or the predicted ones.
    """

    level1_micro: float
    level1_macro: float
    level2_micro: float
    level2_macro: float

    @property
    def mean(self) -> float:
        """The contest's score: (level-1 micro + level-1 macro + level-2 micro + level-2 macro) / 4."""
        return sum(self) / len(self)


def hierarchical_f1(prediction: np.ndarray, target: np.ndarray, table: ClassTable) -> HierarchicalF1:
    """Scores predicted classes.

    Args:
        prediction, target: indices in the table of level-2 classes, `[videos]` integers each.
        table: knows the parents.

    Raises:
        ValueError: no videos, or arrays of different shapes.
    """
    if prediction.shape != target.shape or prediction.ndim != 1 or not len(target):
        raise ValueError(f"shapes {prediction.shape} and {target.shape}; expected two equal [videos], at least one")
    level1 = (table.parents[labels] for labels in (prediction, target))
    return HierarchicalF1(*_micro_and_macro(*level1), *_micro_and_macro(prediction, target))


def score_categories(prediction: Mapping[str, str], target: Mapping[str, str], where: PathLike) -> HierarchicalF1:
    """Scores the predicted class of each video, by its id, against the true one; classes are four digits.

    Raises:
        UserError: other ids than those with a true class; `where` names the predictions.
    """
    check_same_ids(prediction, target, where, "the labels")
    table = ClassTable(tuple(sorted({*prediction.values(), *target.values()})))
    predicted, true = (np.array([table.index(classes[video]) for video in target]) for classes in (prediction, target))
    return hierarchical_f1(predicted, true, table)


def _micro_and_macro(prediction: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    from sklearn.metrics import f1_score

    micro, macro = (float(f1_score(target, prediction, average=average)) for average in ("micro", "macro"))
    return micro, macro

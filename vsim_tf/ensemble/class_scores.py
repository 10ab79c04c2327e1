"""The ensemble of classifiers: a weighted sum of their probabilities, and the class with the largest (docs/facts_rank8.md 10)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.combine import total_of, usable_weights
from vsim_tf.errors import UserError
from vsim_tf.records.classes import ClassTable
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.predictions import Predictions, best_classes, read_predictions, softmax
from vsim_tf.types import PathLike

DECISIONS = ("class", "levels")
Member = Predictions | PathLike
"""Predictions in memory, or a file of them."""


class ClassScores(NamedTuple):
    """Scores of the classes of a set of videos.

    Attributes:
        ids: of the videos.
        classes: ids of the classes, in the order of the columns.
        scores: weighted sum of the members' probabilities, `[videos, classes]` float64.
    """

    ids: list[str]
    classes: tuple[str, ...]
    scores: np.ndarray

    def categories(self, decision: str = "class") -> dict[str, str]:
        """The class of each video, by the video's id; of equal ones the first.

        Args:
            decision: "class", the one with the largest score s(c); or "levels", the one with the largest s(c) + s(parent of c),
                where a parent's score is the sum over its classes: of probabilities that is how many of the two levels are
                expected to be right, which F1 at both levels rewards.
        """
        return best_classes(self.ids, self.classes, self.scores + self._of_parents() if decision == "levels" else self.scores)

    def _of_parents(self) -> np.ndarray:
        """Score of the parent of each class, `[videos, classes]`."""
        parents = ClassTable(self.classes).parents
        scores: np.ndarray = self.scores @ (parents[:, None] == parents[None])
        return scores


def class_scores(members: Sequence[Member], weights: Sequence[float], names: Sequence[str] | None = None) -> ClassScores:
    """Returns Σ weight · softmax(logits), in the order of the first member's videos.

    Args:
        members: predictions of the same videos, in any order, with the same classes.
        weights: one per member, at least 0; a member of weight 0 is left out. They need not sum to 1.
        names: what error messages call the members; default is the file's path or `member 0`.

    Raises:
        UserError: no members, unusable weights, a file that cannot be read, or a member with other ids or classes than the first;
            names the member.
    """
    names = names or [f"member {i}" if isinstance(member, Predictions) else str(member) for i, member in enumerate(members)]
    classes: list[str] = []
    total, _ = total_of(_read(members, names, classes), usable_weights(weights), names, softmax)
    return ClassScores(total.ids, tuple(classes), total.values)


def _read(members: Sequence[Member], names: Sequence[str], classes: list[str]) -> Iterator[Embeddings]:
    """Yields the logits of each member, and puts the classes, which must be the same of all, into `classes`."""
    for name, member in zip(names, members, strict=True):
        predictions = member if isinstance(member, Predictions) else read_predictions(member)
        if not classes:
            classes += predictions.classes
        if classes != list(predictions.classes):
            raise UserError(f"{name}: its {len(predictions.classes)} classes are not the {len(classes)} of {names[0]}")
        yield Embeddings(predictions.ids, predictions.logits)

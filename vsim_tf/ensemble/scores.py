"""Scores of an ensemble and its members on one test set, and what is to be said of them."""

import math
from dataclasses import dataclass, field

from vsim_tf.evaluation.metrics import UNDEFINED, PairScores

MAX_NORM_RATIO = 3
"""Mean norms of models that differ by a larger factor are mentioned."""


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model on one test set.

    Attributes:
        name: the model's name in the registry, or the name of a member file.
        weight: its weight in the ensemble.
        fold_scores: Spearman, one per fold; empty where the test set has no labels.
        mean_score: Spearman of the mean of the folds' embeddings; nan where undefined.
        mean_error: `rank_error` of that mean; nan where undefined.
        norm: mean norm of its rows; nan where it is not known.
    """

    name: str
    weight: float
    fold_scores: list[float]
    mean_score: float
    mean_error: float = math.nan
    norm: float = math.nan

    @property
    def single_score(self) -> float:
        """Mean of the fold scores: what to expect of one fold alone; nan without folds."""
        return math.fsum(self.fold_scores) / len(self.fold_scores) if self.fold_scores else math.nan


@dataclass(frozen=True)
class SetScores:
    """Everything scored on one test set.

    Attributes:
        name: of the test set, e.g. `test_a`.
        models: one row each.
        ensemble_score: Spearman of the ensemble, nan where undefined.
        baselines: name -> Spearman.
        num_videos, num_pairs: size of the test set; no pairs means no labels, so there are no scores.
        ensemble_error: `rank_error` of the ensemble.
        concatenation: scores of the concatenation that SVD reduces; nan of other ensembles.
        notes: sentences on these scores.
    """

    name: str
    models: list[ModelScores]
    ensemble_score: float
    baselines: dict[str, float] = field(default_factory=dict)
    num_videos: int = 0
    num_pairs: int = 0
    ensemble_error: float = math.nan
    concatenation: PairScores = UNDEFINED
    notes: tuple[str, ...] = ()


def norm_note(models: list[ModelScores]) -> str:
    """Returns what a sum of embeddings of very different norms means, and what to do; empty where norms are similar."""
    norms = {model.name: model.norm for model in models if model.weight > 0 and model.norm > 0}
    if not norms or max(norms.values()) <= MAX_NORM_RATIO * min(norms.values()):
        return ""
    listed = ", ".join(f"{name} {norm:.3g}" for name, norm in norms.items())
    return (
        f"The embeddings of the models differ in their mean norm ({listed}): in the sum a model counts by its weight times"
        " the norm of its embeddings; normalize=True makes it count by its weight alone"
    )

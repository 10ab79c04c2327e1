"""Scores of an ensemble of embeddings and its members on labelled pairs, and how a report shows them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from vsim_tf.ensemble.comparison import Comparison
from vsim_tf.ensemble.score_tables import NOTHING, ScoreTable, score_text
from vsim_tf.evaluation.metrics import UNDEFINED, PairScores

ERRORS_HEADER = ("fold mean", "Spearman", "MSE to rank labels")

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
        smaller: name of a model, or "SVD" -> how many of the first numbers are kept -> Spearman by these.
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
    smaller: Mapping[str, Mapping[int, float]] = field(default_factory=dict)

    @property
    def heading(self) -> str:
        return f"{self.name}: {self.num_videos:,} videos, {self.num_pairs:,} labelled pairs"

    @property
    def is_labelled(self) -> bool:
        return self.num_pairs > 0

    def comparison(self) -> Comparison:
        """Of Spearman's rank correlations."""
        return Comparison(
            self.name, "Spearman", f"{self.num_videos:,} videos, {self.num_pairs:,} pairs",
            {model.name: model.fold_scores for model in self.models}, {model.name: model.mean_score for model in self.models},
            self.ensemble_score, self.baselines,
        )  # fmt: skip

    def tables(self) -> list[ScoreTable]:
        """Spearman of models, ensemble and baselines; of an SVD ensemble, also tables of errors and of smaller embeddings."""
        title = f"Spearman on {self.name} ({self.num_pairs:,} pairs)"
        tables = [ScoreTable(title, self._header(), self._rows(), len(self.models))]
        if errors := self._error_rows():
            tables.append(ScoreTable(f"Errors on {self.name}", ERRORS_HEADER, errors, len(self.models)))
        if self.smaller:
            header = ("Spearman by the first", *map(str, next(iter(self.smaller.values()))))
            rows = [(name, *map(score_text, scores.values())) for name, scores in self.smaller.items()]
            tables.append(ScoreTable(f"Smaller embeddings on {self.name}", header, rows, len(self.models)))
        return tables

    def _numbers_of_folds(self) -> set[int]:
        return {len(model.fold_scores) for model in self.models}

    def _header(self) -> tuple[str, ...]:
        folds = self._numbers_of_folds()
        if len(folds) > 1:
            return "model", "folds", "one fold (mean)", "fold mean", "weight", "ensemble"
        count = max(folds, default=0)
        return "model", f"single fold (mean of {count})", f"{count}-fold mean", "weight", "ensemble"

    def _rows(self) -> list[tuple[str, ...]]:
        """Rows of the table; where models differ in their number of folds, it is the second column."""
        models = [
            (model.name, str(len(model.fold_scores)), score_text(model.single_score), score_text(model.mean_score),
             f"{model.weight:g}", "")
            for model in self.models
        ]  # fmt: skip
        total = math.fsum(model.weight for model in self.models)
        ensemble = ("ensemble", "", "", "", f"{total:g}", score_text(self.ensemble_score))
        baselines = [(f"baseline: {name}", "", "", "", "", score_text(value)) for name, value in self.baselines.items()]
        rows: list[tuple[str, ...]] = [*models, ensemble, *baselines]
        return rows if len(self._numbers_of_folds()) > 1 else [(name, *others) for name, _, *others in rows]

    def _error_rows(self) -> list[tuple[str, str, str]]:
        """Models, concatenation and its SVD (docs/facts_rank1.md 10); of another ensemble none."""
        if math.isnan(self.concatenation.spearman):
            return []
        rows = [(model.name, model.mean_score, model.mean_error) for model in self.models]
        rows += [("concatenation", *self.concatenation), ("SVD", self.ensemble_score, self.ensemble_error)]
        return [(name, score_text(spearman), NOTHING if math.isnan(error) else f"{error:.6f}") for name, spearman, error in rows]


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

"""Scores of classifiers and their ensemble on a labelled test set, and how a report shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vsim_tf.ensemble.class_scores import ClassScores, Member, class_scores
from vsim_tf.ensemble.comparison import Comparison
from vsim_tf.ensemble.score_tables import ScoreTable, score_text
from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1, score_categories
from vsim_tf.records.predictions import Predictions

HEADER = ("model", "mean F1", "level-1 micro", "level-1 macro", "level-2 micro", "level-2 macro", "weight")


@dataclass(frozen=True)
class ClassifierScores:
    """Scores of one classifier on one test set.

    Attributes:
        name: the registered name.
        weight: of its probabilities in the ensemble.
        runs: score of each run.
        mean: score of the mean of the runs' probabilities.
    """

    name: str
    weight: float
    runs: Sequence[HierarchicalF1]
    mean: HierarchicalF1

    def rows(self) -> list[tuple[str, ...]]:
        """Rows of the table: what to expect of one run alone, if there are several, and the mean of all."""
        if len(self.runs) == 1:
            return [f1_row(self.name, self.mean, self.weight)]
        single = HierarchicalF1(*(sum(parts) / len(self.runs) for parts in zip(*self.runs, strict=True)))
        return [
            f1_row(f"{self.name}, one run (mean of {len(self.runs)})", single),
            f1_row(f"{self.name}, mean of {len(self.runs)}", self.mean, self.weight),
        ]


@dataclass(frozen=True)
class ClassSet:
    """Everything scored on one test set.

    Attributes:
        name: of the test set.
        num_videos: all of them labelled.
        models: one entry each.
        ensemble: score of the weighted sum of probabilities.
        baselines: name -> score.
        notes: sentences on these scores.
    """

    name: str
    num_videos: int
    models: Sequence[ClassifierScores]
    ensemble: HierarchicalF1
    baselines: Mapping[str, HierarchicalF1] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_labelled: bool = True

    @property
    def heading(self) -> str:
        return f"{self.name}: {self.num_videos:,} labelled videos"

    def comparison(self) -> Comparison:
        """Of mean F1."""
        return Comparison(
            self.name, "mean F1", f"{self.num_videos:,} videos",
            {model.name: [run.mean for run in model.runs] for model in self.models},
            {model.name: model.mean.mean for model in self.models},
            self.ensemble.mean, {name: score.mean for name, score in self.baselines.items()},
        )  # fmt: skip

    def tables(self) -> list[ScoreTable]:
        """Mean F1 and its four parts of models, ensemble and baselines."""
        models = [row for model in self.models for row in model.rows()]
        others = [f1_row("ensemble", self.ensemble, sum(model.weight for model in self.models))]
        others += [f1_row(f"baseline: {name}", score) for name, score in self.baselines.items()]
        return [ScoreTable(f"F1 on {self.name} ({self.num_videos:,} videos)", HEADER, [*models, *others], len(models))]


def f1_row(name: str, score: HierarchicalF1, weight: float | None = None) -> tuple[str, ...]:
    """A row of the table."""
    return name, score_text(score.mean), *map(score_text, score), "" if weight is None else f"{weight:g}"


def score_classifiers(
    members: Mapping[str, Sequence[Member]], weights: Mapping[str, float], labels: Mapping[str, str], decision: str = "class"
) -> tuple[list[ClassifierScores], HierarchicalF1]:
    """Scores every run, every model and the ensemble.

    Args:
        members: model -> predictions or files of them, one per run.
        weights: model -> weight.
        labels: class of level 2 of each video, by id.
        decision: see `ClassScores.categories`.

    Raises:
        UserError: what `ensemble_scores` refuses, or labels of other videos.
    """
    models = []
    for name, files in members.items():
        where = [name if isinstance(file, Predictions) else file for file in files]
        alone = [class_scores([file], [1.0]).categories(decision) for file in files]
        runs = [score_categories(found, labels, place) for found, place in zip(alone, where, strict=True)]
        mean = mean_of_runs(files).categories(decision)
        models.append(ClassifierScores(name, weights[name], runs, score_categories(mean, labels, name)))
    ensemble = ensemble_scores(members, weights).categories(decision)
    return models, score_categories(ensemble, labels, "the ensemble")


def mean_of_runs(files: Sequence[Member]) -> ClassScores:
    """The mean of the probabilities of a model's runs."""
    return class_scores(files, [1 / len(files)] * len(files))


def ensemble_scores(members: Mapping[str, Sequence[Member]], weights: Mapping[str, float]) -> ClassScores:
    """The weighted sum of the mean probabilities of all models (docs/facts_rank8.md 10).

    Raises:
        UserError: unusable weights, or a file that cannot be read or has other ids or classes than the first.
    """
    files = [file for of_model in members.values() for file in of_model]
    shares = [weights[name] / len(of_model) for name, of_model in members.items() for _ in of_model]
    return class_scores(files, shares)

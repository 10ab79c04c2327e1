"""Sections on classifiers: members, confusion of classes, confident errors, and neighbours."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vsim_tf.ensemble.class_scores import ClassScores, Member
from vsim_tf.ensemble.class_set import ensemble_scores, mean_of_runs
from vsim_tf.ensemble.page.blocks import Block, Card, Gallery, Section, ShownVideo, Table, Text, section
from vsim_tf.ensemble.page.members import gain_blocks, leave_one_out, likeness_blocks
from vsim_tf.ensemble.page.neighbours import Nearest, nearest, neighbours_blocks
from vsim_tf.ensemble.page.plots import heat_map
from vsim_tf.ensemble.page.shown_videos import shown_videos
from vsim_tf.evaluation.hierarchical_f1 import score_categories
from vsim_tf.records.classes import ClassTable
from vsim_tf.records.predictions import Predictions

ERRORS = 20
"""Errors and pairs of classes that are shown."""
NO_CLASSES = "Left out: the classes of these videos are not known."


@dataclass(frozen=True)
class ClassResults:
    """Predictions of a test set.

    Attributes:
        members: mean of the probabilities of each model's runs.
        weights: of the models.
        ensemble: all of them together.
        labels: class of level 2 of each video, by id; none where they are not known.
        decision: see `ClassScores.categories`.
    """

    members: Mapping[str, ClassScores]
    weights: Mapping[str, float]
    ensemble: ClassScores
    labels: Mapping[str, str]
    decision: str = "class"

    @cached_property
    def predicted(self) -> dict[str, str]:
        """The class by the ensemble, by the video's id."""
        return self.ensemble.categories(self.decision)

    @cached_property
    def probabilities(self) -> dict[str, float]:
        """Of the predicted class, by the video's id."""
        shares = self.ensemble.scores / self.ensemble.scores.sum(axis=1, keepdims=True)
        column = {category: number for number, category in enumerate(self.ensemble.classes)}
        return {video: float(row[column[self.predicted[video]]]) for video, row in zip(self.ensemble.ids, shares, strict=True)}

    def mean_f1_of(self, weights: dict[str, float]) -> float:
        """Score of an ensemble of some members."""
        members = {name: [as_predictions(self.members[name])] for name in weights}
        return score_categories(ensemble_scores(members, weights).categories(self.decision), self.labels, "the ensemble").mean

    def note(self, video: str) -> str:
        """The class of a video by the ensemble, and by people where that is another one."""
        known, found = self.labels.get(video, ""), self.predicted[video]
        return f"class {found}" if known in ("", found) else f"class {found}, right is {known}"


def class_results(
    members: Mapping[str, Sequence[Member]], weights: Mapping[str, float], labels: Mapping[str, str], decision: str
) -> ClassResults:
    """Reads the predictions of a test set.

    Args:
        members: of each model, one per run.
        weights: of the models.
        labels: class of level 2 of each video, by id; none where they are not known.
        decision: see `ClassScores.categories`.
    """
    means = {name: mean_of_runs(files) for name, files in members.items()}
    return ClassResults(means, weights, ensemble_scores(members, weights), labels, decision)


def as_predictions(scores: ClassScores) -> Predictions:
    """Probabilities as a member of an ensemble."""
    return Predictions(scores.ids, scores.classes, np.log(np.maximum(scores.scores, np.finfo("f4").tiny)))


def class_sections(results: ClassResults, files: Sequence[str]) -> list[Section]:
    """All sections; those that need what is not there have one sentence.

    Args:
        results: of a test set.
        files: its records, for titles and pictures.
    """
    neighbours = nearest(results.ensemble.ids, results.ensemble.scores)
    wrong = confident_errors(results)
    videos = shown_videos(files, {*wrong, *(video for each in neighbours for video in each.ids)})
    return [
        section("Gain of each member", lambda: _gains(results)),
        section("Agreement of members", lambda: _agreement(results)),
        section("Confusion of classes", lambda: confusion_blocks(results)),
        section("Most confident errors", lambda: _error_blocks(results, wrong, videos)),
        section("Nearest neighbours", lambda: _neighbours(results, neighbours, videos)),
    ]


def _gains(results: ClassResults) -> list[Block]:
    if not results.labels:
        return [Text(NO_CLASSES)]
    return gain_blocks("mean F1", leave_one_out(results.weights, results.mean_f1_of))


def _agreement(results: ClassResults) -> list[Block]:
    found = {name: scores.categories(results.decision) for name, scores in results.members.items()}
    if results.labels:
        found["labels"] = dict(results.labels)
    ids = results.ensemble.ids
    same = [[np.mean([one[video] == other[video] for video in ids]) for other in found.values()] for one in found.values()]
    caption = f"Share of videos to which two members give the same class{', and the right one' if results.labels else ''}"
    return likeness_blocks(list(found), np.array(same), caption, "Agreement is left out: there is a single member.")


def confusion_blocks(results: ClassResults) -> list[Block]:
    """A matrix of level 1, and the pairs of level 2 that are mixed up most often."""
    if not results.labels:
        return [Text(NO_CLASSES)]
    pairs = [(known, results.predicted[video]) for video, known in results.labels.items()]
    parents = ClassTable(tuple(sorted({category for pair in pairs for category in pair})))
    place = {category: parents.parents[number] for number, category in enumerate(parents.ids)}
    counts = np.zeros((len(parents.level1),) * 2, int)
    for known, found in pairs:
        counts[place[known], place[found]] += 1
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = [[str(count) if count else "" for count in row] for row in counts.tolist()]
    caption = "Classes of level 1: videos by their class (rows) and the predicted one (columns); shades are shares of a row"
    matrix = heat_map(caption, shares, parents.level1, parents.level1, texts, ("class", "predicted class"))
    return [matrix, *_worst_pairs(pairs)]


def _worst_pairs(pairs: Sequence[tuple[str, str]]) -> list[Block]:
    of_class = Counter(known for known, _ in pairs)
    mixed = Counter((known, found) for known, found in sorted(pairs) if known != found).most_common(ERRORS)
    if not mixed:
        return [Text("No video is given a wrong class of level 2.")]
    rows = [
        (known, found, "yes" if known[:2] == found[:2] else "no", str(count), f"{count / of_class[known]:.0%}")
        for (known, found), count in mixed
    ]
    header = ("class", "predicted class", "same level 1", "videos", "of the class")
    return [Table(header, rows, "Classes of level 2 that are mixed up most often", texts=3)]


def confident_errors(results: ClassResults, count: int = ERRORS) -> list[str]:
    """Ids of the videos with a wrong class of the largest probabilities; of equal ones the first."""
    wrong = [video for video, known in results.labels.items() if results.predicted[video] != known]
    return sorted(wrong, key=lambda video: -results.probabilities[video])[:count]


def _error_blocks(results: ClassResults, wrong: Sequence[str], videos: Mapping[str, ShownVideo]) -> list[Block]:
    if not results.labels:
        return [Text(NO_CLASSES)]
    if not wrong:
        return [Text("No video is given a wrong class.")]
    said = {video: f"{results.note(video)}; probability {results.probabilities[video]:.0%}" for video in wrong}
    return [Gallery([Card([(videos[video], note)]) for video, note in said.items()])]


def _neighbours(results: ClassResults, neighbours: Sequence[Nearest], videos: Mapping[str, ShownVideo]) -> list[Block]:
    said = (
        f"Videos of the test set, evenly spread over it, and the nearest {len(neighbours[0].found)} others by the cosine of their"
        " class probabilities."
    )
    return neighbours_blocks(neighbours, videos, said, results.note)

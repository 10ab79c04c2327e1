"""Sections on embeddings: predicted and human similarity, members, neighbours, and where the ensemble fails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vsim_tf.ensemble.page.blocks import Block, Card, Gallery, Section, ShownVideo, Text, section
from vsim_tf.ensemble.page.members import gain_blocks, leave_one_out, likeness_blocks
from vsim_tf.ensemble.page.neighbours import Nearest, nearest, neighbours_blocks
from vsim_tf.ensemble.page.plots import DOTS, similarities
from vsim_tf.ensemble.page.shown_videos import shown_videos
from vsim_tf.ensemble.scored import EnsembleResult, ensemble_run
from vsim_tf.evaluation.metrics import pair_rows
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair
from vsim_tf.records.ranks import rank_normalized

ERRORS = 10
"""Pairs that are shown of each kind."""
NO_PAIRS = "Left out: there are no labelled pairs that differ in similarity and in cosine."


@dataclass(frozen=True)
class PairResults:
    """Embeddings of a test set.

    Attributes:
        members: fold mean of each model.
        weights: of the models.
        ensemble: all of them together.
        pairs: labelled pairs of the test set; none where it has no labels.
        method, normalize, center: how models are combined, see `ensemble_run`.
    """

    members: Mapping[str, Embeddings]
    weights: Mapping[str, float]
    ensemble: Embeddings
    pairs: Sequence[Pair] = ()
    method: str = "sum"
    normalize: bool = False
    center: bool = False

    @property
    def are_comparable(self) -> bool:
        """Whether the pairs differ in similarity and in cosine, without which there are no ranks."""
        return all(len(set(values)) > 1 for values in (self.human.tolist(), self.cosines.tolist()))

    @cached_property
    def human(self) -> np.ndarray:
        """Similarity of each pair, `[pairs]`."""
        return pair_rows(self.ensemble.ids, self.pairs)[2]

    @cached_property
    def cosines(self) -> np.ndarray:
        """Cosine of each pair by the ensemble, `[pairs]`."""
        return self.cosines_of(self.ensemble)

    def cosines_of(self, embeddings: Embeddings) -> np.ndarray:
        """Cosine of each pair, `[pairs]`."""
        first, second, _ = pair_rows(embeddings.ids, self.pairs)
        return cosine_similarity(embeddings.values[first], embeddings.values[second])

    def spearman_of(self, weights: dict[str, float]) -> float:
        """Score of an ensemble of some members."""
        members = {name: [self.members[name]] for name in weights}
        run = ensemble_run(members, weights, self.pairs, self.method, self.normalize, center=self.center)
        return run.scores.spearman


def pair_results(result: EnsembleResult, pairs: Sequence[Pair], combination: Mapping[str, Any]) -> PairResults:
    """What the page shows of an ensemble.

    Args:
        result: of a test set, with the fold means.
        pairs: labelled pairs of the test set.
        combination: how models were combined: method, normalize and center of `ensemble_run`.
    """
    weights = {model.name: model.weight for model in result.models}
    how = {name: combination[name] for name in ("method", "normalize", "center")}
    return PairResults(result.means, weights, result.embeddings, pairs, **how)


def pair_sections(results: PairResults, files: Sequence[str]) -> list[Section]:
    """All sections that there is something for; without labels these are the neighbours.

    Args:
        results: of a test set.
        files: its records, for titles and pictures.
    """
    neighbours = nearest(*results.ensemble)
    wrong = rank_errors(results) if results.are_comparable else []
    ids = {video for each in neighbours for video in each.ids} | {video for error in wrong for video in error.pair[:2]}
    videos = shown_videos(files, ids)
    of_labels = [
        section("Predicted and human similarity", lambda: _similarity_blocks(results)),
        section("Gain of each member", lambda: _gains(results)),
        section("Correlation of members", lambda: _correlations(results)),
        section("Largest rank errors", lambda: error_blocks(wrong, videos) if results.are_comparable else [Text(NO_PAIRS)]),
    ]
    return [*(of_labels if results.pairs else []), section("Nearest neighbours", lambda: _neighbours(neighbours, videos))]


def _similarity_blocks(results: PairResults) -> list[Block]:
    if not results.are_comparable:
        return [Text(NO_PAIRS)]
    count = len(results.pairs)
    shades = "; of a stronger colour where there are more" if count > DOTS else ""
    caption = f"Cosine of the ensemble against human similarity, {count:,} pairs{shades}"
    return [similarities(caption, results.human, results.cosines)]


def _gains(results: PairResults) -> list[Block]:
    if not results.are_comparable:
        return [Text(NO_PAIRS)]
    return gain_blocks("Spearman", leave_one_out(results.weights, results.spearman_of))


def _correlations(results: PairResults) -> list[Block]:
    if not results.are_comparable:
        return [Text(NO_PAIRS)]
    columns = [results.cosines_of(member) for member in results.members.values()]
    ranks = [rank_normalized(column) for column in (*columns, results.human)]
    return likeness_blocks(
        [*results.members, "people"], np.corrcoef(ranks),
        "Spearman's correlation of pair cosines of two members, and with human similarity: members that agree less add more", "",
    )  # fmt: skip


@dataclass(frozen=True)
class RankError:
    """A pair that the ensemble ranks otherwise than people.

    Attributes:
        pair: the pair.
        cosine: of the ensemble.
        human_rank, predicted_rank: among all pairs, 0 for the least alike and 1 for the most.
    """

    pair: Pair
    cosine: float
    human_rank: float
    predicted_rank: float

    @property
    def error(self) -> float:
        """Above 0 where the ensemble ranks too high."""
        return self.predicted_rank - self.human_rank


def rank_errors(results: PairResults, count: int = ERRORS) -> list[RankError]:
    """The pairs that are ranked too high by most, then those that are ranked too low by most.

    Of equal errors the first comes first; the same two videos come once, in whatever order and however often they are a pair.
    """
    human, predicted = rank_normalized(results.human), rank_normalized(results.cosines)
    errors = [RankError(*row) for row in zip(results.pairs, results.cosines, human, predicted, strict=True)]
    chosen = []
    for sign in (1, -1):
        largest: dict[frozenset[str], RankError] = {}
        for error in sorted(errors, key=lambda error: -sign * error.error):
            if sign * error.error > 0:
                largest.setdefault(frozenset((error.pair.id_1, error.pair.id_2)), error)
        chosen += list(largest.values())[:count]
    return chosen


def error_blocks(errors: Sequence[RankError], videos: Mapping[str, ShownVideo]) -> list[Block]:
    """Pairs that are ranked too high, and too low."""
    if not errors:
        return [Text("The ensemble ranks all pairs as people do.")]
    blocks: list[Block] = [Text("A rank of 0% is that of the least alike pair, one of 100% that of the most alike one.")]
    for kind, sign in (("More alike for the ensemble than for people:", 1), ("Less alike for the ensemble than for people:", -1)):
        if cards := [_error_card(each, videos) for each in errors if each.error * sign > 0]:
            blocks += [Text(kind), Gallery(cards)]
    return blocks


def _error_card(error: RankError, videos: Mapping[str, ShownVideo]) -> Card:
    people = f"people {error.pair.similarity:.2f} (rank {error.human_rank:.0%})"
    return Card(
        [(videos[error.pair.id_1], ""), (videos[error.pair.id_2], "")],
        f"{people}, cosine {error.cosine:.3f} (rank {error.predicted_rank:.0%})",
    )


def _neighbours(neighbours: Sequence[Nearest], videos: Mapping[str, ShownVideo]) -> list[Block]:
    said = f"Videos of the test set, evenly spread over it, and the nearest {len(neighbours[0].found)} others by cosine."
    return neighbours_blocks(neighbours, videos, said)

"""The videos that an ensemble finds most alike, for some videos of a test set."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.ensemble.page.blocks import Block, Card, Gallery, ShownVideo, Text
from vsim_tf.inference.cosine import l2_normalize

QUERIES, FOUND = 20, 5


class Nearest(NamedTuple):
    """A video and those nearest to it.

    Attributes:
        query: its id.
        found: ids by falling cosine, with their cosines.
    """

    query: str
    found: list[tuple[str, float]]

    @property
    def ids(self) -> list[str]:
        """Ids of all of them."""
        return [self.query, *(video for video, _ in self.found)]


def nearest(ids: Sequence[str], values: np.ndarray, queries: int = QUERIES, found: int = FOUND) -> list[Nearest]:
    """The nearest other videos by cosine, for videos that are evenly spread over a set.

    Args:
        ids: of the videos.
        values: a row of numbers each, `[videos, dim]`.
        queries: for how many videos, at most.
        found: how many, at most; of equal cosines the first.
    """
    unit = l2_normalize(values)
    rows = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), queries)).astype(int))
    cosines = unit[rows] @ unit.T
    cosines[range(len(rows)), rows] = -np.inf
    best = np.argsort(-cosines, axis=1, kind="stable")[:, : min(found, len(ids) - 1)]
    return [
        Nearest(ids[query], [(ids[row], float(cosines[number, row])) for row in best[number]])
        for number, query in enumerate(rows.tolist())
    ]


def neighbours_blocks(
    neighbours: Sequence[Nearest], videos: Mapping[str, ShownVideo], said: str, note: Callable[[str], str] = lambda video: ""
) -> list[Block]:
    """The videos and their neighbours; one sentence where there is a single video.

    Args:
        neighbours: of each video.
        videos: all of them, by id.
        said: how they were found.
        note: what is known of a video, by its id.
    """
    if not any(each.found for each in neighbours):
        return [Text("Neighbours are left out: there is one video.")]
    cards = [
        Card(
            [
                (videos[each.query], note(each.query)),
                *((videos[video], " · ".join(filter(None, (f"{cosine:.3f}", note(video))))) for video, cosine in each.found),
            ]
        )
        for each in neighbours
    ]
    return [Text(said), Gallery(cards)]

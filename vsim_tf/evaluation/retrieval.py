"""Scores of a search by cosine: recall and mean average precision."""

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.records.embeddings import Embeddings

QUERIES_AT_A_TIME = 256


def ranks_of_relevant(embeddings: Embeddings, relevant: Mapping[str, Collection[str]]) -> list[np.ndarray]:
    """Ranks of the videos that are relevant to each query, among all others by falling cosine, from 1 on and ascending.

    Args:
        embeddings: of all videos; equal cosines keep their order.
        relevant: id of a query -> ids of the videos that are to be found; the query itself is none of them.

    Raises:
        UserError: no query, nothing relevant to one, or ids without an embedding.
    """
    rows = {video: row for row, video in enumerate(embeddings.ids)}
    wanted = {query: dict.fromkeys(video for video in videos if video != query) for query, videos in relevant.items()}
    if missing := [video for query, videos in wanted.items() for video in (query, *videos) if video not in rows]:
        raise UserError(f"ids without an embedding: {count_and_first(dict.fromkeys(missing))}")
    if empty := [query for query, videos in wanted.items() if not videos]:
        raise UserError(f"queries to which no other video is relevant: {count_and_first(empty)}")
    if not wanted:
        raise UserError("no query is given; accepted are ids with the ids that are relevant to them")
    queries = [rows[query] for query in wanted]
    found = [np.array([rows[video] for video in videos]) for videos in wanted.values()]
    return [np.sort(ranks[targets]) for ranks, targets in zip(_ranks(embeddings.values, queries), found, strict=True)]


def _ranks(values: np.ndarray, queries: Sequence[int]) -> Iterator[np.ndarray]:
    """Of each query the ranks of all videos, `[videos]`: 0 of itself, the others from 1 on by falling cosine."""
    unit = l2_normalize(values)
    for start in range(0, len(queries), QUERIES_AT_A_TIME):
        part = list(queries[start : start + QUERIES_AT_A_TIME])
        cosines = unit[part] @ unit.T
        cosines[range(len(part)), part] = np.inf
        for row in np.argsort(-cosines, axis=1, kind="stable"):
            ranks = np.empty(len(row), np.int64)
            ranks[row] = np.arange(len(row))
            yield ranks


def retrieval_scores(ranks: Sequence[np.ndarray], at: Sequence[int]) -> dict[str, float]:
    """Means over queries of recall@k = (relevant ones of rank <= k) / (relevant ones), and of average precision.

    Average precision is the mean over the relevant videos of r / rank, where r = 1, 2, ... counts them by rank.

    Args:
        ranks: of each query the ranks of its relevant videos, ascending, from 1 on.
        at: the values of k.
    """
    recalls = {f"recall@{k}": float(np.mean([np.mean(found <= k) for found in ranks])) for k in at}
    precisions = [np.mean(np.arange(1, len(found) + 1) / found) for found in ranks]
    return recalls | {"mean_average_precision": float(np.mean(precisions))}

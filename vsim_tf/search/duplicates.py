"""Groups of vectors that are connected by near-duplicates."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from vsim_tf.search.nearest import ROUNDING, VectorIndex

FIRST_NEIGHBOURS, MORE_NEIGHBOURS = 32, 4
"""Of each vector at first, and times as many where all of them are near."""
PAIRS_AT_A_TIME = 1 << 20
Rows = NDArray[np.int64]


def duplicate_groups(index: VectorIndex, threshold: float) -> list[Rows]:
    """Connected components, of two vectors at least, of the graph of pairs whose inner product is at least the threshold.

    Returns:
        Ascending rows of each group; larger groups first, of equal ones that with the smallest row.
    """
    components = np.arange(len(index.vectors))
    for first, second in near_pairs(index, threshold):
        components = _merged(components, first, second)
    order = np.argsort(components, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(components[order])) + 1)
    return sorted((group for group in groups if len(group) > 1), key=lambda group: (-len(group), group[0]))


def near_pairs(index: VectorIndex, threshold: float) -> Iterator[tuple[Rows, Rows]]:
    """Rows of all pairs that the index finds above the threshold, many at a time; a pair may come again."""
    count = len(index.vectors)
    rows, k = np.arange(count), min(FIRST_NEIGHBOURS, count)
    while len(rows):
        crowded = []
        at_a_time = max(PAIRS_AT_A_TIME // k, 1)
        for part in np.split(rows, range(at_a_time, len(rows), at_a_time)):
            found = index.search(index.vectors[part], k)
            near = (found.products >= threshold - ROUNDING) & (found.rows >= 0)
            yield np.repeat(part, near.sum(axis=1)), found.rows[near]
            crowded.append(part[near[:, -1]])
        rows = np.concatenate(crowded) if k < count else np.zeros(0, np.int64)
        k = min(MORE_NEIGHBOURS * k, count)


def _merged(components: Rows, first: Rows, second: Rows) -> Rows:
    """Numbers of components, `[vectors]`, after those of each pair have become one."""
    size = int(components.max()) + 1
    edges = (np.ones(len(first), bool), (components[first], components[second]))
    _, merged = connected_components(coo_matrix(edges, (size, size)), directed=False)
    result: Rows = merged.astype(np.int64)[components]
    return result

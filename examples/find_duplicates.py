"""Groups of near-duplicates among embeddings: videos that a chain of cosines above a threshold connects, one group a line.

python examples/find_duplicates.py embeddings.npz --threshold=0.95
"""

import argparse

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vsim_tf.records.embeddings import read_embeddings

ROWS = 1024
"""So many videos are compared with all others at a time."""


def duplicates(values: np.ndarray, threshold: float) -> list[np.ndarray]:
    """Rows of each group of two or more, `values` being `[videos, dim]` of unit norm."""
    pairs = [(start, *np.nonzero(values[start : start + ROWS] @ values.T >= threshold)) for start in range(0, len(values), ROWS)]
    first = np.concatenate([start + rows for start, rows, _ in pairs])
    second = np.concatenate([columns for *_, columns in pairs])
    graph = coo_array((np.ones(len(first), bool), (first, second)), shape=(len(values),) * 2)
    count, group = connected_components(graph, directed=False)
    return [
        rows
        for rows in np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group, minlength=count))[:-1])
        if len(rows) > 1
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("embeddings", help="what embed_table.py or inference_pair.py wrote")
    parser.add_argument("--threshold", type=float, default=0.95)
    options = parser.parse_args()
    embeddings = read_embeddings(options.embeddings)
    values = embeddings.values.astype(np.float32)
    values /= np.linalg.norm(values, axis=1, keepdims=True)
    for rows in duplicates(values, options.threshold):
        print(*(embeddings.ids[row] for row in rows))


if __name__ == "__main__":
    main()

"""Labels with the similarity that pre-trained models see: python -m benchmarks.soft_labels soft|pseudo DATA_DIR OUTPUT_DIR RUN...

The runs are pre-trainings, which labels have taught nothing but the exponent of a linear embedding. `soft` replaces the
label of a pair by 0.7 of its rank among the labels and 0.3 of its rank by the runs' mean cosine, both from 0 to 1. `pseudo`
keeps the labels, and adds half as many pairs, each of a video and its nearest neighbour by all runs, with the label that
has the rank of their cosine among labelled pairs. The folder has the records of `DATA_DIR/pairwise` and the new label.tsv,
for `write_tfrecord.py`.
"""

import os
import shutil
import sys
from pathlib import Path

import numpy as np

import vsim_tf
from vsim_tf.evaluation.metrics import pair_rows
from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.records.labels import Pair, read_labels, write_labels
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.videos import parse_example, read_id

TAUGHT = 0.3
"""Part of the runs' similarity in a soft label."""
ADDED = 0.5
"""Pseudo-labelled pairs for each labelled one."""


def main(kind: str, data_dir: str, output_dir: str, *runs: str) -> None:
    data, output = Path(data_dir) / "pairwise", Path(output_dir) / "pairwise"
    ids, embeddings = embed(str(data / "*.tfrecords"), runs)
    labelled = read_labels(data / "label.tsv")
    first, second, labels = pair_rows(ids, labelled)
    cosines = np.sum(embeddings[first] * embeddings[second], axis=1)
    pairs = soft(labelled, cosines) if kind == "soft" else [*labelled, *pseudo(ids, embeddings, labelled, cosines, labels)]
    output.mkdir(parents=True, exist_ok=True)
    for file in expand_pattern(str(data / "*.tfrecords")):
        shutil.copy(file, output)
    write_labels(output / "label.tsv", pairs)
    print(f"{output / 'label.tsv'}: {len(pairs):,} pairs, of which {len(labelled):,} are labelled")


def embed(pattern: str, runs: tuple[str, ...]) -> tuple[list[str], np.ndarray]:
    """Ids and embeddings of all runs side by side, whose dot product is the mean cosine."""
    files = expand_pattern(pattern)
    index = RecordIndex(files)
    ids = [read_id(parse_example(record, where), where) for where, record in index.named(np.arange(len(index)))]
    of_runs = [np.concatenate([vsim_tf.load(run).encode(file, normalize=True) for file in files]) for run in runs]
    return ids, l2_normalize(np.concatenate(of_runs, axis=1))


def soft(labelled: list[Pair], cosines: np.ndarray) -> list[Pair]:
    ranks = rank_normalized(np.array([pair.similarity for pair in labelled]))
    values = (1 - TAUGHT) * ranks + TAUGHT * rank_normalized(cosines)
    return [pair._replace(similarity=value) for pair, value in zip(labelled, values.tolist(), strict=True)]


def pseudo(ids: list[str], embeddings: np.ndarray, labelled: list[Pair], cosines: np.ndarray, labels: np.ndarray) -> list[Pair]:
    known = {frozenset(pair[:2]) for pair in labelled}
    products = embeddings @ embeddings.T
    np.fill_diagonal(products, -1)
    nearest = products.argmax(axis=1)
    found = {frozenset((ids[row], ids[neighbour])): products[row, neighbour] for row, neighbour in enumerate(nearest.tolist())}
    new = [pair for pair in found if pair not in known]
    chosen = np.random.default_rng(0).permutation(len(new))[: round(ADDED * len(labelled))]
    added = [new[number] for number in chosen]
    similar = np.interp([found[pair] for pair in added], np.sort(cosines), np.sort(labels))
    return [Pair(*sorted(pair), value) for pair, value in zip(added, similar.tolist(), strict=True)]


if __name__ == "__main__":
    if len(sys.argv) < 5 or sys.argv[1] not in ("soft", "pseudo"):
        raise SystemExit(__doc__)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])

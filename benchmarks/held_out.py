"""A development split of the training data: python -m benchmarks.held_out DATA_DIR OUTPUT_DIR FRAME_EMBEDDING_SIZE

Choices that test_a of a small set has made say nothing of test_a any more. This makes a data folder of the labelled and tagged
videos of another alone: groups of videos that are alike (the same title, the same rare tags, or a pair of similarity 0.95) are
kept together, three of ten groups become test_a with the pairs within them, and the rest is trained on. Pairs of both sides are
left out. Those that differ most are lost by that, so pairs of held-out videos without a common tag or category join test_a as of
similarity 0, until they are four of ten, if there are as many.
"""

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.records.labels import Pair, read_labels, write_labels
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.tfrecords import expand_pattern, write_records

HELD_OUT, ZEROS, SEED = 0.3, 0.4, 0
TRIES = 100
"""Draws for each pair of similarity 0: where nearly all videos have a tag in common there are fewer such pairs."""
SHORTEST_TITLE, RARE, ALIKE = 3, 40, 0.95
"""Letters of a title, videos with the same tags, and similarity of a pair that make videos alike."""


def main(data_dir: str, output_dir: str, frame_embedding_size: str) -> None:
    data, output, random = Path(data_dir), Path(output_dir), np.random.default_rng(SEED)
    files = expand_pattern(str(data / "pointwise" / "*.tfrecords"))
    index = RecordIndex(files)
    videos = sample_raw_videos(files, int(frame_embedding_size))
    tagged = set(videos.ids)
    pairs = [pair for pair in read_labels(data / "pairwise" / "label.tsv") if {pair.id_1, pair.id_2} <= tagged]
    if not pairs:
        sys.exit(f"{data}: no labelled pair is one of two tagged videos, of which a split could be made")
    group = groups(videos, pairs)
    held = np.isin(group, random.permutation(group.max() + 1)[: round(HELD_OUT * (group.max() + 1))])
    of_test = dict(zip(videos.ids, held.tolist(), strict=True))
    within = [pair for pair in pairs if of_test[pair.id_1] and of_test[pair.id_2]]
    tested = [*within, *zeros(videos, np.flatnonzero(held), within, random)]
    trained = [pair for pair in pairs if not of_test[pair.id_1] and not of_test[pair.id_2]]
    for name, ids, labelled in (
        ("pointwise", {video for video, is_held in of_test.items() if not is_held}, []),
        ("pairwise", ids_of(trained), trained),
        ("test_a", ids_of(tested), tested),
    ):
        (output / name).mkdir(parents=True, exist_ok=True)
        numbers = np.array([row for row, video in enumerate(videos.ids) if video in ids])
        records = (record for _, record in index.named(numbers))
        print(f"{name}: {write_records(output / name / f'{name}.tfrecords', records):,} videos, {len(labelled):,} pairs")
        if labelled:
            write_labels(output / name / "label.tsv", labelled)
    for name in ("tag_list.txt", "vocab.txt"):
        if (data / name).exists():
            shutil.copy(data / name, output / name)


def groups(videos: RawVideos, pairs: Sequence[Pair]) -> np.ndarray:
    """Number of the group of each video, `[videos]`."""
    rows = {video: row for row, video in enumerate(videos.ids)}
    links = [(rows[pair.id_1], rows[pair.id_2]) for pair in pairs if pair.similarity >= ALIKE]
    tags = [tuple(sorted(tags)) for tags in videos.tags]
    for chain in same([title if len(title.strip()) >= SHORTEST_TITLE else "" for title in videos.titles]):
        links += pairwise(chain)
    for chain in same(tags):
        links += pairwise(chain) if len(chain) <= RARE else []
    first, second = np.array(links, np.int64).reshape(-1, 2).T
    graph = coo_array((np.ones(len(links)), (first, second)), shape=(len(rows), len(rows)))
    return connected_components(graph, directed=False)[1]


def same(keys: Sequence) -> Iterator[list[int]]:
    """Rows with the same key; those of an empty one are not alike."""
    ordered = sorted(range(len(keys)), key=lambda row: keys[row])
    yield from (list(rows) for key, rows in groupby(ordered, key=lambda row: keys[row]) if key)


def zeros(videos: RawVideos, held: np.ndarray, pairs: Sequence[Pair], random: np.random.Generator) -> list[Pair]:
    """Pairs of held-out videos without a common tag or category."""
    tags = [set(tags) for tags in videos.tags]
    known, found = {frozenset(pair[:2]) for pair in pairs}, []
    there = sum(pair.similarity == 0 for pair in pairs)
    wanted = max(round((ZEROS * len(pairs) - there) / (1 - ZEROS)), 0)
    for _ in range(TRIES * wanted):
        if len(found) == wanted:
            break
        first, second = random.choice(held, 2, replace=False).tolist()
        pair = Pair(videos.ids[first], videos.ids[second], 0.0)
        if not tags[first] & tags[second] and frozenset(pair[:2]) not in known:
            known.add(frozenset(pair[:2]))
            found.append(pair)
    return found


def ids_of(pairs: Iterable[Pair]) -> set[str]:
    return {video for pair in pairs for video in pair[:2]}


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    main(*sys.argv[1:])

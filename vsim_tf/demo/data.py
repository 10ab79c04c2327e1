"""Demo data in the contest's format, of any size, with something in it to learn.

Two videos are the more similar the longer their paths in the tree of `demo_world` run together, plus noise, on the
contest's 0.05 grid with its histogram.
"""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from vsim_tf.demo import world as demo_world
from vsim_tf.demo.folder import DemoSet
from vsim_tf.demo.world import World
from vsim_tf.io.paths import PAIRWISE, POINTWISE, TAGS, TEST_A, TEST_B, pairwise_labels, set_labels, set_records
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record

_CONTEST_HISTOGRAM = (  # pairs at similarity 0, 0.05, ..., 1 in the contest's label file
    24692,
    3743,
    2591,
    2066,
    1307,
    1058,
    1126,
    1578,
    1572,
    1368,
    4718,
    1960,
    2081,
    1929,
    1192,
    794,
    855,
    1315,
    1301,
    1202,
    9451,
)
_DEPTH_SHARES = (0.40, 0.11, 0.14, 0.17, 0.18)  # of pairs whose paths have 0, 1, ... 4 nodes in common
_DEPTH_SIMILARITY = np.array([0.0, 0.2, 0.4, 0.65, 1.0])
_SIMILARITY_NOISE = 0.1
_CONFUSABLE_SHARE = 0.5  # of pairs without a common node: those that share words or looks
_POINTWISE_FILES = 3


class _VideoSet(NamedTuple):
    """Videos of one part of the data: ids and leaves, `[videos]` each."""

    ids: list[str]
    leaves: np.ndarray


def write_demo_data(
    output_dir: str,
    *,
    num_pointwise: int = 3000,
    num_pairwise_videos: int = 1200,
    num_pairs: int = 1650,
    num_test_videos: int = 400,
    num_test_pairs: int = 1000,
    frame_embedding_size: int = 128,
    seed: int = 2021,
) -> bool:
    """Write a demo data set in the contest's format; equal arguments give equal files.

    The folder appears complete or not at all. It holds `pointwise/pretrain_{0..2}.tfrecords`,
    `pairwise/{pairwise.tfrecords,label.tsv}`, `tag_list.txt` and `test_{a,b}/{test_{a,b}.tfrecords,label.tsv}`; test
    videos have no tags and occur nowhere else; test_b has a video with an empty title and one with a single frame.

    Args:
        output_dir: the folder, which must be new or empty, or hold the same data set.
        num_pointwise: tagged videos for pre-training.
        num_pairwise_videos: tagged videos for the pairs.
        num_pairs: labelled pairs of them.
        num_test_videos: videos of each of test_a and test_b.
        num_test_pairs: labelled pairs of each.
        frame_embedding_size: values of a frame.
        seed: seed of everything.

    Returns:
        Whether something was written; False if the folder holds this data set already.

    Raises:
        UserError: a size below 1 (videos with pairs: below 10), a folder that holds something else or cannot be
            written, or another process that writes it.
    """
    return CONTEST.write(output_dir, {name: value for name, value in locals().items() if name != "output_dir"})


def _write_all(folder: Path, parameters: Mapping[str, int]) -> None:
    seed = parameters["seed"]
    world = demo_world.make_world(np.random.default_rng([seed, 0]), parameters["frame_embedding_size"])
    sizes = [parameters["num_pointwise"], parameters["num_pairwise_videos"], *[parameters["num_test_videos"]] * 2]
    ids = iter(random.Random(seed).sample(range(10**15, 9 * 10**18), sum(sizes)))
    leaf_rng = np.random.default_rng([seed, 1])
    leaves = (leaf_rng.choice(demo_world.NUM_LEAVES, size, p=world.popularity) for size in sizes)
    pointwise, pairwise, test_a, test_b = (_VideoSet([str(next(ids)) for _ in part], part) for part in leaves)

    for part in range(_POINTWISE_FILES):
        videos = _VideoSet(pointwise.ids[part::_POINTWISE_FILES], pointwise.leaves[part::_POINTWISE_FILES])
        _write_videos(folder / POINTWISE / f"pretrain_{part}.tfrecords", world, videos, np.random.default_rng([seed, 2, part]))
    _write_videos(folder / PAIRWISE / f"{PAIRWISE}.tfrecords", world, pairwise, np.random.default_rng([seed, 3]))
    _write_pairs(pairwise_labels(folder), world, pairwise, parameters["num_pairs"], np.random.default_rng([seed, 4]))
    for part, (name, videos) in enumerate(((TEST_A, test_a), (TEST_B, test_b))):
        _write_videos(
            set_records(folder, name),
            world,
            videos,
            np.random.default_rng([seed, 5, part]),
            is_test=True,
            with_extremes=name == TEST_B,
        )
        _write_pairs(
            set_labels(folder, name),
            world,
            videos,
            parameters["num_test_pairs"],
            np.random.default_rng([seed, 6, part]),
        )
    tags = np.random.default_rng([seed, 7]).permutation(world.tags)
    (folder / TAGS).write_text("".join(f"{tag}\n" for tag in tags), encoding="utf-8")


CONTEST = DemoSet(
    {"version": 2},
    write_demo_data.__kwdefaults__ or {},
    {"num_pairwise_videos": 10, "num_test_videos": 10, "seed": 0},
    _write_all,
)


def _write_videos(
    path: Path,
    world: World,
    videos: _VideoSet,
    rng: np.random.Generator,
    is_test: bool = False,
    with_extremes: bool = False,
) -> None:
    path.parent.mkdir(exist_ok=True)
    records = _video_records(world, videos, rng, is_test, with_extremes)
    write_records(path, tqdm(records, desc=path.name, total=len(videos.ids), unit="video", disable=None))


def _video_records(
    world: World, videos: _VideoSet, rng: np.random.Generator, is_test: bool, with_extremes: bool
) -> Iterator[bytes]:
    for number, (video_id, leaf) in enumerate(zip(videos.ids, videos.leaves, strict=True)):
        title, asr_text = demo_world.title(world, leaf, rng), demo_world.asr_text(world, leaf, rng)
        frames = demo_world.frames(world, leaf, rng)
        tags = None if is_test else demo_world.tags(world, leaf, rng)
        category = None if is_test else demo_world.category(world, leaf)
        if with_extremes:
            title = "" if number == 0 else title
            frames = frames[:1] if number == 1 else frames
        yield video_record(video_id, title, frames, asr_text, tags, category)


def _write_pairs(path: Path, world: World, videos: _VideoSet, count: int, rng: np.random.Generator) -> None:
    pairs, depths = _draw_pairs(world, videos.leaves, count, rng)
    similarities = _similarities(depths, rng)
    lines = (f"{videos.ids[a]}\t{videos.ids[b]}\t{similarity}\n" for (a, b), similarity in zip(pairs, similarities, strict=True))
    path.write_text("".join(lines), encoding="utf-8")


def _draw_pairs(
    world: World, leaves: np.ndarray, count: int, rng: np.random.Generator
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Pairs of positions, and how many nodes their paths have in common, `[pairs]`."""
    paths = world.paths[leaves]
    pairs: list[tuple[int, int]] = []
    depths = []
    first = np.resize(rng.permutation(len(leaves)), count)
    for a, depth in zip(first, rng.choice(len(_DEPTH_SHARES), count, p=_DEPTH_SHARES), strict=True):
        common = (paths == paths[a]).sum(axis=1)
        common[a] = -1
        while not (common == depth).any():
            depth = (depth - 1) % len(_DEPTH_SHARES)
        candidates = common == depth
        if depth == 0 and rng.random() < _CONFUSABLE_SHARE:
            alike = candidates & ((world.text[leaves] == leaves[a]) | (world.looks[leaves] == world.looks[leaves[a]]))
            candidates = alike if alike.any() else candidates
        pairs.append((int(a), rng.choice(np.flatnonzero(candidates))))
        depths.append(depth)
    return pairs, np.array(depths)


def _similarities(depths: np.ndarray, rng: np.random.Generator) -> list[float]:
    """Similarities of pairs with so many nodes in common, `[pairs]`: noisy, and with the contest's histogram."""
    scores = _DEPTH_SIMILARITY[depths] + _SIMILARITY_NOISE * rng.standard_normal(len(depths))
    ranks = np.argsort(np.argsort(scores, kind="stable"))
    shares = np.cumsum(_CONTEST_HISTOGRAM) / np.sum(_CONTEST_HISTOGRAM)
    return [round(float(step) / 20, 2) for step in np.searchsorted(shares, (ranks + 0.5) / len(depths))]

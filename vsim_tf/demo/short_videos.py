"""Demo data in the format of the WeChat contest of 2022, of any size, with something in it to learn."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from vsim_tf.demo import class_world, pictures
from vsim_tf.demo.class_world import NUM_CLASSES, ClassWorld, Texts
from vsim_tf.demo.folder import DemoSet
from vsim_tf.demo.video_files import write_frame_zip, write_video_file
from vsim_tf.io.files import output_file
from vsim_tf.io.paths import (
    CLASSES,
    LABELED,
    TEST_A,
    TEST_B,
    UNLABELED,
    VIDEO_FILES,
    annotation_file,
    category_labels,
    frame_folder,
)
from vsim_tf.records.category_files import write_categories
from vsim_tf.records.classes import ClassTable, write_class_table
from vsim_tf.text.tokenizers import VOCAB_FILE, build_vocab

SPLITS = {UNLABELED: "num_unlabeled", LABELED: "num_labeled", TEST_A: "num_test_videos", TEST_B: "num_test_videos"}
"""The parts of the data, and the size that says how many videos each has."""
MOST_FRAMES = 8
_AT_LEAST = 5
"""Labelled videos of each class: one for each fold."""


class _Video(NamedTuple):
    """A video to write; frames are `[frames, size, size, 3]` uint8."""

    id: str
    category: str
    texts: Texts
    frames: np.ndarray

    def annotation(self, labelled: bool) -> dict[str, object]:
        """What the contest's annotation file has of it."""
        title, ocr, asr = self.texts
        known: dict[str, object] = {"id": self.id, "title": title, "asr": asr, "ocr": [{"text": text} for text in ocr]}
        return known | ({"category_id": self.category} if labelled else {})


def write_short_videos(
    output_dir: str,
    *,
    num_unlabeled: int = 800,
    num_labeled: int = 800,
    num_test_videos: int = 400,
    num_video_files: int = 4,
    picture_size: int = 64,
    seed: int = 2021,
) -> bool:
    """Write a demo data set in the contest's format; equal arguments give equal files.

    The folder appears complete or not at all. It holds `annotations/{unlabeled,labeled,test_a,test_b}.json`, for each of the
    four `frames/SPLIT/LAST3/ID.zip` with 1 to 8 JPEG pictures a video, some labelled ones as `videos/ID.mp4`, too, the classes
    of test_a in `test_a_labels.tsv`, all classes in `category_ids.txt`, and a vocabulary of the texts to train on in
    `vocab.txt`.

    Args:
        output_dir: the folder, which must be new or empty, or hold the same data set.
        num_unlabeled: videos without a class.
        num_labeled: videos with a class.
        num_test_videos: videos of each of test_a and test_b.
        num_video_files: labelled videos that are there as .mp4 files, too.
        picture_size: height and width of a frame.
        seed: seed of everything.

    Returns:
        Whether something was written; False if the folder holds this data set already.

    Raises:
        UserError: a size that is too small, a folder that holds something else or cannot be written, or another process that
            writes it.
    """
    return SHORT_VIDEOS.write(output_dir, {name: value for name, value in locals().items() if name != "output_dir"})


def _write_all(folder: Path, sizes: Mapping[str, int]) -> None:
    seed = sizes["seed"]
    world = class_world.make_class_world(np.random.default_rng([seed, 0]))
    ids = map(str, random.Random(seed).sample(range(10**15, 10**16), sum(sizes[size] for size in SPLITS.values())))
    known: list[Texts] = []
    for part, (split, size) in enumerate(SPLITS.items()):
        rng = np.random.default_rng([seed, 1, part])
        numbers = _class_numbers(world, sizes[size], split == LABELED, rng)
        videos = (_draw_video(world, next(ids), number, sizes["picture_size"], rng) for number in numbers)
        written = _write_split(
            folder, split, tqdm(videos, desc=split, total=len(numbers), unit="video", disable=None), sizes["num_video_files"]
        )
        if split in (UNLABELED, LABELED):
            known += [video.texts for video in written]
    write_class_table(folder / CLASSES, ClassTable(tuple(map(class_world.category, range(NUM_CLASSES)))))
    vocabulary = build_vocab([text for texts in known for text in (texts.title, *texts.ocr, texts.asr)], "bert")
    (folder / VOCAB_FILE).write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")


def _class_numbers(world: ClassWorld, count: int, every: bool, rng: np.random.Generator) -> list[int]:
    """The class of each video; `every`: of each class there are some."""
    some = np.repeat(np.arange(NUM_CLASSES), _AT_LEAST if every else 0)
    drawn = rng.choice(NUM_CLASSES, count - len(some), p=world.popularity)
    numbers: list[int] = rng.permutation(np.concatenate([some, drawn])).tolist()
    return numbers


def _draw_video(world: ClassWorld, video_id: str, number: int, size: int, rng: np.random.Generator) -> _Video:
    texts, scene = class_world.draw_texts(world, number, rng), pictures.draw_scene(int(world.looks[number]), rng)
    frames = [pictures.draw_frame(scene, place, size, rng) for place in range(rng.integers(1, MOST_FRAMES + 1))]
    return _Video(video_id, class_world.category(number), texts, np.stack(frames))


def _write_split(folder: Path, split: str, videos: Iterator[_Video], num_video_files: int) -> list[_Video]:
    """Writes all files of a part of the data; returns its videos without their frames."""
    written: list[_Video] = []
    for video in videos:
        write_frame_zip(frame_folder(folder, split), video.id, video.frames)
        if split == LABELED and len(written) < num_video_files:
            write_video_file(folder / VIDEO_FILES / f"{video.id}.mp4", video.frames)
        written.append(video._replace(frames=video.frames[:0]))
    annotations = [video.annotation(split == LABELED) for video in written]
    with output_file(annotation_file(folder, split)) as file:
        file.write(json.dumps(annotations, ensure_ascii=False).encode())
    if split == TEST_A:
        labels = {video.id: video.category for video in written}
        write_categories(category_labels(folder, split), labels, labels)
    return written


SHORT_VIDEOS = DemoSet(
    {"system": "wbdc2022_rank8", "version": 1},
    write_short_videos.__kwdefaults__ or {},
    {"num_labeled": NUM_CLASSES * _AT_LEAST, "num_test_videos": 10, "num_video_files": 0, "picture_size": 16, "seed": 0},
    _write_all,
)

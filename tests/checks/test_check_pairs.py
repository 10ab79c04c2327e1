"""Data folders of pairs: a sound one, and every way to spoil a part of one."""

import shutil
from pathlib import Path

import pytest
import toys
from toy_folders import FRAMES, assert_said, said, videos
from toy_towers import note_tower

from vsim_tf.checks.folder import check_folder
from vsim_tf.demo.data import write_demo_data
from vsim_tf.records.videos import video_record


@pytest.fixture
def pairs(tmp_path) -> Path:
    """A folder with videos a, b, c of pairs, d and e to pre-train on, and a test set of f and g."""
    for name, ids in {"pointwise": "de", "pairwise": "abc", "test_a": "fg"}.items():
        (tmp_path / name).mkdir()
        toys.write_records(tmp_path / name / f"{name}.tfrecords", videos(*ids))
    (tmp_path / "pairwise/label.tsv").write_text("a\tb\t0.3\nb\tc\t1\n")
    (tmp_path / "test_a/label.tsv").write_text("f\tg\t0\n")
    (tmp_path / "tag_list.txt").write_text("3\n4\n")
    return tmp_path


def test_a_sound_folder_of_pairs(pairs):
    report = check_folder(pairs)
    assert (report.kind, said(report), report.notes) == ("pairs", [], [])
    names = [section.name for section in report.sections]
    assert names == ["tag_list.txt", "pointwise", "pairwise", "pairwise/label.tsv", "test_a", "test_a/label.tsv"]
    assert report.sections[0].figures == {"tags": 2}
    labels = report.sections[3]
    assert labels.figures == {"pairs": 2, "videos": 3, "mean similarity": 0.65}
    assert labels.histograms["similarity from"].counts == {3: 1, 10: 1}


def test_features_of_two_towers(pairs):
    note_tower(pairs / "pointwise/pointwise.tfrecords", "a")
    assert said(check_folder(pairs)) == []
    note_tower(pairs / "test_a/test_a.tfrecords", "b")
    assert_said(check_folder(pairs), ["features of two towers: pointwise/pointwise.tfrecords has those of /models/a, test_a/"])


def rewrite(file: str, *contents: bytes):
    return lambda folder: toys.write_records(folder / file, contents)


def remove(file: str):
    return lambda folder: (folder / file).unlink()


def text(file: str, content: str):
    return lambda folder: (folder / file).write_text(content)


NOT_THERE = "no video of pairwise has the id"
COPY = "is a copy of test_a/test_a.tfrecords, record 0; each id may occur once here"
SPOILED = {
    "unknown ids": (
        text("pairwise/label.tsv", "a\tx\t0.3\ny\ty\t1\n"),
        [f"pairwise/label.tsv, line 1: {NOT_THERE} 'x'", f"pairwise/label.tsv, line 2: {NOT_THERE} 'y'"],
    ),
    "similarities of another scale": (
        text("pairwise/label.tsv", "a\tb\t3\nb\tc\t5\na\tc\t1\n"),
        [
            "pairwise/label.tsv, line 1: 'a\\tb\\t3' has the similarity 3; expected a number from 0 to 1. The file has",
            "pairwise/label.tsv, line 2: 'b\\tc\\t5' has the similarity 5; expected a number from 0 to 1",
        ],
    ),
    "lines of other forms": (
        text("test_a/label.tsv", "f\tg\nf\tg\t1\n\tg\t1\n"),
        ["test_a/label.tsv, line 1: 'f\\tg' has 2 tab", "test_a/label.tsv, line 3: '\\tg\\t1' has the id ''"],
    ),
    "an empty label file": (text("test_a/label.tsv", ""), ["test_a/label.tsv: the file is empty"]),
    "lines that are no tags": (text("tag_list.txt", "3\nx\n1.5\n"), ["tag_list.txt, line 2: 'x'", "tag_list.txt, line 3: '1.5'"]),
    "an empty tag list": (text("tag_list.txt", ""), ["tag_list.txt: the file is empty"]),
    "tags of other videos": (
        text("tag_list.txt", "4\n"),
        [
            "pointwise/pointwise.tfrecords: of 2 videos looked at, none has a tag of tag_list.txt, but 2 other tags",
            "pairwise/pairwise.tfrecords: of 3 videos looked at, none has a tag of tag_list.txt, but 3 other tags",
        ],
    ),
    "a frame of another length": (
        rewrite("test_a/test_a.tfrecords", *videos("f"), video_record("g", "", FRAMES[:, 1:])),
        ["test_a/test_a.tfrecords, record 1, video 'g': frame 0 has 10 bytes; expected 12"],
    ),
    "a repeated id in a test set": (
        rewrite("test_a/test_a.tfrecords", *videos("f", "g"), *videos("f")),
        [f"test_a/test_a.tfrecords, record 2, video 'f': {COPY}"],
    ),
    "an empty record file": (rewrite("pointwise/pointwise.tfrecords"), ["'pointwise/pointwise.tfrecords' is empty"]),
    "an empty folder": (remove("pointwise/pointwise.tfrecords"), ["'pointwise/*.tfrecords' matches no file"]),
    "a test set of another name": (
        lambda folder: (folder / "test_a/test_a.tfrecords").rename(folder / "test_a/videos.tfrecords"),
        ["test_a/test_a.tfrecords does not exist; rename videos.tfrecords"],
    ),
    "a test set without videos": (remove("test_a/test_a.tfrecords"), ["'test_a/*.tfrecords' matches no file"]),
}


@pytest.mark.parametrize("case", SPOILED)
def test_every_problem_of_pairs(pairs, case):
    spoil, expected = SPOILED[case]
    spoil(pairs)
    assert_said(check_folder(pairs), expected)


def test_parts_that_are_missing_are_noted(pairs):
    for name in ("pointwise", "test_a"):
        shutil.rmtree(pairs / name)
    for name in ("tag_list.txt", "pairwise/label.tsv"):
        (pairs / name).unlink()
    report = check_folder(pairs)
    assert (said(report), len(report.notes)) == ([], 4)


def test_repeated_pairs_are_noted(pairs):
    (pairs / "pairwise/label.tsv").write_text("a\tb\t0.3\na\tb\t0.3\nb\ta\t1\n")
    report = check_folder(pairs)
    assert said(report) == []
    assert report.notes == [
        f"{pairs}/pairwise/label.tsv: 1 pairs repeat an earlier one, 1 in reversed order",
        f"{pairs}/pairwise/label.tsv: 1 pairs have different similarities, all of which are used",
    ]


def test_labels_of_videos_that_were_not_looked_at(pairs):
    report = check_folder(pairs, records_per_file=2)
    assert said(report) == []
    file = pairs / "pairwise/pairwise.tfrecords"
    assert report.notes[1] == f"the first 2 records or videos alone were looked at (records_per_file) of 1: {file}"
    assert report.notes[0].startswith(f"{pairs}/pairwise/label.tsv: its ids are not compared")


def test_a_feature_dimension_that_is_asked_for(pairs):
    assert len(said(check_folder(pairs, frame_embedding_size=9))) == 7
    assert len(said(check_folder(pairs, frame_embedding_size=9, max_problems=1))) == 3


def test_demo_data_are_sound(tmp_path):
    sizes = {"num_pointwise": 30, "num_pairwise_videos": 40, "num_pairs": 60, "num_test_videos": 20, "num_test_pairs": 20}
    write_demo_data(str(tmp_path / "demo"), **sizes, frame_embedding_size=8)
    assert said(check_folder(tmp_path / "demo")) == []

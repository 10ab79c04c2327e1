"""Records of short videos in classes: a sound folder, and what is wrong with others."""

from pathlib import Path

import pytest
import toy_short_videos
import toys
from toy_folders import assert_said, said, videos

from vsim_tf.checks.folder import check_folder


@pytest.fixture
def classes(tmp_path) -> Path:
    """Records of 30 videos of 5 classes, and of others without."""
    for split in ("unlabeled", "labeled", "test_b"):
        (tmp_path / split).mkdir()
        for kind in ("pictures", "features"):
            count = 30 if split == "labeled" else 4
            contents = toy_short_videos.short_videos(count, pictures=kind == "pictures")
            toys.write_records(tmp_path / split / f"{kind}.tfrecords", contents)
    return tmp_path


def test_a_sound_folder_of_classes(classes):
    report = check_folder(classes)
    assert (report.kind, said(report), report.notes) == ("classes", [], [])
    assert [section.name for section in report.sections][-3:] == ["test_b/features", "test_b/pictures", "classes"]
    assert report.sections[-1].figures == {"level 1": 3, "level 2": 5, "labelled videos": 30, "fewest": 6, "most": 6}
    assert report.sections[-1].categories == dict.fromkeys(toy_short_videos.CATEGORIES, 6)


def test_every_problem_of_classes(classes):
    toys.write_records(classes / "labeled/pictures.tfrecords", videos("7", category=1))
    (classes / "test_a").mkdir()
    assert_said(
        check_folder(classes),
        [
            "labeled/pictures.tfrecords, record 0, video '7': the key 'frame_picture' is missing",
            "test_a: no records, features*.tfrecords or pictures*.tfrecords",
        ],
    )


def test_a_list_of_other_classes_is_noted_because_models_learn_those_of_the_videos(classes):
    (classes / "category_ids.txt").write_text("0000\n0001\n0100\n0101\n0300\n")
    report = check_folder(classes)
    assert said(report) == [] and report.notes[-2:] == [
        f"{classes}/category_ids.txt: classes without a labelled video, which models do not learn: 1: 0300",
        f"{classes}/category_ids.txt: lacks classes of labelled videos, which models learn: 1: 0200",
    ]


@pytest.mark.parametrize(("count", "said_of_it"), [(20, "no class has 5 labelled videos"), (21, None)])
def test_classes_that_do_not_fill_the_folds(classes, count, said_of_it):
    """21 videos of 5 classes: the first has 5, the others 4."""
    for kind in ("pictures", "features"):
        contents = toy_short_videos.short_videos(count, pictures=kind == "pictures")
        toys.write_records(classes / f"labeled/{kind}.tfrecords", contents)
    report = check_folder(classes)
    if said_of_it:
        assert said_of_it in said(report)[0]
    else:
        assert said(report) == []
        assert "fewer than 5 videos, which some folds do not validate on: 4: 0001, 0100, 0101, 0200" in report.notes[0]

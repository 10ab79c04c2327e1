"""Annotations with zips of pictures and features: a sound folder, and what is wrong with others."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import toys
from toy_folders import FRAMES, assert_said, said

from vsim_tf.checks.folder import check_folder
from vsim_tf.features.feature_zips import write_feature_zip
from vsim_tf.features.pictures import encode_jpeg


@pytest.fixture
def annotated(tmp_path) -> Path:
    """Six labelled videos of one class with pictures and features, and one to classify with features alone."""
    for split, ids in {"labeled": [f"v{number}" for number in range(100, 106)], "test_a": ["w100"]}.items():
        write_annotations(tmp_path, split, ids)
        (tmp_path / "features").mkdir(exist_ok=True)
        write_feature_zip(tmp_path / f"features/{split}.zip", [(video, FRAMES) for video in ids])
        for video in ids if split == "labeled" else ():
            folder = tmp_path / "frames" / split / video[-3:]
            folder.mkdir(parents=True)
            with zipfile.ZipFile(folder / f"{video}.zip", "w") as archive:
                archive.writestr("1.jpg", encode_jpeg(np.zeros((8, 8, 3), np.uint8)))
    (tmp_path / "test_a_labels.tsv").write_text("w100\t0101\n")
    return tmp_path


def write_annotations(folder: Path, split: str, ids: list[str], **changes) -> None:
    (folder / "annotations").mkdir(exist_ok=True)
    texts = {"title": "天地", "asr": "", "ocr": [], "category_id": "0101"} | changes
    (folder / f"annotations/{split}.json").write_text(json.dumps([{"id": video, **texts} for video in ids]))


def test_a_sound_folder_of_annotations(annotated):
    report = check_folder(annotated)
    assert (report.kind, said(report), report.notes) == ("annotations", [], [])
    names = [section.name for section in report.sections]
    assert names == ["labeled", "labeled/frames", "labeled/features", "test_a", "test_a/features", "test_a_labels.tsv", "classes"]
    assert report.sections[2].figures == {"videos": 6, "feature dimension": toys.DIM}
    assert [report.sections[place].histograms["frames per video"].counts for place in (1, 2)] == [{1: 6}, {3: 6}]


def test_every_problem_of_annotations(annotated):
    records = json.loads((annotated / "annotations/labeled.json").read_text())
    records[1]["category_id"], records[2]["title"] = "7", None
    (annotated / "annotations/labeled.json").write_text(json.dumps([*records, records[0]]))
    (annotated / "frames/labeled/103/v103.zip").unlink()
    (annotated / "frames/labeled/104/v104.zip").write_bytes(b"PK")
    with zipfile.ZipFile(annotated / "frames/labeled/105/v105.zip", "w") as archive:
        archive.writestr("1.jpg", "text")
    write_feature_zip(annotated / "features/test_a.zip", [("w100", FRAMES[:, :2]), ("more", FRAMES)])
    (annotated / "test_a_labels.tsv").write_text("w100\t0200\nw100\t0101\nx\t1\n")
    report = check_folder(annotated)
    assert_said(
        report,
        [
            "annotations/labeled.json, record 1, id v101: category_id is",
            "annotations/labeled.json, record 2, id v102: title is null",
            "annotations/labeled.json, record 6: id v100 is that of record 0",
            "frames/labeled: no frames of the annotated video v103",
            "frames/labeled/104/v104.zip: not a readable zip of frames",
            "frames/labeled/105/v105.zip, 1.jpg: is no picture",
            "features/test_a.zip, w100.npy: the feature dimension is 2, asked for is 6",
            "test_a_labels.tsv, line 2: 'w100\\t0101' repeats the id",
            "test_a_labels.tsv, line 3: 'x\\t1' is not an id",
            f"{annotated}: no class has 5 labelled videos",
        ],
    )
    assert "videos without an annotation, which are left out: 2: v101, v102" in report.notes[0]
    assert "test_a_labels.tsv: classes that no labelled video has, so that no model predicts them: 1: 0200" in report.notes[-1]
    places = [(problem.record, problem.line, problem.id) for problem in report.problems]
    assert places[0] == (1, None, "v101") and places[3] == (None, None, "v103") and places[7] == (None, 2, "")


def text(file: str, content: str):
    return lambda folder: (folder / file).write_text(content)


@pytest.mark.parametrize(
    ("spoil", "start"),
    [
        (text("annotations/test_a.json", "{}"), "annotations/test_a.json: a JSON list is needed"),
        (text("annotations/test_a.json", "[]"), "annotations/test_a.json: no video that can be used"),
        (text("features/test_a.zip", "text"), "features/test_a.zip: not a readable zip of features"),
        (lambda folder: (folder / "features/test_a.zip").unlink(), "frames/test_a: there are neither these pictures nor"),
    ],
)
def test_a_split_that_cannot_be_read(annotated, spoil, start):
    spoil(annotated)
    assert said(check_folder(annotated))[0].startswith(start)


def test_the_first_videos_of_each_split(annotated):
    (annotated / "frames/labeled/105/v105.zip").write_bytes(b"PK")
    report = check_folder(annotated, records_per_file=5)
    assert said(report) == []
    assert f"of 2: {annotated}/frames/labeled, {annotated}/features/labeled.zip" in report.notes[0]
    assert len(said(check_folder(annotated))) == 1

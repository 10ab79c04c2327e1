"""Extraction into every kind of output: shards, stops at any place, damaged videos, ids that differ."""

import json
import zipfile

import numpy as np
import pytest
from toy_frames import ToyTower, colour, frame_source, write_frames

from vsim_tf.errors import UserError
from vsim_tf.features import extraction
from vsim_tf.features.extraction import Job, check_ids, damage_table, extract
from vsim_tf.features.feature_zips import FeatureZip, write_feature_zip
from vsim_tf.features.kinds import Video
from vsim_tf.features.parts import Damaged
from vsim_tf.features.pictures import decode_picture
from vsim_tf.features.sources import Features
from vsim_tf.io.files import exclusive
from vsim_tf.records import schema
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import check_video, parse_example

COUNTS = [3, 1, 5, 2, 4, 1, 2]


@pytest.fixture
def root(tmp_path):
    for video, frames in enumerate(COUNTS):
        write_frames(tmp_path / "frames", video, frames)
    return tmp_path / "frames"


def videos(**fields) -> list[Video]:
    return [Video(f"v{100 + number}", f"title {number}", **fields) for number in range(len(COUNTS))]


def job(root, name="out.tfrecords", **options) -> Job:
    return Job(str(root.parent / name), **{"batch_size": 4, "videos_per_part": 2, "threads": 2, **options})


def records(path) -> list[bytes]:
    return [data for _, data in read_records(path)]


def text(feature, key) -> str:
    return feature[key].bytes_list.value[0].decode()


def features_of(feature) -> np.ndarray:
    return np.stack([np.frombuffer(frame, "<f2") for frame in feature[schema.FRAME_FEATURE].bytes_list.value])


# --- kinds ------------------------------------------------------------------------------------------------------------


def test_records_of_features(root):
    described = [Video(*row) for row in (("v102", "题", "声", "字", "0203"), ("v100", "", "", "", ""))]
    report = extract(described, frame_source(root), ToyTower(), job(root))
    assert (report.file, report.videos, report.frames, report.damaged) == (root.parent / "out.tfrecords", 2, 8, [])
    first, second = records(report.file)
    assert [check_video(record, 4, "") for record in (first, second)] == ["v102", "v100"]
    feature = parse_example(first, "")
    assert [text(feature, key) for key in (schema.TITLE, schema.ASR_TEXT, schema.OCR_TEXT)] == ["题", "声", "字"]
    assert list(feature[schema.CATEGORY_ID].int64_list.value) == [203]
    assert schema.FRAME_PICTURE not in feature
    np.testing.assert_allclose(features_of(feature)[:, :3], [colour(2, j) for j in range(5)], atol=2)
    feature = parse_example(second, "")
    assert schema.CATEGORY_ID not in feature and text(feature, schema.OCR_TEXT) == ""


def test_records_of_pictures_need_no_tower(root):
    report = extract(videos(), frame_source(root, encode=True), None, job(root, kind="pictures"))
    assert (report.videos, report.frames) == (7, sum(COUNTS))
    for number, record in enumerate(records(report.file)):
        assert check_video(record, None, "") == f"v{100 + number}"
        feature = parse_example(record, "")
        pictures = [decode_picture(data, "") for data in feature[schema.FRAME_PICTURE].bytes_list.value]
        assert len(pictures) == COUNTS[number] and schema.FRAME_FEATURE not in feature
        np.testing.assert_allclose(pictures[-1].mean(axis=(0, 1)), colour(number, COUNTS[number] - 1), atol=2)


def test_a_zip_of_features(root):
    report = extract(videos(), frame_source(root), ToyTower(), job(root, "out.zip", kind="zip"))
    with FeatureZip(report.file, 4) as archive:
        assert archive.ids == [video.id for video in videos()]
        for number, count in enumerate(COUNTS):
            np.testing.assert_allclose(archive.read(f"v{100 + number}")[:, :3], [colour(number, j) for j in range(count)], atol=2)


def test_features_that_are_there_become_records(root):
    values = {video.id: np.full((count, 6), count) for video, count in zip(videos(), COUNTS, strict=True)}
    write_feature_zip(root.parent / "in.zip", values.items())
    with FeatureZip(root.parent / "in.zip", 6) as archive:
        report = extract(videos(), Features("in.zip", archive), None, job(root))
    assert (report.videos, report.frames) == (7, sum(COUNTS))
    for record, (video, expected) in zip(records(report.file), values.items(), strict=True):
        assert check_video(record, 6, "") == video
        np.testing.assert_array_equal(features_of(parse_example(record, "")), expected)


def test_another_feature_dimension_is_no_damage(root):
    write_feature_zip(root.parent / "in.zip", [("v100", np.ones((1, 6)))])
    with FeatureZip(root.parent / "in.zip", 5) as archive, pytest.raises(UserError, match="dimension is 6, asked for is 5"):
        extract(videos()[:1], Features("in.zip", archive), None, job(root, skip_damaged=True))


def test_ocr_fills_what_the_annotation_lacks(root):
    described = [Video("v100", ocr="known"), Video("v101")]
    report = extract(described, frame_source(root, ocr=lambda pictures: "read"), ToyTower(), job(root))
    assert [text(parse_example(record, ""), schema.OCR_TEXT) for record in records(report.file)] == ["known", "read"]


# --- shards and stops -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shards", [1, 2, 3, 7])
def test_all_shards_are_all_videos_in_order(root, shards):
    found = []
    for shard in range(shards):
        report = extract(videos(), frame_source(root), ToyTower(), job(root, shard=shard, shards=shards))
        assert report.file.name == ("out.tfrecords" if shards == 1 else f"out-{shard:05d}-of-{shards:05d}.tfrecords")
        found += [check_video(record, 4, "") for record in records(report.file)]
    assert found == [video.id for video in videos()]


def test_more_shards_than_videos(root):
    with pytest.raises(UserError, match="shard=1/9: 7 videos do not fill so many shards"):
        extract(videos(), frame_source(root), ToyTower(), job(root, shard=1, shards=9))


class Killed(Exception):
    """Stands for a process that ends."""


@pytest.mark.parametrize("kind", ["features", "zip"])
@pytest.mark.parametrize("stop_at", range(5))
def test_an_extraction_that_was_stopped_resumes_to_the_same_bytes(root, stop_at, kind, monkeypatch, console):
    """Parts of two videos: 4, 7, 5 and 2 frames in calls of four pictures, so that calls tell where a part ends."""
    tower = ToyTower()
    expected = extract(videos(), frame_source(root), tower, job(root, "whole", kind=kind)).file.read_bytes()
    assert tower.calls == [4, 4, 3, 4, 1, 2]
    calls = []

    class Stopping(ToyTower):
        def __call__(self, pictures):
            if len(calls) == stop_at:
                raise Killed
            calls.append(len(pictures))
            return super().__call__(pictures)

    with pytest.raises(Killed):
        extract(videos(), frame_source(root), Stopping(), job(root, kind=kind))
    assert not (root.parent / "out.tfrecords").exists()
    console.readouterr()
    tower = ToyTower()
    report = extract(videos(), frame_source(root), tower, job(root, kind=kind))
    assert report.file.read_bytes() == expected
    done = [0, 2, 2, 4, 4][stop_at]
    assert sum(tower.calls) == sum(COUNTS[done:])
    assert (f"resumes behind {done} of 7 videos" in console.readouterr().out) == bool(done)
    assert sorted(path.name for path in root.parent.glob("out*")) == ["out.tfrecords", "out.tfrecords.source.json"]


def test_one_that_was_stopped_while_it_is_put_together(root, monkeypatch):
    expected = extract(videos(), frame_source(root), ToyTower(), job(root, "whole")).file.read_bytes()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(extraction.Parts, "records", lambda *_: (_ for _ in ()).throw(Killed))
        extract(videos(), frame_source(root), ToyTower(), job(root))
    tower = ToyTower()
    assert extract(videos(), frame_source(root), tower, job(root)).file.read_bytes() == expected
    assert tower.calls == []


def test_a_complete_output_is_left_alone(root, console):
    extract(videos(), frame_source(root), ToyTower(), job(root))
    before = (root.parent / "out.tfrecords").stat().st_mtime_ns
    console.readouterr()
    report = extract(videos(), frame_source(root), None, job(root))
    assert (report.videos, report.frames) == (7, sum(COUNTS))
    assert "out.tfrecords: complete with 7 videos, nothing to do" in console.readouterr().out
    assert (root.parent / "out.tfrecords").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", ["settings", "videos", "batch_size"])
def test_an_output_of_other_settings_is_kept_unless_it_is_replaced(root, change):
    extract(videos(), frame_source(root), ToyTower(), job(root), {"crop": 8})
    described = videos(asr="more") if change == "videos" else videos()
    settings = {"crop": 9 if change == "settings" else 8}
    options = {"batch_size": 5} if change == "batch_size" else {}
    named = {"settings": "crop"}.get(change, change)
    with pytest.raises(UserError, match=rf"made with other settings \({named} differ\); replace it with overwrite=True"):
        extract(described, frame_source(root), ToyTower(), job(root, **options), settings)
    extract(described, frame_source(root), ToyTower(), job(root, overwrite=True, **options), settings)
    note = json.loads((root.parent / "out.tfrecords.source.json").read_text())
    assert (note["written"], note["frames"], note["settings"]["crop"]) == (7, sum(COUNTS), settings["crop"])


def test_a_file_from_elsewhere_is_kept(root):
    (root.parent / "out.tfrecords").write_text("mine")
    with pytest.raises(UserError, match="out.tfrecords: is there without out.tfrecords.source.json; replace it"):
        extract(videos(), frame_source(root), ToyTower(), job(root))
    assert (root.parent / "out.tfrecords").read_text() == "mine"


def test_one_process_writes_a_file(root):
    with exclusive(root.parent / "out.tfrecords"), pytest.raises(UserError, match="another process is writing"):
        extract(videos(), frame_source(root), ToyTower(), job(root))


# --- damaged videos and ids -------------------------------------------------------------------------------------------


def damage(root):
    """v101 has no pictures, v104 is no zip."""
    with zipfile.ZipFile(root / "101/v101.zip", "w"):
        pass
    (root / "104/v104.zip").write_text("text")


def test_damaged_videos_stop_the_output_after_all_were_looked_at(root, console):
    damage(root)
    with pytest.raises(
        UserError,
        match="out.tfrecords: 2 of 7 videos are damaged, first v101 .*/v101.zip: no picture .*; nothing is written; skip",
    ):
        extract(videos(), frame_source(root), ToyTower(), job(root))
    assert not (root.parent / "out.tfrecords").exists()
    table = console.readouterr().err
    for word in ("v101", "no picture", "v104", "not a readable zip"):
        assert word in table
    write_frames(root, 1, 1)
    write_frames(root, 4, 4)
    tower = ToyTower()
    assert extract(videos(), frame_source(root), tower, job(root)).videos == 7
    assert sum(tower.calls) == sum(COUNTS[:2] + COUNTS[4:6])  # the two parts that had a damaged video


def test_damaged_videos_are_left_out_if_asked(root, console):
    damage(root)
    report = extract(videos(), frame_source(root), ToyTower(), job(root, skip_damaged=True))
    assert [each.id for each in report.damaged] == ["v101", "v104"]
    assert report.damaged[1].file == str(root / "104/v104.zip")
    assert report.damaged[1].reason.startswith("not a readable zip of frames")
    assert (report.videos, report.frames) == (5, 3 + 5 + 2 + 1 + 2)
    assert [check_video(record, 4, "") for record in records(report.file)] == ["v100", "v102", "v103", "v105", "v106"]
    console.readouterr()
    assert extract(videos(), frame_source(root), None, job(root, skip_damaged=True)) == report
    assert "complete with 5 videos, 2 damaged ones left out, nothing to do" in console.readouterr().out


def test_no_video_is_left(root):
    damage(root)
    with pytest.raises(UserError, match="2 of 2 videos are damaged, first v101 .*; no video is left"):
        extract([videos()[1], videos()[4]], frame_source(root), ToyTower(), job(root, skip_damaged=True))


def test_a_table_of_damage_has_every_word():
    file = "folder/" * 20 + "7.mp4"
    table = damage_table([Damaged("7", file, "damaged")])
    assert "".join(line.split("│")[2].strip() for line in table.splitlines() if line.startswith("│")) == file
    table = damage_table([Damaged("7", "folder/7.mp4", "not a readable video")])
    assert all(word in table for word in ("id", "file", "what", "7.mp4", "not a readable video"))


def test_ids_that_differ(root, console):
    described = [*videos()[2:], Video("x1"), Video("x2")]
    message = "2 of 7 videos of a.json are not in .*frames, first x1; 2 of 7 videos of .*frames are not in a.json, first v100"
    with pytest.raises(UserError, match=message) as error:
        check_ids(described, frame_source(root), "a.json")
    assert error.value.fields == ("skip_damaged",)
    check_ids(described, frame_source(root), "a.json", skip_damaged=True)
    assert "left out: 2 of 7 videos of a.json are not in" in console.readouterr().out
    check_ids(videos()[:6], frame_source(root), "a.json")
    assert "left out: 1 of 7 videos of" in console.readouterr().out
    check_ids(videos(), frame_source(root), "a.json")
    assert console.readouterr().out == ""

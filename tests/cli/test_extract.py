"""Flags of extract_features.py to outputs, with a toy tower in place of CLIP."""

import json
import os
import shutil
import sys
import zipfile

import numpy as np
import pytest
import toy_clips as clips
import toy_runs
import toy_towers
import toys
from script_flags import refused
from toy_frames import SIZES, ToyTower, write_frames

from vsim_tf.cli import extract
from vsim_tf.features.feature_zips import FeatureZip, write_feature_zip
from vsim_tf.features.pictures import decode_picture, resize_and_crop
from vsim_tf.inference import tower
from vsim_tf.launch.plan import flags_of
from vsim_tf.records import schema
from vsim_tf.records.feature_origin import origin_of
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import check_video, parse_example
from vsim_tf.runs.tower_origin import tower_origin


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with frames of v100 to v102, their annotations, two video files, and a folder that stands for CLIP."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vsim_tf.inference.tower.load_tower", lambda path, precision: ToyTower())
    for video, frames in enumerate((3, 1, 2)):
        write_frames(tmp_path / "frames", video, frames)
    texts = {"asr": "asr", "ocr": [{"text": "o"}, {"text": "cr"}], "category_id": "0102"}
    videos = [{"id": f"v{100 + number}", "title": f"title {number}", **texts} for number in range(3)]
    (tmp_path / "all.json").write_text(json.dumps(videos))
    for name, frames in (("a", 20), ("b", 2)):
        (tmp_path / "clips").mkdir(exist_ok=True)
        clips.write_clip(tmp_path / "clips" / f"{name}.mp4", frames)
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip/model.safetensors").write_bytes(bytes(100))
    return tmp_path


def run(*arguments: str) -> None:
    with flags_of(extract.define_flags, ["extract_features.py", *arguments]):
        extract.main()


def records(path) -> list:
    return [parse_example(data, "") for _, data in read_records(path)]


def ids(path) -> list[str]:
    return [record[schema.ID].bytes_list.value[0].decode() for record in records(path)]


def features_of(record) -> list[bytes]:
    return list(record[schema.FRAME_FEATURE].bytes_list.value)


def frames_of(record, key=schema.FRAME_FEATURE) -> int:
    return len(record[key].bytes_list.value)


def test_annotations_and_frames(here, console):
    run("--annotations=all.json", "--labelled", "--frames=frames", "--clip_dir=clip", "--output=out.tfrecords")
    assert ids("out.tfrecords") == ["v100", "v101", "v102"]
    first = records("out.tfrecords")[0]
    assert list(first[schema.CATEGORY_ID].int64_list.value) == [102]
    assert first[schema.OCR_TEXT].bytes_list.value[0] == b"ocr"
    assert [frames_of(record) for record in records("out.tfrecords")] == [3, 1, 2]
    assert "out.tfrecords: 3 videos, 6 frames" in console.readouterr().out
    run("--annotations=all.json", "--labelled", "--frames=frames", "--clip_dir=clip", "--output=out.tfrecords")
    assert "out.tfrecords: complete with 3 videos, nothing to do" in console.readouterr().out


@pytest.fixture
def towers(here, monkeypatch):
    """The folder with a CLIP model and a run of a model with a tower, which are really loaded."""
    monkeypatch.undo()
    monkeypatch.chdir(here)
    toy_towers.write_clip(here / "clip")
    toy_runs.save_run(here / "run", toy_towers.dual_encoder(len(toys.VOCABULARY)), seed=5)
    return here


@pytest.mark.parametrize("flag", ["--clip_dir=clip", "--tower=run", "--tower=run/last/ckpt-0"])
def test_real_towers(towers, flag):
    """The features of a picture of one colour, cropped to 8 x 8, as float16."""
    run("--frames=frames", flag, "--output=out.tfrecords", "--batch_size=4")
    found = [np.frombuffer(data, "<f2") for record in records("out.tfrecords") for data in features_of(record)]
    with zipfile.ZipFile("frames/101/v101.zip") as archive:
        picture = resize_and_crop(decode_picture(archive.read("000.jpg"), "a"), SIZES)
    expected = tower.load_tower(flag.partition("=")[2])(picture[None])[0]
    assert [values.shape for values in found] == [(6,)] * 6
    np.testing.assert_allclose(found[3], expected, rtol=1e-3, atol=1e-4)


def all_features(path) -> np.ndarray:
    return np.stack([np.frombuffer(data, "<f2") for record in records(path) for data in features_of(record)]).astype(float)


def test_bfloat16_changes_features_little(towers):
    """It keeps 8 bits: each rounding is off by 2^-9 at most, and about 20 lie between a picture and its features."""
    run("--frames=frames", "--clip_dir=clip", "--output=exact.tfrecords")
    run("--frames=frames", "--clip_dir=clip", "--output=near.tfrecords", "--precision=mixed_bfloat16")
    exact, near = all_features("exact.tfrecords"), all_features("near.tfrecords")
    error = np.linalg.norm(near - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert 0 < error.max() < 20 * 2**-9
    notes = [json.loads((towers / f"{name}.tfrecords.source.json").read_text())["settings"] for name in ("exact", "near")]
    assert [note["precision"] for note in notes] == ["float32", "mixed_bfloat16"]
    assert notes[0]["tower"] == notes[1]["tower"]


def test_without_labels(here):
    run("--annotations=all.json", "--frames=frames", "--clip_dir=clip", "--output=out.tfrecords")
    assert schema.CATEGORY_ID not in records("out.tfrecords")[0]


def test_video_files_alone(here):
    run("--videos=clips/*.mp4", "--clip_dir=clip", "--output=out.tfrecords", "--count=4")
    assert ids("out.tfrecords") == ["a", "b"]
    assert [frames_of(record) for record in records("out.tfrecords")] == [4, 2]
    run("--videos=clips", "--tower=clip", "--output=more.tfrecords", "--fps=2", "--max_frames=3")  # 20 frames at 8 a second
    assert [frames_of(record) for record in records("more.tfrecords")] == [3, 1]
    run("--videos=clips/a.mp4", "--clip_dir=clip", "--output=one.tfrecords")
    assert [frames_of(record) for record in records("one.tfrecords")] == [20]


def test_pictures_without_a_tower(here):
    run("--frames=frames", "--kind=pictures", "--output=out.tfrecords")
    assert [frames_of(record, schema.FRAME_PICTURE) for record in records("out.tfrecords")] == [3, 1, 2]


def test_a_zip_and_records_of_it(here):
    run("--frames=frames", "--kind=zip", "--clip_dir=clip", "--output=out.zip")
    with FeatureZip("out.zip", 4) as archive:
        assert archive.ids == ["v100", "v101", "v102"]
    run("--annotations=all.json", "--features=out.zip", "--frame_embedding_size=4", "--output=out.tfrecords", "--max_frames=2")
    assert [check_video(data, 4, "") for _, data in read_records("out.tfrecords")] == ["v100", "v101", "v102"]
    assert [frames_of(record) for record in records("out.tfrecords")] == [2, 1, 2]


def test_records_of_a_zip_know_the_tower_that_made_it(here):
    run("--frames=frames", "--kind=zip", "--clip_dir=clip", "--output=out.zip")
    run("--features=out.zip", "--output=out.tfrecords")
    assert origin_of(["out.tfrecords"]) == tower_origin("clip")
    (here / "out.zip.source.json").unlink()
    run("--features=out.zip", "--output=unknown.tfrecords")
    assert origin_of(["unknown.tfrecords"]) is None


@pytest.mark.parametrize(("change", "named"), [("--precision=mixed_bfloat16", "precision"), ("--clip_dir=other", "tower")])
def test_a_shard_unlike_the_one_that_is_there(here, change, named):
    (here / "other").mkdir()
    (here / "other/model.safetensors").write_bytes(b"other")
    run("--frames=frames", "--clip_dir=clip", "--output=out.tfrecords", "--shard=0/2")
    with refused(rf"the shard out-00000-of-00002.tfrecords was made with other settings \({named} differ\)"):
        run("--frames=frames", "--clip_dir=clip", "--output=out.tfrecords", "--shard=1/2", change)
    assert not (here / "out-00001-of-00002.tfrecords").exists()


def test_shards_by_copies_of_a_tower(here):
    shutil.copytree("clip", "other")
    for shard, clip in enumerate(("clip", "other")):
        run("--frames=frames", f"--clip_dir={clip}", "--output=out.tfrecords", f"--shard={shard}/2")
    assert origin_of(["out-00000-of-00002.tfrecords", "out-00001-of-00002.tfrecords"]) == tower_origin("clip")


def test_shards(here):
    for shard in range(2):
        run("--frames=frames", "--clip_dir=clip", "--output=out.tfrecords", f"--shard={shard}/2")
    assert ids("out-00000-of-00002.tfrecords") + ids("out-00001-of-00002.tfrecords") == ["v100", "v101", "v102"]


def test_damaged_videos(here, console):
    (here / "clips/b.mp4").write_text("text")
    arguments = ("--videos=clips", "--clip_dir=clip", "--output=out.tfrecords", "--count=2")
    with refused("1 of 2 videos are damaged, first b .clips/b.mp4: not a readable video.*; nothing is written; --skip"):
        run(*arguments)
    assert "not a readable video" in console.readouterr().err
    assert not (here / "out.tfrecords").exists()
    run(*arguments, "--skip_damaged")
    assert ids("out.tfrecords") == ["a"]


def test_ids_that_differ_are_said_before_the_tower_is_loaded(here, monkeypatch):
    (here / "frames/101/v101.zip").unlink()
    monkeypatch.setitem(sys.modules, "vsim_tf.inference.tower", None)
    with refused(r"1 of 3 videos of all.json are not in frames, first v101 \(--skip_damaged leaves videos out\)"):
        run("--annotations=all.json", "--frames=frames", "--clip_dir=clip", "--output=out.tfrecords")


CHANGES = ["--count=3", "--max_frames=5", "--resize=20", "--batch_size=3", "--precision=mixed_bfloat16"]


@pytest.mark.parametrize("change", [(change,) for change in CHANGES])
def test_an_output_of_other_flags(here, change):
    arguments = ("--videos=clips", "--clip_dir=clip", "--output=out.tfrecords")
    run(*arguments)
    name = change[0].removeprefix("--").partition("=")[0]
    with refused(rf"made with other settings \({name} differ\); replace it with --overwrite"):
        run(*arguments, *change)
    run(*arguments, *change, "--overwrite")


def test_another_tower_of_the_same_path(here):
    arguments = ("--videos=clips", "--clip_dir=clip", "--output=out.tfrecords")
    run(*arguments)
    (here / "clip/model.safetensors").write_bytes(bytes(99) + b"1")  # as large as before
    with refused(r"made with other settings \(tower differ\)"):
        run(*arguments)


@pytest.mark.parametrize("arguments", [("--crop=8",), ("--resize=8",), ("--crop=8", "--resize=10")])
def test_sizes_that_fit_the_tower(here, arguments):
    run("--frames=frames", "--clip_dir=clip", "--output=out.tfrecords", *arguments)
    assert len(records("out.tfrecords")) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "one of --frames, --videos and --features is needed; given: none"),
        (("--frames=frames", "--videos=clips"), "given: --frames, --videos"),
        (("--frames=frames", "--output="), "--output=: a file NAME.tfrecords is needed with --kind=features"),
        (("--frames=frames", "--output=a.zip"), "--output=a.zip: a file NAME.tfrecords is needed"),
        (("--frames=frames", "--kind=zip"), "a file NAME.zip is needed with --kind=zip"),
        (("--frames=frames",), "one of --clip_dir and --tower is needed to make features; given: none"),
        (("--frames=frames", "--clip_dir=clip", "--tower=clip"), "given: --clip_dir, --tower"),
        (("--frames=frames", "--clip_dir=clip", "--kind=pictures"), "--clip_dir: no tower takes part"),
        (("--features=a.zip", "--tower=clip"), "--tower: no tower takes part"),
        (("--features=a.zip", "--precision=mixed_bfloat16"), "--precision: no tower takes part"),
        (("--features=a.zip", "--kind=pictures"), "--features has no pictures"),
        (("--frames=frames", "--kind=pictures", "--labelled"), "--labelled: --annotations is needed"),
        (("--frames=frames", "--kind=pictures", "--fps=1"), "--fps=1.0: only files of --videos are sampled"),
        (("--frames=frames", "--kind=pictures", "--count=1"), "--count=1: only files of --videos"),
        (("--videos=clips", "--kind=pictures", "--fps=1", "--count=1"), "--fps=1.0, --count=1: one of both is needed"),
        (("--videos=clips", "--kind=pictures", "--count=40"), "--count=40: more than --max_frames=32"),
        (("--features=a.zip", "--ocr"), "--ocr: text is read off pictures"),
        (("--frames=frames", "--kind=pictures", "--frame_embedding_size=4"), "--frame_embedding_size=4: that of --features"),
        (("--frames=frames", "--kind=pictures", "--shard=2/2"), "--shard=2/2: i/n is needed"),
        (("--frames=frames", "--kind=pictures", "--shard=1"), "--shard=1: i/n is needed"),
        (("--frames=none", "--kind=pictures"), "none does not exist"),
        (("--frames=frames", "--kind=pictures", "--annotations=none.json"), "none.json does not exist"),
        (("--features=none.zip",), "none.zip does not exist"),
        (("--frames=frames", "--clip_dir=none"), "none does not exist"),
        (("--frames=frames", "--tower=none/ckpt-7"), "no checkpoint none/ckpt-7"),
        (("--videos=none/*.mp4", "--clip_dir=clip"), "'none/.*' matches no video"),
        (("--frames=clips", "--clip_dir=clip"), "clips: no videos; <frames>/<last 3 characters of the id>/<id>.zip is needed"),
        (("--frames=frames", "--clip_dir=clip", "--crop=9"), "--crop=9: the tower reads pictures of 8 x 8"),
        (("--frames=frames", "--clip_dir=clip", "--resize=7"), "--resize=7, --crop=8: a crop from 1 to resize is needed"),
        (("--frames=frames", "--clip_dir=clip", "--shard=3/4"), "--shard=3/4: 3 videos do not fill so many shards"),
    ],
)
def test_refuses(here, arguments, message):
    with refused(message):
        run("--output=out.tfrecords", *arguments)
    assert not list(here.glob("out*"))


def test_another_feature_dimension(here):
    write_feature_zip(here / "in.zip", [("v100", np.ones((1, 3)))])
    with refused("in.zip, v100.npy: the feature dimension is 3, asked for is 4"):
        run("--features=in.zip", "--frame_embedding_size=4", "--output=out.tfrecords")
    assert not list(here.glob("out*"))
    run("--features=in.zip", "--frame_embedding_size=3", "--output=out.tfrecords")


@pytest.fixture
def table(here):
    """A table of v100 and a, with paths of features and of a video file."""
    (here / "features").mkdir()
    for name, frames in (("v100", 40), ("a", 2)):
        np.save(here / f"features/{name}.npy", np.ones((frames, 4)))
    header = "id,title,tags,category_id,features,video"
    (here / "videos.csv").write_text(
        f"{header}\nv100,title,3 10,12202,features/v100.npy,clips/b.mp4\na,,,,features/a.npy,clips/a.mp4\n"
    )
    return here


@pytest.mark.parametrize("given", [("--features=features",), ()])
def test_a_table_with_features_has_all_frames(table, given):
    run("--table=videos.csv", *given, "--frame_embedding_size=4", "--output=out.tfrecords")
    assert ids("out.tfrecords") == ["v100", "a"]
    assert [frames_of(record) for record in records("out.tfrecords")] == [40, 2]
    assert list(records("out.tfrecords")[0][schema.TAG_ID].int64_list.value) == [3, 10]
    run("--table=videos.csv", *given, "--frame_embedding_size=4", "--output=few.tfrecords", "--max_frames=3")
    assert [frames_of(record) for record in records("few.tfrecords")] == [3, 2]


def test_tags_of_a_table_are_listed_also_when_its_records_are_there(table):
    flags = ("--table=videos.csv", "--output=out.tfrecords")
    run(*flags)
    run(*flags, "--tag_list=tags.txt")
    assert (table / "tags.txt").read_text() == "3\n10\n"
    with refused("--tag_list=tags.txt: --table is needed, which has the tags"):
        run("--features=features", "--output=none.tfrecords", "--tag_list=tags.txt")


def test_a_table_with_a_zip_of_features(table):
    write_feature_zip(table / "in.zip", [(name, np.ones((40, 4))) for name in ("v100", "a", "more")])
    run("--table=videos.csv", "--features=in.zip", "--output=out.tfrecords")
    assert [frames_of(record) for record in records("out.tfrecords")] == [40, 40]


@pytest.mark.parametrize("given", [("--clip_dir=clip",), ("--kind=pictures",)])
def test_a_table_with_video_files(table, given):
    """Of its column video: b.mp4, of 2 frames, is v100."""
    run("--table=videos.csv", *given, "--output=out.tfrecords", "--count=4")
    key = schema.FRAME_PICTURE if given == ("--kind=pictures",) else schema.FRAME_FEATURE
    assert [frames_of(record, key) for record in records("out.tfrecords")] == [2, 4]
    assert list(records("out.tfrecords")[0][schema.TAG_ID].int64_list.value) == [3, 10]


def test_a_table_with_a_folder_of_videos_or_frames(table):
    (table / "one.csv").write_text("id,title\na,title\n")
    run("--table=one.csv", "--videos=clips", "--clip_dir=clip", "--output=out.tfrecords")
    assert ids("out.tfrecords") == ["a"]
    (table / "two.csv").write_text("id,title\nv101,title\n")
    run("--table=two.csv", "--frames=frames", "--kind=pictures", "--output=more.tfrecords")
    assert ids("more.tfrecords") == ["v101"]


def test_another_table_of_the_same_path(table):
    arguments = ("--table=videos.csv", "--output=out.tfrecords")
    run(*arguments)
    text = (table / "videos.csv").read_text()
    for old, new, differing in (("features/a.npy", "features/v100.npy", "files"), ("3 10", "3", "videos")):
        (table / "videos.csv").write_text(text.replace(old, new))
        os.utime(table / "videos.csv", (1, len(new)))
        with refused(rf"made with other settings \({differing} differ\)"):
            run(*arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--table=videos.csv", "--annotations=all.json"), "--table and --annotations: one of both has the texts"),
        (("--table=videos.csv", "--labelled"), "--labelled: --annotations is needed"),
        (("--table=none.csv",), "none.csv does not exist"),
        (("--table=videos.csv", "--fps=1"), "--fps=1.0: only files of --videos are sampled"),
        (("--table=videos.csv", "--clip_dir=clip", "--frame_embedding_size=4"), "--frame_embedding_size=4: that of --features"),
        (("--table=videos.csv", "--features=features", "--clip_dir=clip"), "--clip_dir: no tower takes part"),
        (("--table=videos.csv", "--frames=frames", "--kind=pictures"), "1 of 2 videos of videos.csv are not in frames, first a"),
        (("--table=all.json",), "all.json: no column id and title"),
        (("--table=videos.csv", "--frame_embedding_size=3"), "2 of 2 videos are damaged, first v100"),
    ],
)
def test_refuses_with_a_table(table, arguments, message):
    with refused(message):
        run("--output=out.tfrecords", *arguments)
    assert not (table / "out.tfrecords").exists()


def test_a_table_without_paths(here):
    (here / "videos.csv").write_text("id,title\na,title\n")
    with refused("no column 'features' with paths of files; give it, --features or --videos"):
        run("--table=videos.csv", "--output=out.tfrecords")


def test_ocr_that_is_not_installed(here, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with refused("--ocr: onnxruntime is not installed; `pip install rapidocr onnxruntime`"):
        run("--frames=frames", "--kind=pictures", "--ocr", "--output=out.tfrecords")

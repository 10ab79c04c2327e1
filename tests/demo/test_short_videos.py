import io
import json
import subprocess
import sys
import zipfile

import av
import numpy as np
import pytest
from PIL import Image
from script_flags import refused

from vsim_tf.demo import class_world, pictures, short_videos
from vsim_tf.demo.class_world import NUM_CLASSES
from vsim_tf.demo.short_videos import write_short_videos
from vsim_tf.errors import UserError
from vsim_tf.evaluation.class_baselines import BOTH, FRAMES, MAJORITY, TEXT, BaselineVideos, class_baselines
from vsim_tf.records.annotations import Annotation, read_annotations
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.class_folds import class_folds
from vsim_tf.records.classes import classes_of, read_class_table
from vsim_tf.text.tokenizers import load_tokenizer

SIZES = {"num_unlabeled": 20, "num_labeled": 300, "num_test_videos": 150, "num_video_files": 2, "picture_size": 48}
COUNTS = {"unlabeled": 20, "labeled": 300, "test_a": 150, "test_b": 150}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "demo"
    assert write_short_videos(str(path), **SIZES)
    return path


def annotations(folder, split):
    return read_annotations(folder / f"annotations/{split}.json", labelled=split == "labeled")


def frames(folder, split, video) -> list[np.ndarray]:
    with zipfile.ZipFile(folder / "frames" / split / video[-3:] / f"{video}.zip") as archive:
        names = archive.namelist()
        assert names == [f"{number:03}.jpg" for number in range(len(names))]
        return [np.asarray(Image.open(io.BytesIO(archive.read(name)))) for name in names]


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_every_video_has_texts_and_frames_and_occurs_once(folder):
    read = {split: annotations(folder, split) for split in COUNTS}
    assert {split: len(videos) for split, videos in read.items()} == COUNTS
    assert len({video.id for videos in read.values() for video in videos}) == sum(COUNTS.values())
    assert len(list(folder.glob("frames/*/*/*.zip"))) == sum(COUNTS.values())
    counts = []
    for split, videos in read.items():
        for video in videos:
            shown = frames(folder, split, video.id)
            assert {frame.shape for frame in shown} == {(48, 48, 3)}
            counts.append(len(shown))
    assert min(counts) == 1 and max(counts) == 8
    for field in ("title", "asr", "ocr"):
        assert 0.05 < np.mean([getattr(video, field) == "" for video in read["labeled"]]) < 0.6


def test_classes(folder):
    table, labelled = read_class_table(folder / "category_ids.txt"), annotations(folder, "labeled")
    assert len(table.ids) == NUM_CLASSES == 12 and len(table.level1) == 4
    assert classes_of(labelled) == table
    folds = class_folds([video.category for video in labelled])
    for fold in range(5):
        assert len({labelled[record].category for record in folds.records(fold).validation}) == NUM_CLASSES
    labels = read_categories(folder / "test_a_labels.tsv", [video.id for video in annotations(folder, "test_a")])
    assert set(labels.values()) <= set(table.ids)
    for split in ("unlabeled", "test_a", "test_b"):
        assert "category_id" not in (folder / f"annotations/{split}.json").read_text(encoding="utf-8")


def test_the_vocabulary_knows_the_texts(folder):
    tokenizer = load_tokenizer(folder / "vocab.txt", "bert")
    texts = [video.title + video.ocr + video.asr for video in annotations(folder, "labeled")]
    assert not any(tokenizer.unk_id in tokenizer.token_ids(text) for text in texts)


def test_video_files_show_the_frames(folder):
    paths = sorted(folder.glob("videos/*.mp4"))
    assert {path.stem for path in paths} == {video.id for video in annotations(folder, "labeled")[:2]}
    for path in paths:
        with av.open(str(path)) as container:
            decoded = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        shown = frames(folder, "labeled", path.stem)
        assert len(decoded) == len(shown)
        assert max(np.abs(a - b.astype(float)).mean() for a, b in zip(decoded, shown, strict=True)) < 20  # both are lossy


def baseline_videos(folder, split, videos: list[Annotation]) -> BaselineVideos:
    """With the hues of the frames, weighted by their saturation, for frame features."""
    texts = [f"{video.title} {video.ocr} {video.asr}" for video in videos]
    features = [np.mean([hues(frame) for frame in frames(folder, split, video.id)], axis=0) for video in videos]
    return BaselineVideos([video.id for video in videos], texts, np.stack(features))


def hues(frame) -> np.ndarray:
    hue, saturation, _ = np.moveaxis(np.asarray(Image.fromarray(frame).convert("HSV")), -1, 0)
    return np.histogram(hue, bins=16, range=(0, 256), weights=saturation / 255)[0]


@pytest.mark.medium
@pytest.mark.slow
def test_text_and_pictures_tell_a_part_each_and_more_videos_tell_more(folder):
    labelled, test = annotations(folder, "labeled"), annotations(folder, "test_a")
    training, applied = baseline_videos(folder, "labeled", labelled), baseline_videos(folder, "test_a", test)
    labels, classes = read_categories(folder / "test_a_labels.tsv"), [video.category for video in labelled]
    few, many = (
        {name: score.mean for name, score in class_baselines(training.rows(np.arange(n)), classes[:n], applied, labels).items()}
        for n in (60, 300)
    )
    assert many[MAJORITY] + 0.1 < min(many[TEXT], many[FRAMES]) and max(many[TEXT], many[FRAMES]) + 0.02 < many[BOTH] < 0.85
    assert few[TEXT] + 0.1 < many[TEXT] and few[BOTH] + 0.05 < many[BOTH]


def test_neither_words_nor_looks_tell_all_classes_apart():
    world = class_world.make_class_world(np.random.default_rng(0))
    assert len(set(world.words)) == len(set(world.looks)) == 10
    assert len(set(zip(world.words, world.looks, strict=True))) == 12
    parents = [class_world.category(number)[:2] for number in range(NUM_CLASSES)]
    for shared in (world.words, world.looks):
        twins = [[a for a in range(NUM_CLASSES) if shared[a] == value] for value in set(shared)]
        assert all(parents[a] != parents[b] for a, b in (twin for twin in twins if len(twin) == 2))


@pytest.mark.parametrize("look", range(pictures.NUM_LOOKS))
def test_every_look_is_a_shape_before_a_background(look):
    rng = np.random.default_rng(look)
    scene = pictures.draw_scene(look, rng)
    frame = pictures.draw_frame(scene, 0, 64, rng)
    assert frame.shape == (64, 64, 3) and frame.dtype == np.uint8
    distance = np.abs(frame / 255 - scene.colour).mean(axis=-1)
    assert 0.02 < (distance < 0.15).mean() < 0.6


def test_same_arguments_same_bytes_another_seed_other_bytes(folder, tmp_path):
    sizes = SIZES | {"num_unlabeled": 5, "num_labeled": 60, "num_test_videos": 10}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_short_videos(str(tmp_path / name), **sizes, seed=seed)
    first, same, other = (content(tmp_path / name) for name in "abc")
    assert first == same
    assert {name for name, data in other.items() if first.get(name) == data} == {"category_ids.txt"}
    assert not write_short_videos(str(folder), **SIZES)
    with pytest.raises(UserError, match="holds demo data of other parameters"):
        write_short_videos(str(folder), **SIZES, seed=5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_labeled": 59}, "--num_labeled is 59; expected at least 60"),
        ({"num_test_videos": 9}, "--num_test_videos is 9; expected at least 10"),
        ({"picture_size": 15}, "--picture_size is 15; expected at least 16"),
        ({"num_video_files": -1}, "--num_video_files is -1; expected at least 0"),
    ],
)
def test_bad_sizes(tmp_path, changes, message):
    with refused(message):
        write_short_videos(str(tmp_path / "demo"), **changes)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(short_videos, "write_video_file", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_short_videos(str(tmp_path / "demo"), **SIZES)
    assert not list(tmp_path.iterdir())


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "vsim_tf.demo", *arguments], capture_output=True, text=True, check=False)


def test_command_line(tmp_path):
    sizes = {"num_unlabeled": 2, "num_labeled": 60, "num_test_videos": 10, "num_video_files": 1, "picture_size": 17}
    run = command(
        "--system=wbdc2022_rank8", f"--output_dir={tmp_path}/demo", *(f"--{name}={size}" for name, size in sizes.items())
    )
    assert run.returncode == 0 and run.stdout.endswith("demo: demo data written\n")
    noted = json.loads((tmp_path / "demo/demo.json").read_text())
    assert len(list(tmp_path.glob("demo/videos/*.mp4"))) == 1  # of an even size
    assert noted == {"system": "wbdc2022_rank8", "version": 1, **sizes, "seed": 2021}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--system=wbdc2022_rank8", "--num_pairs=3"],
         "num_pairs is a size of the data for aiac2021_rank4 and aiac2021_rank1, not for --system=wbdc2022_rank8"),
        (["--picture_size=32"], "picture_size is a size of the data for wbdc2022_rank8, not for --system=aiac2021_rank4"),
    ],
)  # fmt: skip
def test_sizes_of_another_system_are_refused(arguments, message):
    run = command(*arguments)
    assert (run.returncode, run.stderr) == (2, f"error: --{message}\n")

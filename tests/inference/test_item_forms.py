"""The same video in any form is the same to a model: dicts, tables, records, pictures in memory and in files, video files."""

import contextlib
import dataclasses
import io

import numpy as np
import pytest
import toy_clips
import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from vsim_tf.errors import RecordError, UserError
from vsim_tf.features.extraction import Job, extract
from vsim_tf.features.kinds import Video
from vsim_tf.features.pictures import PictureSizes
from vsim_tf.features.sampling import Sampling
from vsim_tf.features.sources import MAX_FRAMES, Preparation, VideoFiles
from vsim_tf.inference.items import ItemReader
from vsim_tf.inference.videos import numbered_video_batches, videos_of
from vsim_tf.records.videos import video_record

FEATURES = toys.batch_format()
FIELDS = dataclasses.replace(FEATURES, text_form="title_ocr_asr")
OF_TOWER = dataclasses.replace(FIELDS, frame_embedding_size=3)
PICTURES = dataclasses.replace(FIELDS, picture=PictureSizes(9, 8), padding="zeros", sampling="stride_starts")


class MeanColour:
    """A tower whose features are the mean of each colour."""

    picture_size, dim = 8, 3

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        return pictures.mean(axis=(1, 2), dtype=np.float64).astype(np.float32)


class Column(list):
    def tolist(self):
        return list(self)

    def isna(self):
        return Column(value is None for value in self)


class Table:
    """As much of a pandas DataFrame as is looked at."""

    iloc = None

    def __init__(self, rows: list[dict]):
        self.columns = list(dict.fromkeys(key for row in rows for key in row))
        self._rows = rows

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, key):
        return Column(row.get(key) for row in self._rows)


def read(given, form, tower=None) -> list:
    videos = videos_of(given, [form], tower)
    return videos.read(range(len(videos)), form)


def assert_same(videos, expected, form):
    """Equal as batches, which is all that a network sees."""
    found, wanted = (next(numbered_video_batches(each, form, len(each), str))[1] for each in (videos, expected))
    for field in ("input_ids", "attention_mask", "frames", "num_frames"):
        np.testing.assert_array_equal(getattr(found, field), getattr(wanted, field))


TEXT = st.lists(st.sampled_from([*toys.CHARACTERS[:6], "a", " ", "[SEP]", "😀"]), max_size=6).map("".join)
ITEM = st.fixed_dictionaries(
    {"title": TEXT, "ocr": TEXT, "asr": st.one_of(TEXT, st.just("nan"))},
    optional={"tags": st.just([3]), "id": st.just("x"), "more": st.none()},
)


@settings(max_examples=15)
@given(st.lists(st.tuples(ITEM, st.integers(0, 6), st.randoms()), min_size=1, max_size=3), st.integers(0, 2**31))
def test_dicts_tables_and_records_of_features(tmp_path_factory, drawn, seed):
    rng, items, others = np.random.default_rng(seed), [], []
    for item, count, random in drawn:
        frames = rng.standard_normal((count, toys.DIM)).astype(np.float16)
        items.append(item | {"frames": frames})
        keys = [*items[-1]]
        random.shuffle(keys)
        form = random.choice([lambda x: x.astype(np.float64), np.ndarray.tolist, np.asfortranarray])
        others.append({key: items[-1][key] for key in keys} | {"frames": form(frames), "video": "not read"})
    records = [
        video_record(f"v{i}", item["title"], item["frames"], item["asr"], ocr_text=item["ocr"]) for i, item in enumerate(items)
    ]
    path = tmp_path_factory.mktemp("records") / "a.tfrecords"
    toys.write_records(path, records)
    for form in (FEATURES, FIELDS):
        expected = read(items, form)
        for other in (others, tuple(others), Table(items), Table(others), str(path), path, str(path.parent / "*.tfrecords")):
            assert_same(read(other, form), expected, form)
        assert_same(read(others[0], form), expected[:1], form)


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 255), st.integers(8, 12), st.integers(8, 12)), max_size=6), st.integers(0, 2**31))
def test_pictures_of_any_form(tmp_path_factory, drawn, seed):
    """For a model with a tower of its own, and as features by a tower that was given."""
    rng, folder = np.random.default_rng(seed), tmp_path_factory.mktemp("pictures")
    arrays = [
        np.clip(rng.integers(-20, 20, (height, width, 3)) + level, 0, 255).astype(np.uint8) for level, height, width in drawn
    ]
    encoded = [png(pixels) for pixels in arrays]
    paths = [folder / f"{number}.png" for number in range(len(arrays))]
    for path, data in zip(paths, encoded, strict=True):
        path.write_bytes(data)
    forms = [encoded, paths, [str(path) for path in paths], [Image.fromarray(each) for each in arrays], arrays]
    forms.append([row[number % len(row)] for number, row in enumerate(zip(*forms, strict=True))])
    toys.write_records(folder / "a.tfrecords", [video_record("v", "天", None, pictures=encoded)])
    expected = read({"title": "天", "pictures": arrays}, PICTURES)
    assert_same(read(folder / "a.tfrecords", PICTURES), expected, PICTURES)
    made = read({"title": "天", "pictures": arrays}, OF_TOWER, MeanColour())
    assert made[0].frames.shape == (len(arrays), 3)
    for pictures in forms:
        assert_same(read({"title": "天", "pictures": pictures}, PICTURES), expected, PICTURES)
        assert_same(read({"title": "天", "pictures": pictures}, OF_TOWER, MeanColour()), made, OF_TOWER)
    with contextlib.ExitStack() as stack:  # files that Pillow has opened and not read
        pictures = [stack.enter_context(Image.open(path)) for path in paths]
        assert_same(read({"title": "天", "pictures": pictures}, PICTURES), expected, PICTURES)


@pytest.mark.parametrize("form", [OF_TOWER, PICTURES], ids=["features", "pictures"])
def test_a_video_file_is_its_record(tmp_path, form):
    """The record that extract_features.py makes of it by default: 32 frames of 40, spread over the video."""
    clip = toy_clips.write_clip(tmp_path / "clip.mp4", 40)
    tower, encode = (None, True) if form.picture else (MeanColour(), False)
    source = VideoFiles("", {"clip": str(clip)}, Preparation(PictureSizes(9, 8), encode), Sampling(count=MAX_FRAMES))
    job = Job(str(tmp_path / "a.tfrecords"), "pictures" if encode else "features")
    assert extract([Video("clip", "天地")], source, tower, job).frames == 32
    expected = read(tmp_path / "a.tfrecords", form)
    for video in (clip, str(clip)):
        found = read([{"title": "天地", "video": video}], form, tower)
        assert len(found[0].frames) == 32
        assert_same(found, expected, form)


def test_features_that_are_given_need_no_tower_and_keep_their_places(tmp_path):
    clip = toy_clips.write_clip(tmp_path / "clip.mp4", 3)
    given = {"title": "", "frames": np.ones((2, 3)), "video": "not read"}
    videos = read([{"title": "", "video": clip}, given, {"title": "", "pictures": []}], OF_TOWER, MeanColour())
    assert [len(video.frames) for video in videos] == [3, 2, 0]
    np.testing.assert_array_equal(videos[1].frames.view(np.float16), 1)


def test_real_data_frames():
    pandas = pytest.importorskip("pandas")
    rows = [{"title": "天", "frames": np.ones((2, toys.DIM))}, {"title": "", "frames": np.zeros((0, toys.DIM)), "asr": "地"}]
    assert_same(read(pandas.DataFrame(rows), FIELDS), read(rows, FIELDS), FIELDS)


# --- what cannot be read ----------------------------------------------------------------------------------------------


def picture(**changes) -> dict:
    return {"title": "天", "pictures": [np.zeros((9, 9, 3), np.uint8)]} | changes


@pytest.mark.parametrize(
    ("form", "tower", "item", "message"),
    [
        (FEATURES, None, {"title": "天", "video": "a"}, r"the key 'frames' is missing; .*load\(..., clip_dir=...\) takes"),
        (FEATURES, None, {"title": "天", "pictures": []}, r"the key 'frames' is missing; .*clip_dir"),
        (PICTURES, None, {"title": "天", "frames": []}, r"the keys 'pictures', 'video' is there; .* by a tower of its own$"),
        (OF_TOWER, MeanColour(), {"title": "天"}, r"the keys 'frames', 'pictures', 'video' is there; there is 'title'"),
        (FEATURES, MeanColour(), {}, r"^the tower makes features of 3 numbers; the model reads 6$"),
        (FIELDS, None, {"title": "天", "asr": None, "frames": []}, r"'asr' is of type NoneType; accepted is a str"),
        (PICTURES, None, {"title": "天", "video": 3}, r"'video' is of type int; accepted is the path of a file$"),
        (PICTURES, None, {"title": "天", "video": "nowhere.mp4"}, r"'video' is nowhere.mp4, and no such file exists$"),
        (PICTURES, None, picture(pictures="a.jpg"), r"'pictures' is of type str; accepted is a list of pictures"),
        (PICTURES, None, picture(pictures=["nowhere.jpg"]), r"'pictures\[0\]' is nowhere.jpg, and no such file exists$"),
        (PICTURES, None, picture(pictures=[None]), r"picture 0 is of type NoneType; accepted are paths of files, bytes"),
        (PICTURES, None, picture(pictures=[np.zeros((9, 9, 3))]), r"picture 0 is an array \[9, 9, 3\] of float64; accepted"),
        (PICTURES, None, picture(pictures=[np.zeros((9, 9), np.uint8)]), r"picture 0 is an array \[9, 9\] of uint8"),
    ],
)  # fmt: skip
def test_what_is_refused_before_anything_is_read(form, tower, item, message):
    with pytest.raises(UserError, match=message):
        videos_of(item, [form], tower)


def test_a_damaged_video_and_a_damaged_picture_are_named(tmp_path):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(100))
    for form, tower in ((PICTURES, None), (OF_TOWER, MeanColour())):
        with pytest.raises(UserError, match=r"^items\[1\]: .*clip.mp4"):
            read([picture(), {"title": "天", "video": tmp_path / "clip.mp4"}], form, tower)
    damaged = [picture(), picture(pictures=[np.zeros((9, 9, 3), np.uint8), b"text"])]
    with pytest.raises(UserError, match=r"^items\[1\]: picture 1: not a readable picture"):
        read(damaged, OF_TOWER, MeanColour())
    videos = videos_of(damaged, [PICTURES], None)
    with pytest.raises(RecordError, match=r"^items\[1\]: frame 1: not a readable picture"):
        list(numbered_video_batches(videos.read(range(2), PICTURES), PICTURES, 2, videos.where))


def test_features_beyond_float16_are_named():
    class Large(MeanColour):
        def __call__(self, pictures):
            return 1e6 + super().__call__(pictures)

    with pytest.raises(UserError, match=r"^item: frame 0 holds 1000000.0 at position 0"):
        ItemReader(OF_TOWER, Large()).read([picture()], lambda _: "item")

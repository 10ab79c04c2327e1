"""Titles and pictures of some videos of record files."""

import base64
import io

import numpy as np
import pytest
from PIL import Image

from vsim_tf.ensemble.page.blocks import ShownVideo
from vsim_tf.ensemble.page.shown_videos import LONGEST_TITLE, shown_videos
from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record

FRAMES = np.zeros((1, 4))


def picture(size: tuple[int, int], value: int) -> bytes:
    return encode_jpeg(np.full((*size, 3), value, np.uint8))


@pytest.fixture
def files(tmp_path):
    colours = [picture((300, 200), value) for value in (0, 128, 255)]
    records = [
        video_record("a", "<script>\x00\n" + "长" * 300, FRAMES, pictures=colours),
        video_record("b", "", FRAMES, pictures=[b"\xff\xd8\xff no picture"]),
        video_record("c", "a title", FRAMES),
    ]
    write_records(tmp_path / "1.tfrecords", records[:2])
    write_records(tmp_path / "2.tfrecords", records[2:])
    return [tmp_path / "1.tfrecords", tmp_path / "2.tfrecords"]


def test_the_picture_in_the_middle_is_shown_small(files):
    """Of 200 x 300 pixels, 96 x 144 are left, and the second of three colours."""
    shown = shown_videos(files, ["a"])["a"]
    kind, _, data = shown.picture.partition(",")
    assert kind == "data:image/jpeg;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (96, 144)
        assert abs(np.asarray(image).mean() - 128) < 3
    assert len(shown.title) == LONGEST_TITLE
    assert shown.title.startswith("<script>\ufffd\ufffd长") and shown.title.endswith("长…")


def test_what_is_not_there_is_left_out(files, caplog):
    """A broken picture, a video of no file."""
    assert shown_videos(files, {"b", "c", "d"}) == {
        "b": ShownVideo("b"), "c": ShownVideo("c", "a title"), "d": ShownVideo("d")
    }  # fmt: skip
    assert "The page lacks a picture: " in caplog.text and "1.tfrecords, record 1" in caplog.text
    assert shown_videos([], ["c"]) == {"c": ShownVideo("c")}


def test_files_are_read_until_all_are_found(files):
    files[1].write_bytes(b"damaged")
    assert shown_videos(files, ["a"])["a"].title


def test_a_damaged_file_costs_titles_only(files, caplog):
    files[1].write_bytes(b"damaged")
    assert shown_videos(files, ["b", "c"])["c"] == ShownVideo("c")
    assert "The page lacks titles, 1 in number: " in caplog.text and "2.tfrecords" in caplog.text

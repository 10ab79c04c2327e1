import math
import struct
from pathlib import Path

import google_crc32c
import numpy as np
import pytest

from vsim_tf.baselines import RawVideos, baseline_scores, mean_frame_spearman, read_raw_videos, title_spearman
from vsim_tf.data.labels import Pair, read_labels
from vsim_tf.errors import RecordError, UserError

CONTEST = Path(__file__).parents[2] / "shared" / "contest" / "test_a"
PAIRS = [Pair("a", "b", 1.0), Pair("a", "c", 0.5), Pair("a", "d", 0.0)]


def masked_crc(data):
    crc = google_crc32c.value(data)
    return struct.pack("<I", (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF)


def write_records(path, records):
    content = b""
    for record in records:
        length = struct.pack("<Q", len(record))
        content += length + masked_crc(length) + record + masked_crc(record)
    path.write_bytes(content)
    return path


def example(**values):
    import tensorflow as tf

    features = {
        key: tf.train.Feature(bytes_list=tf.train.BytesList(value=value if isinstance(value, list) else [value]))
        for key, value in values.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def video(name, title="", frames=((1, 0),)):
    return example(id=name.encode(), title=title.encode(), frame_feature=[np.array(row, "<f2").tobytes() for row in frames])


def test_reads_titles_and_means_of_all_frames(tmp_path):
    file = write_records(tmp_path / "test", [video("a", "猫", [(1, 2), (2, 4)]), video("b", "", []), video("c", "x", [(3, 3)])])
    videos = read_raw_videos(file, 2)
    assert videos.ids == ["a", "b", "c"]
    assert videos.titles == ["猫", "", "x"]
    np.testing.assert_array_equal(videos.mean_frames, np.array([[1.5, 3], [0, 0], [3, 3]], np.float32), strict=True)


def test_scores_order_pairs_by_frames_and_by_titles(tmp_path):
    records = [video("a", "红色的猫", [(1, 0)]), video("b", "红色的猫", [(0, 1)]), video("c", "红色的狗", [(1, 1)]),
               video("d", "蓝天", [(1, 0)])]
    file = write_records(tmp_path / "test", records)
    scores = baseline_scores(file, PAIRS, 2)
    assert scores == {"mean frame cosine": pytest.approx(-1), "character TF-IDF cosine": pytest.approx(1)}


def test_title_cosine_uses_pairs_of_characters():
    videos = RawVideos(["a", "b", "c", "d"], ["abc", "abc", "cab", "cba"], np.zeros((4, 2)))
    assert title_spearman(videos, PAIRS) == pytest.approx(1)


def test_nothing_to_compare_is_nan():
    videos = RawVideos(["a", "b", "c", "d"], ["", " ", "", ""], np.zeros((4, 2)))
    assert math.isnan(title_spearman(videos, PAIRS))
    assert math.isnan(mean_frame_spearman(videos, PAIRS))


def test_a_video_without_record_is_named():
    videos = RawVideos(["a", "b"], ["x", "y"], np.ones((2, 2)))
    for score in (title_spearman, mean_frame_spearman):
        with pytest.raises(UserError, match="2: c, d"):
            score(videos, PAIRS)


@pytest.mark.parametrize("record, message", [
    (lambda: example(id=b"b", title=b"t"), "record 1: lacks frame_feature"),
    (lambda: example(id=[], title=b"t", frame_feature=[]), "record 1: 0 values of id"),
    (lambda: video("b", frames=[(1, 2), (1, 2, 3)]), "record 1, video b: a frame of 6 bytes; 2 float16 values are 4 bytes"),
    (lambda: b"\xff\xff", "record 1: not a tf.train.Example"),
])
def test_bad_records_are_named(tmp_path, record, message):
    file = write_records(tmp_path / "test", [video("a"), record()])
    with pytest.raises(RecordError, match=message) as error:
        read_raw_videos(file, 2)
    assert str(file) in str(error.value)


def test_bad_files_are_named(tmp_path):
    file = write_records(tmp_path / "test", [video("a"), video("b")])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecordError, match="test, record 1"):
        read_raw_videos(file, 2)
    file.write_bytes(b"")
    with pytest.raises(UserError, match="test: holds no record"):
        read_raw_videos(file, 2)
    with pytest.raises(UserError, match="gone: no such file"):
        read_raw_videos(tmp_path / "gone", 2)


@pytest.mark.skipif(not CONTEST.is_dir(), reason="needs the contest data beside the repository")
def test_on_the_real_contest():
    scores = baseline_scores(CONTEST / "test_a.tfrecords", read_labels(CONTEST / "label.tsv"), 256)
    assert 0.6 < scores["mean frame cosine"] < 0.7
    assert 0.75 < scores["character TF-IDF cosine"] < 0.85

import numpy as np
import pytest
from raw_records import video

from vsim_tf.errors import RecordError, UserError
from vsim_tf.evaluation.raw_videos import read_raw_videos, sample_raw_videos
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record


def test_reads_titles_and_means_of_all_frames(tmp_path):
    records = [video("a", "猫", [(1, 2), (2, 4)]), video("b", "", []), video("c", "x", [(3, 3)])]
    file = tmp_path / "test"
    write_records(file, records)
    videos = read_raw_videos(file, 2)
    assert videos.ids == ["a", "b", "c"]
    assert videos.titles == ["猫", "", "x"]
    np.testing.assert_array_equal(videos.mean_frames, np.array([[1.5, 3], [0, 0], [3, 3]], np.float32), strict=True)


def test_texts_and_classes_of_short_videos(tmp_path):
    """Title, OCR and speech; a class of four digits."""
    frames = np.ones((1, 2), np.float16)
    records = [video_record("a", "猫", frames, "喵", category=203, ocr_text="一二"), video_record("b", "", frames, ocr_text="x")]
    write_records(tmp_path / "test", [*records, video("c", "狗")])
    videos = sample_raw_videos([str(tmp_path / "test")], 2)
    assert videos.texts == ["猫 一二 喵", "x", "狗"]
    assert videos.categories == ["0203", "", ""]


def test_bad_records_are_named(tmp_path):
    file = tmp_path / "test"
    write_records(file, [video("a"), video("b", frames=[(1, 2, 3)])])
    with pytest.raises(RecordError, match="test, record 1, video 'b': frame 0 has 6 bytes; expected 4"):
        read_raw_videos(file, 2)


def test_bad_files_are_named(tmp_path):
    file = tmp_path / "test"
    write_records(file, [video("a"), video("b")])
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(RecordError, match="test, record 1"):
        read_raw_videos(file, 2)
    file.write_bytes(b"")
    with pytest.raises(UserError, match="test: holds no record"):
        read_raw_videos(file, 2)
    with pytest.raises(UserError, match="gone: no such file"):
        read_raw_videos(tmp_path / "gone", 2)


@pytest.mark.parametrize(
    ("most", "expected"),
    [(100, "0123456789"), (10, "0123456789"), (4, "0369"), (3, "049"), (2, "09"), (1, "0")],
)
def test_a_sample_is_spread_over_all_files(tmp_path, monkeypatch, most, expected):
    """Numbers 0 to 9 in three files, evenly: 0, 3, 6, 9 of four."""
    monkeypatch.setattr("vsim_tf.records.record_index.RECORDS_AT_ONCE", 3)
    files = []
    for name, numbers in (("a", range(3)), ("b", range(3, 4)), ("c", range(4, 10))):
        files.append(str(tmp_path / name))
        write_records(files[-1], [video(f"v{i}", f"title {i}", [(i, 0)], tags=[i]) for i in numbers])
    videos = sample_raw_videos(files, 2, most)
    assert videos.ids == [f"v{i}" for i in expected]
    assert videos.titles == [f"title {i}" for i in expected]
    assert videos.tags == [[int(i)] for i in expected]
    np.testing.assert_array_equal(videos.mean_frames, [(int(i), 0) for i in expected])


def test_bad_records_of_a_sample_are_named(tmp_path):
    files = [str(tmp_path / name) for name in ("a", "b")]
    write_records(files[0], [video("a")])
    write_records(files[1], [video("b"), video("c", frames=[(1, 2, 3)])])
    with pytest.raises(RecordError, match="/b, record 1, video 'c': frame 0 has 6 bytes; expected 4"):
        sample_raw_videos(files, 2, 9)
    (tmp_path / "b").write_bytes(b"")
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(UserError, match="/a, .*/b: no records"):
        sample_raw_videos(files, 2, 9)

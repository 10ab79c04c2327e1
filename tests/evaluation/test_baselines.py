import math
from pathlib import Path

import numpy as np
import pytest

from vsim_tf.errors import RecordError, UserError
from vsim_tf.evaluation.baselines import baseline_scores, mean_frame_spearman, title_spearman
from vsim_tf.evaluation.raw_videos import RawVideos, read_raw_videos
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.tfrecords import write_records

CONTEST = Path(__file__).parents[3] / "shared" / "contest" / "test_a"
PAIRS = [Pair("a", "b", 1.0), Pair("a", "c", 0.5), Pair("a", "d", 0.0)]


def video(name, title="", frames=((1, 0),)):
    from vsim_tf.records.videos import video_record

    return video_record(name, title, np.array(frames, dtype=np.float16))


def test_reads_titles_and_means_of_all_frames(tmp_path):
    records = [video("a", "猫", [(1, 2), (2, 4)]), video("b", "", []), video("c", "x", [(3, 3)])]
    file = tmp_path / "test"
    write_records(file, records)
    videos = read_raw_videos(file, 2)
    assert videos.ids == ["a", "b", "c"]
    assert videos.titles == ["猫", "", "x"]
    np.testing.assert_array_equal(videos.mean_frames, np.array([[1.5, 3], [0, 0], [3, 3]], np.float32), strict=True)


def test_scores_order_pairs_by_frames_and_by_titles(tmp_path):
    records = [
        video("a", "红色的猫", [(1, 0)]),
        video("b", "红色的猫", [(0, 1)]),
        video("c", "红色的狗", [(1, 1)]),
        video("d", "蓝天", [(1, 0)]),
    ]
    file = tmp_path / "test"
    write_records(file, records)
    scores = baseline_scores(read_raw_videos(file, 2), PAIRS)
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


@pytest.mark.skipif(not CONTEST.is_dir(), reason="needs the contest data next to the repository")
def test_on_the_real_contest():
    scores = baseline_scores(read_raw_videos(CONTEST / "test_a.tfrecords", 256), read_labels(CONTEST / "label.tsv"))
    assert 0.6 < scores["mean frame cosine"] < 0.7
    assert 0.75 < scores["character TF-IDF cosine"] < 0.85

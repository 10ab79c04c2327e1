import math
from pathlib import Path

import numpy as np
import pytest
from raw_records import video

from vsim_tf.errors import UserError
from vsim_tf.evaluation.baselines import baseline_scores, mean_frame_spearman, title_spearman
from vsim_tf.evaluation.raw_videos import RawVideos, read_raw_videos
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.tfrecords import write_records

CONTEST = Path(__file__).parents[3] / "shared" / "contest" / "test_a"
PAIRS = [Pair("a", "b", 1.0), Pair("a", "c", 0.5), Pair("a", "d", 0.0)]


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


@pytest.mark.skipif(not CONTEST.is_dir(), reason="needs the contest data next to the repository")
def test_on_the_real_contest():
    scores = baseline_scores(read_raw_videos(CONTEST / "test_a.tfrecords", 256), read_labels(CONTEST / "label.tsv"))
    assert 0.6 < scores["mean frame cosine"] < 0.7
    assert 0.75 < scores["character TF-IDF cosine"] < 0.85

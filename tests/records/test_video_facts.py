"""Lengths of videos by a look at their records."""

import numpy as np
import toys
from script_flags import refused

from vsim_tf.records.video_facts import VideoFacts, video_facts
from vsim_tf.records.videos import video_record


def video(number: int, frames: int, characters: int, dim: int = 6) -> bytes:
    return video_record(f"v{number}", "天" * characters, np.zeros((frames, dim)))


def test_lengths_that_cover_95_percent(tmp_path):
    """Of 40 videos, 38 have up to 5 frames and 7 characters, and two have many."""
    usual = [video(number, 1 + number % 5, number % 8) for number in range(38)]
    first = toys.write_records(tmp_path / "a.tfrecords", usual[:20])
    second = toys.write_records(tmp_path / "b.tfrecords", [*usual[20:], video(38, 30, 50), video(39, 30, 50)])
    found = video_facts([first, second])
    assert found == VideoFacts(6, 5, 7) or found == VideoFacts(6, 30, 50)
    assert video_facts([first]) == VideoFacts(6, 5, 7)


def test_lengths_of_all_texts_and_of_pictures(tmp_path):
    videos = [video_record("v", "天地", None, ocr_text="字", asr_text="说话", pictures=[b"12", b"34", b"56"])]
    file = toys.write_records(tmp_path / "a.tfrecords", videos)
    assert video_facts([file], ("title", "ocr_text", "asr_text"), "frame_picture")[1:] == (3, 5)
    assert video_facts([file], frames_key="frame_picture")[1:] == (3, 2)


def test_the_feature_dimension_is_that_of_most_videos(tmp_path):
    videos = [video(0, 0, 1), video(1, 2, 1, dim=5), video(2, 2, 1), video(3, 1, 1)]
    assert video_facts([toys.write_records(tmp_path / "a.tfrecords", videos)]).frame_dim == 6


def test_videos_without_frames_tell_nothing(tmp_path):
    file = toys.write_records(tmp_path / "a.tfrecords", [video(0, 0, 1)])
    with refused("a.tfrecords: no video has a frame"):
        video_facts([file])

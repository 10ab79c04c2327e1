from pathlib import Path

import numpy as np
import pytest
import toy_clips as clips
from toy_frames import SIZES, colour, frame_source, write_frames

from vsim_tf.errors import UserError
from vsim_tf.features.feature_zips import FeatureZip, write_feature_zip
from vsim_tf.features.frame_zips import read_frame_zip
from vsim_tf.features.pictures import PictureSizes, decode_picture
from vsim_tf.features.sampling import Sampling
from vsim_tf.features.sources import Features, FrameZips, Preparation, VideoFiles, find_videos


def test_frames_of_zips(tmp_path):
    write_frames(tmp_path, 0, 3)
    write_frames(tmp_path, 1, 1)
    source = frame_source(tmp_path)
    assert source.ids() == ["v100", "v101"]
    assert source.file("v100") == str(tmp_path / "100/v100.zip")
    frames = source.read("v100")
    assert frames.pictures.shape == (3, 8, 8, 3)
    for j in range(3):
        np.testing.assert_allclose(frames.pictures[j].mean(axis=(0, 1)), colour(0, j), atol=2)
    assert (list(frames.encoded), frames.ocr_text, frames.features) == ([], "", None)


def test_the_first_frames_alone(tmp_path):
    write_frames(tmp_path, 0, 40)
    assert len(frame_source(tmp_path).read("v100").pictures) == 32
    assert len(FrameZips(str(tmp_path), Preparation(SIZES), max_frames=5).read("v100").pictures) == 5


def test_encoded_frames_are_the_bytes_of_the_zip(tmp_path):
    path = write_frames(tmp_path, 0, 3)
    frames = frame_source(tmp_path, encode=True).read("v100")
    assert list(frames.encoded) == [frame.data for frame in read_frame_zip(path)]
    assert frames.pictures.shape == (0, 8, 8, 3)


def test_text_is_read_off_whole_pictures(tmp_path):
    write_frames(tmp_path, 0, 2)
    seen = []
    frames = frame_source(tmp_path, ocr=lambda pictures: seen.extend(p.shape for p in pictures) or "字").read("v100")
    assert (seen, frames.ocr_text) == ([(9, 11, 3)] * 2, "字")


def test_a_picture_that_does_not_decode_is_named(tmp_path):
    path = write_frames(tmp_path, 0, 2)
    path.write_bytes(path.read_bytes().replace(b"\xff\xd8\xff", b"\xff\xd8\x00"))
    with pytest.raises(UserError):  # the checksum of the zip
        frame_source(tmp_path).read("v100")
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("7.jpg", "text")
    for encode in (True, False):
        with pytest.raises(UserError, match="v100.zip, 7.jpg: not a readable picture"):
            frame_source(tmp_path, encode=encode).read("v100")


def video_files(folder: Path, sampling=None, **options) -> VideoFiles:
    return VideoFiles(str(folder), find_videos(str(folder)), Preparation(**options), sampling or Sampling())


def test_frames_of_video_files(tmp_path):
    clips.write_clip(tmp_path / "1.mp4", 20)
    source = video_files(tmp_path, Sampling(count=4), sizes=PictureSizes(12, 12))
    pictures = source.read("1").pictures
    assert pictures.shape == (4, 12, 12, 3)
    assert [clips.number_of(picture) for picture in pictures] == [2, 7, 12, 17]
    assert source.file("1") == str(tmp_path / "1.mp4")
    with pytest.raises(UserError, match="2.*: does not exist"):
        source.read("2")


@pytest.mark.parametrize(("resize", "height", "width"), [(24, 24, 32), (48, 48, 64), (50, 48, 64)])
def test_frames_of_videos_become_jpeg_no_larger_than_needed(resize, height, width, tmp_path):
    clips.write_clip(tmp_path / "1.mp4", 2)
    frames = video_files(tmp_path, sizes=PictureSizes(resize, 24), encode=True).read("1")
    pictures = [decode_picture(data, "") for data in frames.encoded]
    assert [picture.shape for picture in pictures] == [(height, width, 3)] * 2
    assert [clips.number_of(picture) for picture in pictures] == [0, 1]


def test_features_that_are_there(tmp_path):
    write_feature_zip(tmp_path / "a.zip", [("b", np.ones((5, 3))), ("a", np.zeros((0, 3)))])
    with FeatureZip(tmp_path / "a.zip", 3) as archive:
        source = Features(str(tmp_path / "a.zip"), archive, max_frames=2)
        assert source.ids() == ["b", "a"]
        assert source.read("b").features.tolist() == [[1] * 3] * 2
        assert len(source.read("b").pictures) == 0
        with pytest.raises(UserError, match="c.npy: there is no such member"):
            source.read("c")


def test_video_files_are_found_by_folder_file_or_pattern(tmp_path):
    for name in ("b.mp4", "a.MKV", "c.txt", "d[1].mp4"):
        (tmp_path / name).touch()
    (tmp_path / "folder.mp4").mkdir()
    assert list(find_videos(str(tmp_path))) == ["a", "b", "d[1]"]
    assert find_videos(str(tmp_path / "*.mp4")) == {"b": str(tmp_path / "b.mp4"), "d[1]": str(tmp_path / "d[1].mp4")}
    assert list(find_videos(str(tmp_path / "d[1].mp4"))) == ["d[1]"]
    assert list(find_videos(str(tmp_path / "c.txt"))) == ["c"]  # a name that is given is taken


def test_videos_that_are_not_found(tmp_path):
    with pytest.raises(UserError, match="none.*' matches no video; .* is empty"):
        find_videos(str(tmp_path / "none*"))
    with pytest.raises(UserError, match="matches no video"):
        find_videos(str(tmp_path))
    for name in ("a.mp4", "a.mkv"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match="ids of more than one file, by their names without endings: 1: a"):
        find_videos(str(tmp_path))

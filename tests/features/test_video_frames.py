"""Frames of made clips in every container, compared with plain decoding, and what damaged files say."""

import re
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import toy_clips as clips
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.features import videos
from vsim_tf.features.pictures import PictureSizes, resize_and_crop
from vsim_tf.features.sampling import Sampling, spread
from vsim_tf.features.videos import read_video

SHORTVIDEO = Path(__file__).parents[3] / "shared" / "shortvideo"
needs_videos = pytest.mark.skipif(not SHORTVIDEO.exists(), reason="no short videos")
KINDS = {
    "x264.mp4": {},
    "open_gop.mp4": {"options": {"x264-params": "open-gop=1:bframes=5:b-pyramid=2"}},
    "x264.mkv": {},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"cpu-used": "8"}},
    "mpeg4.avi": {"codec": "mpeg4"},
    "x264.avi": {},
    "x264.ts": {},
    "x264.flv": {},
    "mjpeg.mkv": {"codec": "mjpeg"},
    "mpeg2.mpg": {"codec": "mpeg2video", "fps": 25},
    "open_gop.mpg": {"codec": "mpeg2video", "fps": 25, "options": {"bf": "2"}},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="module", params=KINDS)
def kind(request, folder):
    """A clip of 33 frames, a key frame at least every 12, with all of its frames and their times."""
    path = clips.write_clip(folder / request.param, 33, **KINDS[request.param])
    fps = KINDS[request.param].get("fps", 8)
    return path, clips.decoded(path), [Fraction(j, fps) for j in range(33)]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(count=5), Sampling(fps=3), Sampling(first=4), Sampling(count=40)])
def test_frames_are_those_of_decoding_everything(kind, sampling):
    path, frames, times = kind
    chosen = sampling.choose(times)
    clip = read_video(path, sampling)
    assert clip.total == len(frames) == 33
    np.testing.assert_array_equal(clip.pictures, [frames[j] for j in chosen])
    np.testing.assert_allclose(clip.seconds, [float(times[j]) for j in chosen], atol=1e-3)


@pytest.fixture(scope="module")
def long_clip(folder):
    return clips.write_clip(folder / "long.mp4", 300, gop=50, size=(32, 32), options={"sc_threshold": "0"})


def decoded_packets(monkeypatch) -> list[str]:
    """Packets that the decoder is given from here on, each by whether its frame is wanted."""
    asked = []
    original = videos._decoded

    def counted(packets, stream, shown):
        def noted():
            for packet in packets:
                asked.append("wanted" if packet.pts in shown else "passed")
                yield packet

        return original(noted(), stream, shown)

    monkeypatch.setattr(videos, "_decoded", counted)
    return asked


def test_three_hundred_frames(long_clip, monkeypatch):
    """Frames 37, 112, 187 and 262 lie in the parts from key frames 0, 100, 150 and 250: 38 + 13 + 38 + 13 packets and some that
    are decoded earlier than shown.
    """
    asked = decoded_packets(monkeypatch)
    clip = read_video(long_clip, Sampling(count=4))
    assert (clip.total, clip.seconds) == (300, [37 / 8, 112 / 8, 187 / 8, 262 / 8])
    assert asked.count("wanted") == 4
    assert len(asked) < 38 + 13 + 38 + 13 + 4 * 4
    expected = clips.decoded(long_clip)
    np.testing.assert_array_equal(clip.pictures, [expected[j] for j in (37, 112, 187, 262)])


def test_the_first_frames_need_no_others(long_clip, monkeypatch):
    asked = decoded_packets(monkeypatch)
    assert [clips.number_of(picture) for picture in read_video(long_clip, Sampling(first=3)).pictures] == [0, 1, 2]
    assert len(asked) < 10


def test_where_seeking_goes_wrong_everything_is_decoded(long_clip, monkeypatch):
    expected = read_video(long_clip, Sampling(count=4)).pictures
    monkeypatch.setattr(videos, "_decoded", lambda *_: iter(()))
    np.testing.assert_array_equal(read_video(long_clip, Sampling(count=4)).pictures, expected)


def test_a_variable_frame_rate(folder):
    """Frames at 0, 0.1, 0.2, 2 and 2.1 s: twice a second the first, the third four times, and the fourth are shown."""
    path = clips.write_clip(folder / "variable.mp4", 5, fps=1000, times=[0, 100, 200, 2000, 2100])
    assert [clips.number_of(picture) for picture in read_video(path, Sampling(fps=2)).pictures] == [0, 2, 3]
    assert read_video(path).seconds == pytest.approx([0, 0.1, 0.2, 2, 2.1], abs=1e-3)


@pytest.mark.parametrize("rotation", [90, 180, -90])
def test_pictures_are_upright(rotation, folder):
    """Degrees against the clock: the white square at the top left goes to the bottom left by 90."""
    path = clips.write_clip(folder / f"{rotation}.mp4", 2, rotation=rotation)
    picture = read_video(path).pictures[0]
    assert picture.shape == ((48, 64, 3) if rotation == 180 else (64, 48, 3))
    np.testing.assert_array_equal(picture, np.rot90(clips.decoded(path)[0], rotation // 90))
    corners = {(0, 0): picture[:4, :4], (1, 0): picture[-4:, :4], (0, 1): picture[:4, -4:], (1, 1): picture[-4:, -4:]}
    assert max(corners, key=lambda place: corners[place].mean()) == {90: (1, 0), 180: (1, 1), -90: (0, 1)}[rotation]


def test_one_frame(folder):
    clip = read_video(clips.write_clip(folder / "one.mp4", 1), Sampling(count=16))
    assert (len(clip.pictures), clip.seconds, clip.total) == (1, [0.0], 1)


def test_pictures_are_prepared_as_they_are_decoded(long_clip):
    clip = read_video(long_clip, Sampling(count=3), lambda picture: resize_and_crop(picture, PictureSizes(20, 16)))
    assert [picture.shape for picture in clip.pictures] == [(16, 16, 3)] * 3


# --- refused files --------------------------------------------------------------------------------------------------


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="none.mp4: does not exist$"):
        read_video(tmp_path / "none.mp4")


def test_a_text_of_another_name(tmp_path):
    (tmp_path / "a.mp4").write_text("no video\n" * 50)
    with pytest.raises(UserError, match="a.mp4: not a readable video: Invalid data"):
        read_video(tmp_path / "a.mp4")


def test_a_playlist_opens_no_other_file(tmp_path, long_clip):
    (tmp_path / "a.mp4").write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{long_clip}\n#EXT-X-ENDLIST\n")
    with pytest.raises(UserError, match="a.mp4: not a readable video"):
        read_video(tmp_path / "a.mp4")
    (tmp_path / "b.mp4").write_text(f"ffconcat version 1.0\nfile {long_clip}\n")
    with pytest.raises(UserError, match="b.mp4: not a readable video"):
        read_video(tmp_path / "b.mp4")


def test_sound_alone(tmp_path):
    with av.open(str(tmp_path / "a.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UserError, match="a.mp4: no video stream; its streams: audio"):
        read_video(tmp_path / "a.mp4")
    with wave.open(str(tmp_path / "b.mp4"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(800))
    with pytest.raises(UserError, match="b.mp4: not a readable video"):
        read_video(tmp_path / "b.mp4")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("a.mp4", {}, r"damaged after \d+ decoded frames; its header says 40: "),
        ("a.mkv", {}, r"damaged after \d+ decoded frames: it ends after \d.\d\d s, its header says 5.00 s"),
        ("a.flv", {}, r"damaged after \d+ decoded frames"),
        ("a.avi", {"codec": "mpeg4"}, r"damaged after \d+ decoded frames; its header says 40: a packet is not complete"),
    ],
)
def test_a_file_that_is_cut_off(name, options, message, tmp_path):
    """Also where the wanted frame lies before the cut."""
    path = tmp_path / name
    clips.write_clip(path, 40, container_options={"movflags": "faststart"} if name == "a.mp4" else {}, **options)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 7 // 10])
    with pytest.raises(UserError, match=f"{name}: {message}") as error:
        read_video(path, Sampling(first=1))
    frames = int(re.search(r"after (\d+) decoded", str(error.value))[1])
    assert 0 < frames < 40


def test_data_that_is_corrupt(tmp_path):
    """Zeros in the data of a frame that others are made of; the decoder would fill the gap with something."""
    path = clips.write_clip(tmp_path / "a.mp4", 40)
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size, packet.pts) for packet in container.demux(video=0) if packet.size]
    position, size, _ = places[20]
    data = bytearray(path.read_bytes())
    data[position + size // 2 : position + size // 2 + 40] = bytes(40)
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"a.mp4: damaged after 20 decoded frames: data of the next one, at 2.50 s, is corrupt"):
        read_video(path)
    assert [clips.number_of(picture) for picture in read_video(path, Sampling(first=9)).pictures] == list(range(9))


@settings(max_examples=40)
@given(st.data())
def test_any_changed_bytes_are_read_or_a_user_error(folder, data):
    source = folder / "small.mp4"
    if not source.exists():
        clips.write_clip(source, 10, size=(16, 16))
    content = bytearray(source.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "changed.mp4"
    path.write_bytes(content)
    try:
        clip = read_video(path, Sampling(count=3))
    except UserError as error:
        assert "changed.mp4" in str(error) and "\n" not in str(error)
        return
    assert all(picture.ndim == 3 for picture in clip.pictures)


# --- real files -------------------------------------------------------------------------------------------------------

PORTRAIT, ONE, VARIABLE, LONG = "4268528562676107", "6721853077885115", "5796397189143157", "1354157306790082"
CUT_OFF, TEXT = "5125030459020067", "5229813674178074"


def frames_put_in(video: str) -> int:
    """How many frames the README of the set names, which are those of the video's zip but for one file."""
    from vsim_tf.features.frame_zips import frame_zip, read_frame_zip

    oddities = {PORTRAIT: 10, ONE: 1, VARIABLE: 8, LONG: 300}
    return oddities.get(video) or len(read_frame_zip(frame_zip(SHORTVIDEO / "frames/labeled", video)))


@needs_videos
def test_real_files_give_all_their_frames():
    paths = [path for path in sorted((SHORTVIDEO / "videos").glob("*.mp4")) if path.stem not in (CUT_OFF, TEXT)]
    assert len(paths) == 38
    for path in paths:
        clip = read_video(path)
        assert len(clip.pictures) == clip.total == frames_put_in(path.stem), path
        assert clip.pictures[0].shape == ((200, 120, 3) if path.stem == PORTRAIT else (160, 160, 3))
        np.testing.assert_array_equal(clip.pictures, clips.decoded(path))
        few = read_video(path, Sampling(count=3))
        np.testing.assert_array_equal(few.pictures, [clip.pictures[j] for j in spread(clip.total, 3)])


@needs_videos
def test_real_files_that_are_damaged():
    with pytest.raises(
        UserError, match=f"{CUT_OFF}.mp4: damaged after 4 decoded frames; its header says 8: the file has 6445 bytes"
    ):
        read_video(SHORTVIDEO / "videos" / f"{CUT_OFF}.mp4")
    with pytest.raises(UserError, match=f"{TEXT}.mp4: not a readable video: Invalid data found when processing input$"):
        read_video(SHORTVIDEO / "videos" / f"{TEXT}.mp4")

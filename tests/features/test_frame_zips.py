import stat
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.features import frame_zips
from vsim_tf.features.frame_zips import frame_zip, frame_zip_ids, read_frame_zip

SHORTVIDEO = Path(__file__).parents[3] / "shared" / "shortvideo"


def write(path, members, compress=zipfile.ZIP_STORED):
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", compress) as archive:
        for name in members:
            archive.writestr(name, name)
    return path


def names(path, *args):
    return [frame.name for frame in read_frame_zip(path, *args)]


def test_pictures_by_their_sorted_names(tmp_path):
    members = [
        "10.jpg",
        "2.JPG",
        "folder/",
        "folder/1.png",
        "Thumbs.db",
        "__MACOSX/._2.jpg",
        "._10.jpg",
        "a.webp",
        "0.jpeg",
        "gif",
    ]
    path = write(tmp_path / "1.zip", members)
    assert names(path) == ["0.jpeg", "10.jpg", "2.JPG", "a.webp", "folder/1.png"]
    assert names(path, 2) == ["0.jpeg", "10.jpg"]
    assert [frame.data for frame in read_frame_zip(path, 1)] == [b"0.jpeg"]


@pytest.mark.parametrize(("video", "file"), [("12345", "345/12345.zip"), ("45", "45/45.zip"), ("a.b-c", "b-c/a.b-c.zip")])
def test_the_folder_is_named_by_the_end_of_the_id(video, file, tmp_path):
    assert frame_zip(tmp_path, video) == tmp_path / file


@pytest.mark.parametrize("video", ["", ".", "..", "a/b", "../../a", "a\\b", "a\0"])
def test_an_id_that_is_no_name_of_a_file(video, tmp_path):
    with pytest.raises(UserError, match="is no name of a file"):
        frame_zip(tmp_path, video)


def test_ids_below_a_folder(tmp_path):
    for name in ("345/12345.zip", "45/45.zip", "345/999.zip", "345/12345.txt", "other.zip"):
        write(tmp_path / name, ["a.jpg"])
    assert frame_zip_ids(tmp_path) == ["12345", "45"]


@pytest.mark.parametrize(
    ("members", "message"),
    [([], "no picture among its 0 members; accepted are .jpg"), (["a.txt"], "no picture among its 1 members"),
     (["/a.jpg"], "points outside"), (["../a.jpg"], "its member '../a.jpg' points outside")],
)  # fmt: skip
def test_refuses_members(members, message, tmp_path):
    with pytest.raises(UserError, match=f"1.zip: .*{message}"):
        read_frame_zip(write(tmp_path / "1.zip", members))


def test_refuses_other_members(tmp_path):
    with pytest.raises(UserError, match="packed by method 14"):
        read_frame_zip(write(tmp_path / "lzma.zip", ["a.jpg"], zipfile.ZIP_LZMA))
    link = zipfile.ZipInfo("a.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UserError, match="symbolic link"):
        read_frame_zip(tmp_path / "link.zip")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.jpg", "1")
        archive.writestr("a.jpg", "2")
    with pytest.raises(UserError, match="two members are named 'a.jpg'"):
        read_frame_zip(tmp_path / "two.zip")


def test_refuses_more_than_a_video_has(tmp_path, monkeypatch):
    path = write(tmp_path / "1.zip", ["a.jpg", "b.jpg", "c.jpg"])
    monkeypatch.setattr(frame_zips, "MAX_UNPACKED_BYTES", 11)
    assert len(read_frame_zip(path, 2)) == 2
    with pytest.raises(UserError, match="its pictures unpack to 15 bytes; accepted are at most 11"):
        read_frame_zip(path)
    monkeypatch.setattr(frame_zips, "MAX_MEMBERS", 2)
    with pytest.raises(UserError, match="3 members; accepted are at most 2"):
        read_frame_zip(path)
    monkeypatch.setattr(frame_zips, "MAX_FRAME_BYTES", 4)
    monkeypatch.setattr(frame_zips, "MAX_MEMBERS", 3)
    with pytest.raises(UserError, match="'a.jpg' unpacks to 5 bytes; accepted are at most 4"):
        read_frame_zip(path)


def test_files_that_are_no_zips(tmp_path):
    with pytest.raises(UserError, match="none.zip: does not exist"):
        read_frame_zip(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("text")
    with pytest.raises(UserError, match="text.zip: not a readable zip of frames: File is not a zip file"):
        read_frame_zip(tmp_path / "text.zip")


@given(st.data())
def test_any_changed_byte_is_read_or_a_user_error(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("changed")
    content = write(folder / "1.zip", ["a.jpg", "b.jpg"], zipfile.ZIP_DEFLATED).read_bytes()
    place, value = data.draw(st.integers(0, len(content) - 1)), data.draw(st.integers(0, 255))
    (folder / "1.zip").write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
    try:
        frames = read_frame_zip(folder / "1.zip")
    except UserError as error:
        assert "1.zip" in str(error)
        return
    assert len(frames) <= 2


@pytest.mark.skipif(not SHORTVIDEO.exists(), reason="no short videos")
def test_the_frames_of_a_real_split():
    ids = frame_zip_ids(SHORTVIDEO / "frames/test_a")
    assert len(ids) == 750
    frames = read_frame_zip(frame_zip(SHORTVIDEO / "frames/test_a", ids[0]))
    assert [frame.name for frame in frames] == [f"{number:03d}.jpg" for number in range(len(frames))]

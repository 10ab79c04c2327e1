import stat
import zipfile

import pytest

from vsim_tf.io.zips import member_fault, new_member


def member(name="a.jpg", **changes) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    for key, value in {"file_size": 10, **changes}.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize("good", [member(), member("folder/a.jpg"), member("a..jpg"), member(compress_type=zipfile.ZIP_DEFLATED)])
def test_plain_members(good):
    assert member_fault(good, 10) == ""


@pytest.mark.parametrize(
    ("bad", "fault"),
    [
        (member("/a"), "'/a' points outside the zip's folder"),
        (member("../a"), "points outside"),
        (member("b/../../a"), "points outside"),
        (member("C:\\a"), "points outside"),
        (member(external_attr=(stat.S_IFLNK | 0o777) << 16), "'a.jpg' is a symbolic link; accepted is a plain file"),
        (member(flag_bits=1), "'a.jpg' is encrypted"),
        (member(compress_type=zipfile.ZIP_LZMA), "'a.jpg' is packed by method 14; accepted is deflate"),
        (member(file_size=11), "'a.jpg' unpacks to 11 bytes; accepted are at most 10"),
    ],
)
def test_faults(bad, fault):
    assert fault in member_fault(bad, 10)


def test_a_zip_of_new_members_follows_from_its_content(tmp_path):
    for name in ("a.zip", "b.zip"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr(new_member("x"), b"1")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        (info,) = archive.infolist()
    assert (info.create_system, info.compress_type, stat.filemode(info.external_attr >> 16)) == (3, 0, "-rw-r--r--")

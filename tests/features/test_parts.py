import pytest

from vsim_tf.errors import UserError
from vsim_tf.features.parts import Damaged, Part, Parts, differences

PART = Part([b"one", b""], 7, [Damaged("3", "3.mp4", "不是 a video")])


def test_parts_come_back(tmp_path):
    parts = Parts(tmp_path / "a.zip", {"x": 1})
    parts.write(0, PART)
    parts.write(2, Part([b"two"], 1, []))
    again = Parts(tmp_path / "a.zip", {"x": 1})
    assert [number in again for number in range(3)] == [True, False, True]
    assert again.read(0) == PART
    again.write(1, Part([], 0, []))
    assert list(again.records(3)) == [b"one", b"", b"two"]
    again.discard(0)
    assert 0 not in parts
    again.remove()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kept", [True, False])
def test_a_folder_without_parts_does_not_stay_behind_an_error(tmp_path, kept):
    with pytest.raises(KeyboardInterrupt), Parts(tmp_path / "a.zip", {"x": 1}) as parts:
        parts.write(0, PART)
        if not kept:
            parts.discard(0)
        raise KeyboardInterrupt
    assert (0 in parts) is (tmp_path / "a.zip.parts").exists() is kept


def test_parts_of_other_settings(tmp_path):
    Parts(tmp_path / "a.zip", {"x": 1, "y": (2, 3)}).write(0, PART)
    assert 0 in Parts(tmp_path / "a.zip", {"x": 1, "y": [2, 3]})
    with pytest.raises(UserError, match=r"a.zip.parts: .*begun here \(x, z differ\); finish it .* overwrite=True"):
        Parts(tmp_path / "a.zip", {"x": 2, "y": [2, 3], "z": None, "w": None} | {"z": 1})
    assert 0 not in Parts(tmp_path / "a.zip", {"x": 2}, overwrite=True)
    assert 0 not in Parts(tmp_path / "a.zip", {"x": 2})


def test_differences():
    assert differences({"a": [1], "b": 2}, {"a": (1,), "b": 2}) == ""
    assert differences({"a": 1}, {"b": 2}) == "a, b"

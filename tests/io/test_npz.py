import zipfile

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.io.npz import read_npz


def test_arrays_are_read_by_name_up_to_a_size(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.zeros(1000), z=np.array(["天"]))
    arrays = read_npz(tmp_path / "a.npz", ("z", "x"), "file of a kind")
    assert {name: array.tolist() for name, array in arrays.items()} == {"z": ["天"], "x": [0, 1, 2]}
    with pytest.raises(UserError, match="a.npz: its arrays unpack to [89][0-9]{3} bytes; accepted are at most 8000"):
        read_npz(tmp_path / "a.npz", ("x",), "file of a kind", 8000)
    with pytest.raises(UserError, match=r"a.npz: not a readable file of a kind \(npz\): .*'a is not a file in the archive'"):
        read_npz(tmp_path / "a.npz", ("a",), "file of a kind")


def test_nothing_is_unpickled_and_other_members_are_bytes(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([None]))
    with pytest.raises(UserError, match="not a readable file of a kind .*allow_pickle"):
        read_npz(tmp_path / "a.npz", ("x",), "file of a kind")
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("x", b"text")
    assert read_npz(tmp_path / "b.npz", ("x",), "file of a kind")["x"].dtype.kind == "S"

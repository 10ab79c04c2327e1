"""JSON read strictly, and folders that one process has to itself."""

import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.data import files
from vsim_tf.data.files import exclusive, read_json_lines, read_json_object
from vsim_tf.errors import UserError

HOLD = """
import sys
from vsim_tf.data.files import exclusive
with exclusive(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_an_object(tmp_path, start):
    (tmp_path / "a.json").write_text(start + '{"天": [1, 2.5, null]}', encoding="utf-8")
    assert read_json_object(tmp_path / "a.json") == {"天": [1, 2.5, None]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b'{"a": 1', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"9" * 5000, "not JSON"),
        (b"[1]", "a JSON object is needed, got list"),
        (b"null", "a JSON object is needed, got NoneType"),
    ],
)
def test_what_is_no_object_is_named(tmp_path, data, message):
    path = tmp_path / "a.json"
    path.write_bytes(data)
    with pytest.raises(UserError, match=f"{path}: {message}"):
        read_json_object(path)
    path.write_bytes(b'{"step": 1}\n' + data + b"\n")
    with pytest.raises(UserError, match=f"{path}, line 2: {message}"):
        read_json_lines(path)


@pytest.mark.parametrize("read", [read_json_object, read_json_lines])
def test_a_missing_file_and_a_folder(tmp_path, read):
    with pytest.raises(UserError, match=r"gone: cannot be read: No such file"):
        read(tmp_path / "gone")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory"):
        read(tmp_path)


def test_lines_without_the_last_one_that_was_cut_off(tmp_path):
    path = tmp_path / "a.jsonl"
    whole = b'{"step": 0, "x": NaN}\n{"step": 2}\n'
    path.write_bytes(whole)
    assert [line["step"] for line in read_json_lines(path)] == [0, 2]
    for cut in range(1, 12):
        path.write_bytes(whole[:-cut])
        assert [line["step"] for line in read_json_lines(path)] == [0]
    path.write_bytes(b"")
    assert read_json_lines(path) == []


def test_a_folder_has_one_writer_and_is_free_when_that_was_killed(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match=f"{tmp_path}: another process is writing into it"), exclusive(tmp_path):
            pytest.fail("both have it")
        other.kill()
    with exclusive(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


@given(data=st.binary(max_size=20), at_once=st.integers(1, 25))
def test_a_fingerprint_is_that_of_the_whole_file(tmp_path_factory, data, at_once):
    path = tmp_path_factory.mktemp("fingerprint") / "file"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BYTES_AT_ONCE", at_once)
        found = files.fingerprint(path)
    assert found == {"name": "file", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

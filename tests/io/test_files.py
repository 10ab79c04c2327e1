"""JSON read strictly, and folders that one process has to itself."""

import errno
import fcntl
import hashlib
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.io import files
from vsim_tf.io.files import exclusive, lock_file, new_folder, read_json_lines, read_json_object, remove_stale_lock

HOLD = """
import sys
from vsim_tf.io.files import exclusive
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
    assert lock_file(tmp_path).exists()
    with exclusive(tmp_path):
        pass
    assert os.listdir(tmp_path) == []
    assert not lock_file(tmp_path).exists()


def test_a_folder_may_come_and_go_while_it_is_locked(tmp_path):
    folder = tmp_path / "new/run"
    with exclusive(folder):
        for _ in range(2):
            folder.mkdir()
            with pytest.raises(UserError, match="run: another process is writing"), exclusive(folder):
                pytest.fail("both have it")
            folder.rmdir()
    assert [path.name for path in tmp_path.rglob("*")] == ["new"]


def test_a_lock_file_that_its_owner_removes_before_it_is_locked_counts_for_nothing(tmp_path, monkeypatch):
    """Of two that wait for it, one would lock the removed file and the other a new one."""
    lock, flock, calls = lock_file(tmp_path), fcntl.flock, []

    def remove_first(descriptor, operation):
        if not calls:
            lock.unlink()
        calls.append(descriptor)
        flock(descriptor, operation)

    monkeypatch.setattr(files.fcntl, "flock", remove_first)
    with exclusive(tmp_path):
        assert len(calls) == 2
        assert os.path.samestat(os.stat(lock), os.fstat(calls[1]))
    assert not lock.exists()


def test_a_name_and_a_link_to_it_are_one_folder(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "link").symlink_to("run")
    with exclusive(tmp_path / "run"), pytest.raises(UserError, match="link: another"), exclusive(tmp_path / "link"):
        pytest.fail("both have it")


def test_a_file_system_without_locks_is_used_without(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", refuse)
    with exclusive(tmp_path), exclusive(tmp_path):
        pass
    assert not lock_file(tmp_path).exists()


def test_the_folder_itself_is_locked_where_the_one_around_it_may_not_be_written(tmp_path, monkeypatch):
    def refuse(path, *arguments):
        if str(path).endswith(".lock"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return original(path, *arguments)

    original = os.open
    monkeypatch.setattr(files.os, "open", refuse)
    with exclusive(tmp_path), pytest.raises(UserError, match="another process"), exclusive(tmp_path):
        pytest.fail("both have it")
    with pytest.raises(PermissionError), exclusive(tmp_path / "missing"):
        pytest.fail("there is no such folder")


def test_a_stale_lock_file_is_removed_and_a_held_one_is_not(tmp_path):
    lock_file(tmp_path).touch()
    with exclusive(tmp_path):
        remove_stale_lock(tmp_path)
        assert lock_file(tmp_path).exists()
    lock_file(tmp_path).touch()
    remove_stale_lock(tmp_path)
    assert not lock_file(tmp_path).exists()
    remove_stale_lock(tmp_path)


def test_the_message_of_a_caller(tmp_path):
    with exclusive(tmp_path), pytest.raises(UserError, match="^of the caller$"), exclusive(tmp_path, "of the caller"):
        pytest.fail("both have it")


# --- new folders ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_there", [False, True])
def test_a_new_folder_is_there_when_it_is_complete(tmp_path, is_there):
    if is_there:
        (tmp_path / "new").mkdir()
    (tmp_path / ".new.part").mkdir()  # of a process that was killed
    (tmp_path / ".new.part/old").touch()
    with new_folder(tmp_path / "new") as part:
        (part / "inside").mkdir()
        (part / "inside/file").write_text("text")
        assert not (tmp_path / "new").exists() or not list((tmp_path / "new").iterdir())
        with pytest.raises(UserError, match="another process is writing"), new_folder(tmp_path / "new"):
            pytest.fail("both have it")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["new", "new/inside", "new/inside/file"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (lambda part: UserError(f"{part}/a: damaged", ["field"]), "/new/a: damaged$"),
        (lambda part: OSError(errno.ENOSPC, "No space left on device"), "/new: cannot be written: No space left on device$"),
    ],
)
def test_a_folder_that_is_not_completed_does_not_appear(tmp_path, error, message):
    with pytest.raises(UserError, match=message), new_folder(tmp_path / "new") as part:
        (part / "file").touch()
        raise error(part)
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_replaced(tmp_path):
    (tmp_path / "file").touch()
    for there in (tmp_path, tmp_path / "file"):
        with pytest.raises(UserError, match="is there already; remove it, or give another folder"), new_folder(there):
            pytest.fail("it is there")


@given(
    lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")).filter(str.strip), min_size=1).filter(
        lambda lines: not lines[0].startswith("\ufeff")
    ),
    start=st.sampled_from(["", "\ufeff"]),
    end=st.sampled_from(["\n", "\r\n"]),
    ends=st.booleans(),
)
def test_lines_are_the_same_whatever_wrote_them(tmp_path_factory, lines, start, end, ends):
    path = tmp_path_factory.mktemp("lines") / "file"
    path.write_bytes((start + end.join(lines) + end * ends).encode())
    assert files.read_lines(path) == lines


@given(data=st.binary(max_size=20), at_once=st.integers(1, 25))
def test_a_fingerprint_is_that_of_the_whole_file(tmp_path_factory, data, at_once):
    path = tmp_path_factory.mktemp("fingerprint") / "file"
    path.write_bytes(data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_BYTES_AT_ONCE", at_once)
        found = files.fingerprint(path)
    assert found == {"name": "file", "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}

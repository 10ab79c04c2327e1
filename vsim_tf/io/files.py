"""Text and JSON read strictly, files that appear complete or not at all, and folders that one process has to itself."""

import codecs
import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.types import PathLike

_BYTES_AT_ONCE = 8 << 20
"""Reading and hashing leave Python to other threads; in small parts, a thread next to them would wait for it again and again."""


def read_lines(path: PathLike) -> list[str]:
    """Lines of a UTF-8 text file, without their ends.

    Lines end with a line feed, or with CRLF as spreadsheets write them, and a byte order mark is no part of the first one.
    `str.splitlines` would also cut at characters that may stand inside a field.

    Raises:
        UserError: no such file, an empty file, bytes that are not UTF-8, a carriage return within a line or a blank line; with
            the file and the line number.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError as error:
        advice = f"{whats_there(path)}; docs/data.md has the files that are expected"
        raise UserError(f"{path}: cannot be read: {error.strerror} ({advice})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    data = data.removeprefix(codecs.BOM_UTF8)
    if not data:
        raise UserError(f"{path}: the file is empty")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start)
        damaged = data.split(b"\n", number + 1)[number]
        raise UserError(f"{path}, line {number + 1}: {damaged!r} has a byte {data[error.start]:#04x} that is not UTF-8") from None
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            raise UserError(f"{path}, line {number}: {line!r} has a carriage return; lines end with a line feed, or with CRLF")
        if not line.strip():
            raise UserError(f"{path}, line {number}: {line!r} is a blank line; remove it")
    return lines


def whats_there(path: PathLike) -> str:
    """The names in a folder, or in the nearest folder above what does not exist, for the end of an error message."""
    folder = Path(path)
    while not folder.is_dir():
        folder = folder.parent
    try:
        names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError as error:
        return f"{folder} cannot be listed: {error.strerror}"
    return f"{folder} holds {count_and_first(names)}" if names else f"{folder} is empty"


def read_json_object(path: PathLike) -> dict[str, Any]:
    """The object in a JSON file. Raises UserError naming the file if it is missing, not JSON or not an object."""
    try:
        return _json_object(Path(path).read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def read_json_list(path: PathLike) -> list[Any]:
    """The list in a JSON file. Raises UserError naming the file if it is missing, not JSON or not a list."""
    try:
        value = _json_value(Path(path).read_bytes(), path)
    except FileNotFoundError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror} ({whats_there(path)})") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if not isinstance(value, list):
        raise UserError(f"{path}: a JSON list is needed, got {type(value).__name__}")
    return value


def read_json_lines(path: PathLike) -> list[dict[str, Any]]:
    """The objects of a file with one JSON object per line; a last line without its line feed was cut off and is left out.

    Raises:
        UserError: no such file, or a line that is no JSON object; with the file and the line number.
    """
    try:
        *lines, _ = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return [_json_object(line, f"{path}, line {number}") for number, line in enumerate(lines, 1)]


def _json_object(data: bytes, where: PathLike) -> dict[str, Any]:
    value = _json_value(data, where)
    if not isinstance(value, dict):
        raise UserError(f"{where}: a JSON object is needed, got {type(value).__name__}")
    return value


def _json_value(data: bytes, where: PathLike) -> Any:
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {error}") from error


def without_nan(value: Any) -> Any:
    """A value as JSON can hold it: None, which is written as null, in the place of NaN and inf."""
    return json.loads(json.dumps(value), parse_constant=lambda constant: None)


@contextlib.contextmanager
def exclusive(folder: PathLike, message: str = "") -> Iterator[None]:
    """Keeps out of a folder every other process that asks for the same; a killed process lets go of it.

    The lock is on a file next to the folder, `.fold-00.lock` for `fold-00`: the folder itself may be missing, deleted or replaced
    meanwhile. The file is removed at the end; a killed process leaves it, free for the next one.

    Raises:
        UserError: another process has it; with the message, if one is given.
        OSError: the lock file cannot be written.
    """
    folder_path = Path(os.path.realpath(folder))
    lock = lock_file(folder_path)
    held: Path | None = lock
    message = message or f"{folder}: another process is writing into it; wait for its end, or choose another folder"
    with contextlib.suppress(FileExistsError):  # a file in its place, as opening says
        lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _locked_file(lock, message)
    except PermissionError:
        if not folder_path.is_dir():
            raise
        # the folder may be written, the one around it not
        held, descriptor = None, _locked(os.open(folder_path, os.O_RDONLY), message)
    try:
        yield
    finally:
        if held:
            held.unlink(missing_ok=True)  # while it is locked: whoever waits for this file finds out that it is gone
        os.close(descriptor)


def lock_file(folder: Path) -> Path:
    """The file that `exclusive` locks for a folder."""
    return folder.with_name(f".{folder.name}.lock")


def remove_stale_lock(folder: Path) -> None:
    """Removes the lock file that a killed process has left; one that is held stays."""
    if lock_file(Path(os.path.realpath(folder))).exists():
        with contextlib.suppress(UserError, OSError), exclusive(folder):
            pass


def _locked_file(lock: Path, message: str) -> int:
    """A descriptor of the locked file that has this name now, not of one that its owner has removed since it was opened."""
    while True:
        # for writing: network file systems lock nothing else
        descriptor = _locked(os.open(lock, os.O_RDWR | os.O_CREAT, 0o666), message)
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)


def _locked(descriptor: int, message: str) -> int:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            os.close(descriptor)
            raise UserError(message) from None
        # else a file system without locks, as some network ones are
    return descriptor


@contextlib.contextmanager
def replacing(path: PathLike) -> Iterator[BinaryIO]:
    """A binary file to write that takes the name `path` when the block ends without an error, and else disappears."""
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        with open(part, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    sync(path.parent)


@contextlib.contextmanager
def output_file(path: PathLike) -> Iterator[BinaryIO]:
    """Opens a binary file as `replacing` does, complete or not at all, after making its folder.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def new_folder(folder: PathLike) -> Iterator[Path]:
    """A folder to fill that takes its name when the block ends without an error, and else disappears.

    Errors inside the block name files as they would have been called.

    Raises:
        UserError: something of that name is there, an empty folder excepted, another process is writing it, or it cannot be
            written.
    """
    folder = Path(os.path.abspath(folder))
    require_new(folder)
    part = folder.with_name(f".{folder.name}.part")
    try:
        with exclusive(folder):
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            try:
                part.mkdir()
                yield part
                for path in part.rglob("*"):
                    sync(path)
                os.replace(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
            sync(folder.parent)
    except UserError as error:
        raise UserError(str(error).replace(str(part), str(folder)), error.fields) from error
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from error


def require_new(folder: PathLike) -> None:
    """`UserError` for something that is there already, an empty folder excepted."""
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is there already; remove it, or give another folder")


def sync(path: PathLike) -> None:
    """Make the content of a file, or the names in a folder, survive a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint(path: PathLike) -> dict[str, str | int]:
    """`{"name", "bytes", "sha256"}` of a file: enough to see whether it is still the same, wherever it lies."""
    sha256, size = hashlib.sha256(), 0
    with open(path, "rb", buffering=0) as file:
        while data := file.read(_BYTES_AT_ONCE):
            sha256.update(data)
            size += len(data)
    return {"name": Path(path).name, "bytes": size, "sha256": sha256.hexdigest()}


def fingerprint_once(path: PathLike) -> dict[str, str | int]:
    """The same, read once in a process as long as size and time of change are the same: 2 GB take seconds."""
    status = os.stat(path)
    return _cached_fingerprint(os.fspath(path), status.st_size, status.st_mtime_ns)


@functools.cache
def _cached_fingerprint(path: str, size: int, modified: int) -> dict[str, str | int]:
    del size, modified
    return fingerprint(path)


def stamp(path: PathLike) -> dict[str, str | int]:
    """`{"name", "bytes", "mtime_ns"}` of a file: whether it may have changed where it lies, without reading it."""
    status = os.stat(path)
    return {"name": Path(path).name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def require_existing(*paths: str | None) -> None:
    """`UserError` for the first path that does not exist; None and empty ones are passed over."""
    for path in paths:
        if path and not os.path.exists(path):
            raise UserError(f"{path} does not exist ({whats_there(path)}; docs/data.md has the files that are expected)")

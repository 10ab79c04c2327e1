"""Text files read strictly, and files that appear complete or not at all."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from vsim_tf.errors import UserError

_BOM = b"\xef\xbb\xbf"


def read_lines(path: str | os.PathLike) -> list[str]:
    """Lines of a UTF-8 text file, without their line feeds.

    Lines end with a line feed only: `str.splitlines` would also cut at characters that may stand inside a field.

    Raises:
        UserError: no such file, an empty file, a byte order mark, bytes that are not UTF-8, a carriage return or a
            blank line; with the file and the line number.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    if not data:
        raise UserError(f"{path}: the file is empty")
    if data.startswith(_BOM):
        raise UserError(f"{path}, line 1: starts with a byte order mark (BOM); save the file as UTF-8 without BOM")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: byte {data[error.start]:#04x} is not UTF-8") from None
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        if "\r" in line:
            raise UserError(
                f"{path}, line {number}: {line!r} has a carriage return; lines end with a line feed alone, "
                "not with CRLF (dos2unix converts)"
            )
        if not line.strip():
            raise UserError(f"{path}, line {number}: {line!r} is a blank line; remove it")
    return lines


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[BinaryIO]:
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
    sync_folder(path.parent)


@contextlib.contextmanager
def output_file(path: str | os.PathLike) -> Iterator[BinaryIO]:
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


def sync_folder(folder: str | os.PathLike) -> None:
    """Make new names in a folder survive a crash of the machine."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def fingerprint(path: str | os.PathLike) -> dict[str, str | int]:
    """`{"name", "bytes", "sha256"}` of a file: enough to see whether it is still the same, wherever it lies."""
    with open(path, "rb") as file:
        return {
            "name": Path(path).name,
            "bytes": os.fstat(file.fileno()).st_size,
            "sha256": hashlib.file_digest(file, "sha256").hexdigest(),
        }

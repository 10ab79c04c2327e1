"""TFRecord files: find, walk, read and write them without TensorFlow.

A record is framed as: length (8 bytes, little-endian), masked CRC-32C of the length (4), data, masked CRC-32C of the
data (4).
"""

import glob
import os
import struct
from array import array
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

import google_crc32c
import numpy as np

from vsim_tf.errors import RecordError, Refused, UserError, raised
from vsim_tf.io.files import whats_there
from vsim_tf.io.paths import RECORDS
from vsim_tf.records.file_kinds import looks_like
from vsim_tf.types import PathLike

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_BYTES_AT_ONCE = 1 << 20
"""Writing lets another thread run Python; each time, taking Python back costs more than a record takes."""
_HEADER_BYTES = _LENGTH.size + _CRC.size


def expand_pattern(pattern: str, may_be_empty: bool = False) -> list[str]:
    """Sorted files of a glob pattern, or of several separated by commas.

    A path that exists is taken as it is, whatever characters it has; `io.paths.records_pattern` makes patterns in such folders.

    Args:
        pattern: one or more.
        may_be_empty: accept files of 0 bytes; as a rule they were not copied well.

    Raises:
        UserError: a pattern that matches nothing, a folder, a file that cannot be read or is empty.
    """
    files = {file for _, found in split_at_commas(pattern, _matching_files) for file in found}
    for file in sorted(files):
        if os.path.isdir(file):
            raise UserError(f"{file!r} is a folder; give its files, for example '{os.path.join(file, RECORDS)}'")
        if not os.access(file, os.R_OK):
            raise UserError(f"{file!r} cannot be read; check its permissions")
        if not may_be_empty and not os.path.getsize(file):
            raise UserError(f"{file!r} is empty; copy it again, or leave it out")
    return sorted(files)


def _matching_files(pattern: str) -> list[str]:
    """What a path or glob pattern without separating commas stands for; empty if that is nothing."""
    return [pattern] if os.path.exists(pattern) else glob.glob(pattern)


def split_at_commas(text: str, find: Callable[[str], list[str]]) -> Iterator[tuple[str, list[str]]]:
    """The parts between commas, each with what `find` finds for it; a name with commas is one part where something is found.

    Raises:
        UserError: a part for which nothing is found.
    """
    parts = text.split(",")
    while parts:
        for count in range(len(parts), 0, -1):
            part = ",".join(parts[:count])
            if found := find(part):
                break
        else:
            raise UserError(
                f"{','.join(parts)!r} matches no file; give a file, a pattern such as 'folder/*.tfrecords', or several separated"
                f" by commas ({whats_there(parts[0])}; docs/data.md has the files that are expected)"
            )
        yield part, found
        parts = parts[count:]


def split_paths(text: str) -> list[str]:
    """Paths separated by commas; one that exists may have commas in its name."""
    return [path for path, _ in split_at_commas(text, lambda part: [part] if "," not in part or os.path.exists(part) else [])]


def record_spans(path: PathLike) -> tuple[np.ndarray, np.ndarray]:
    """Where the data of each record lies: offsets and lengths in bytes, `[records]` int64 each.

    Only the 12 bytes in front of each record are read, so the data itself is not checked.

    Raises:
        RecordError: a truncated file, or one that is no TFRecord file; with the file and the number of the record.
    """
    offsets, lengths = array("q"), array("q")  # of millions of records, a list would take several times as much
    with open(path, "rb", buffering=0) as file:
        descriptor = file.fileno()
        size = os.fstat(descriptor).st_size
        position = 0
        while position < size:
            length = _record_length(os.pread(descriptor, _HEADER_BYTES, position), path, len(offsets), position)
            offsets.append(position + _HEADER_BYTES)
            lengths.append(length)
            position += _HEADER_BYTES + length + _CRC.size
            if position > size:
                raise _truncated(path, len(offsets) - 1)
    return np.array(offsets, np.int64), np.array(lengths, np.int64)


def count_records(path: PathLike) -> int:
    """Number of records of a file, by walking its framing; errors as in `record_spans`."""
    return len(record_spans(path)[0])


class Record(NamedTuple):
    """A record of a file: its number from 0 on, the offset of its data in bytes, and its data."""

    number: int
    offset: int
    data: bytes


def read_records(path: PathLike) -> Iterator[tuple[int, bytes]]:
    """Records of a file in order, as (offset of the data in the file, data), each checked against its CRC.

    Raises:
        RecordError: a damaged or truncated file; with the file and the number of the record.
    """
    for record in scan_records(path):
        yield record.offset, record.data


def scan_records(path: PathLike, refused: Refused = raised) -> Iterator[Record]:
    """Records of a file in order, each checked against its CRC.

    Args:
        path: the file.
        refused: takes a `RecordError` for each damaged record, which is left out; behind damaged framing, or where the file ends
            within a record, no further one is found.
    """
    with open(path, "rb", buffering=1 << 20) as file:
        number = position = 0
        while header := file.read(_HEADER_BYTES):
            try:
                length = _record_length(header, path, number, position)
            except RecordError as error:
                refused(error)
                return
            data, crc = file.read(length), file.read(_CRC.size)
            if fault := _fault(data, crc, length, path, number):
                refused(fault)
            else:
                yield Record(number, position + _HEADER_BYTES, data)
            number += 1
            position += _HEADER_BYTES + length + _CRC.size


def read_span(descriptor: int, offset: int, length: int, number: int, path: PathLike) -> bytes:
    """The data of one record of an open file, checked against its CRC.

    Args:
        descriptor: of the file.
        offset, length: where the data lies, as `record_spans` says.
        number, path: of record and file, for messages.

    Raises:
        RecordError: a damaged or truncated file.
    """
    data = os.pread(descriptor, length, offset)
    return _checked(data, os.pread(descriptor, _CRC.size, offset + length), length, path, number)


def write_records(path: PathLike, records: Iterable[bytes]) -> int:
    """Write a file of records; returns the number of records."""
    with open(path, "wb") as file:
        return append_records(file, records)


def append_records(file: BinaryIO, records: Iterable[bytes]) -> int:
    """Write records to an open file, about `_BYTES_AT_ONCE` at a time; returns the number of records."""
    parts: list[bytes] = []
    count = held = 0
    for data in records:
        count += 1
        length = _LENGTH.pack(len(data))
        parts += (length, _CRC.pack(_masked_crc(length)), data, _CRC.pack(_masked_crc(data)))
        held += len(data)
        if held >= _BYTES_AT_ONCE:
            file.write(b"".join(parts))
            parts, held = [], 0
    file.write(b"".join(parts))
    return count


def _masked_crc(data: bytes) -> int:
    """CRC-32C, rotated right by 15 bits plus a constant: a CRC of data that itself holds CRCs would be weak."""
    crc: int = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _record_length(header: bytes, path: PathLike, number: int, position: int) -> int:
    if len(header) < _HEADER_BYTES:
        raise _truncated(path, number)
    if _masked_crc(header[: _LENGTH.size]) != _CRC.unpack_from(header, _LENGTH.size)[0]:
        hint = "" if number else f"{looks_like(header)} (docs/data.md, How to write such files)"
        raise RecordError(
            f"{path}, record {number} (byte {position}): no valid record starts here; the file is "
            f"damaged or is not an uncompressed TFRecord file{hint}"
        )
    length: int = _LENGTH.unpack_from(header)[0]
    return length


def _checked(data: bytes, crc: bytes, length: int, path: PathLike, number: int) -> bytes:
    if fault := _fault(data, crc, length, path, number):
        raise fault
    return data


def _fault(data: bytes, crc: bytes, length: int, path: PathLike, number: int) -> RecordError | None:
    if len(data) < length or len(crc) < _CRC.size:
        return _truncated(path, number)
    if _masked_crc(data) != _CRC.unpack(crc)[0]:
        return RecordError(f"{path}, record {number}: the data does not match its checksum; the file is damaged")
    return None


def _truncated(path: PathLike, number: int) -> RecordError:
    return RecordError(f"{path}, record {number}: the file ends within this record; it is truncated")

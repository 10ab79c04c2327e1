"""Where each record of some files lies, so that records are read in any order."""

import itertools
import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from vsim_tf.errors import UserError
from vsim_tf.records.tfrecords import read_span, record_spans

RECORDS_AT_ONCE = 64


class _Span(NamedTuple):
    """A record: its number, its file, where it lies there, and its number within the file."""

    number: int
    file: int
    offset: int
    size: int
    inside: int


class RecordIndex:
    """Records of several files by number: from 0 on, through all files in their order. It takes 16 bytes of memory a record.

    Attributes:
        files: the files.
        sizes: bytes of each record, `[records]` int64.
    """

    def __init__(self, files: Sequence[str]):
        """Walks the framing of the files; the records themselves are checked when they are read.

        Raises:
            UserError: no records.
            RecordError: a truncated file, or one that is no TFRecord file.
        """
        self.files = list(files)
        spans = [record_spans(file) for file in self.files]
        self._first = np.cumsum([0, *(len(offsets) for offsets, _ in spans)])
        if not self._first[-1]:
            raise UserError(f"{', '.join(self.files)}: no records")
        self._offsets, self.sizes = (np.concatenate(column) for column in zip(*spans, strict=True))

    def __len__(self) -> int:
        return len(self.sizes)

    def numbers_of(self, files: Sequence[str]) -> np.ndarray:
        """Numbers of the records of some of the files, `[records]` int64."""
        of_file = {file: np.arange(*self._first[row : row + 2]) for row, file in enumerate(self.files)}
        return np.concatenate([of_file[file] for file in files])

    def place(self, number: int) -> tuple[str, int]:
        """The file of a record, and the record's number within it."""
        file = self._file_of(number)
        return self.files[file], int(number - self._first[file])

    def where(self, number: int) -> str:
        """File and number of a record, as messages name them."""
        file, inside = self.place(number)
        return f"{file}, record {inside}"

    def read(self, numbers: np.ndarray) -> list[bytes]:
        """The records of these numbers, `[records]`; read in the order in which they lie in the files.

        Raises:
            RecordError: a damaged record, or a file that has become shorter.
            UserError: a file that cannot be read.
        """
        ascending = np.sort(numbers)
        file_of = self._file_of(ascending)
        columns = (ascending, file_of, self._offsets[ascending], self.sizes[ascending], ascending - self._first[file_of])
        spans = itertools.starmap(_Span, zip(*(column.tolist() for column in columns), strict=True))
        found: dict[int, bytes] = {}
        for file, group in itertools.groupby(spans, key=lambda span: span.file):
            self._read_file(self.files[file], list(group), found)
        return [found[number] for number in numbers.tolist()]

    def spread(self, most: int | None) -> np.ndarray:
        """Numbers of at most so many records, evenly spread over all of them, ascending int64; None: of all."""
        size = len(self) if most is None else min(len(self), most)
        return np.unique(np.linspace(0, len(self) - 1, size).astype(np.int64))

    def named(self, numbers: np.ndarray) -> Iterator[tuple[str, bytes]]:
        """`where` and content of the records of these numbers, some of them in memory at a time; errors are those of `read`."""
        for part in np.split(numbers, range(RECORDS_AT_ONCE, len(numbers), RECORDS_AT_ONCE)):
            yield from zip(map(self.where, part.tolist()), self.read(part), strict=True)

    def _file_of(self, numbers: ArrayLike) -> Any:
        return np.searchsorted(self._first, numbers, side="right") - 1

    @staticmethod
    def _read_file(name: str, spans: list[_Span], found: dict[int, bytes]) -> None:
        try:
            with open(name, "rb", buffering=0) as source:
                descriptor = source.fileno()
                for span in spans:
                    _announce(descriptor, span.offset, span.size)
                for span in spans:
                    found[span.number] = read_span(descriptor, span.offset, span.size, span.inside, name)
        except OSError as error:
            raise UserError(f"{name}: cannot be read: {error.strerror}") from error


def _announce(descriptor: int, offset: int, size: int) -> None:
    """Lets the system fetch many records from the disk at once, while the first of them is waited for."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)

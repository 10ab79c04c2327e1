"""Where each record of some files lies, so that records are read in any order."""

import os
from collections.abc import Sequence

import numpy as np

from vsim_tf.data.records import read_span, record_spans
from vsim_tf.errors import UserError


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
        ends = np.flatnonzero(np.diff(self._file_of(ascending))) + 1
        found = {}
        for of_one_file in np.split(ascending, ends):
            found.update(zip(of_one_file.tolist(), self._read_file(of_one_file), strict=True))
        return [found[number] for number in numbers.tolist()]

    def _file_of(self, numbers):
        return np.searchsorted(self._first, numbers, side="right") - 1

    def _read_file(self, numbers: np.ndarray) -> list[bytes]:
        file = self._file_of(numbers[0])
        name, inside = self.files[file], (numbers - self._first[file]).tolist()
        spans = list(zip(self._offsets[numbers].tolist(), self.sizes[numbers].tolist(), inside, strict=True))
        try:
            with open(name, "rb", buffering=0) as source:
                descriptor = source.fileno()
                for offset, size, _ in spans:
                    _announce(descriptor, offset, size)
                return [read_span(descriptor, *span, name) for span in spans]
        except OSError as error:
            raise UserError(f"{name}: cannot be read: {error.strerror}") from error


def _announce(descriptor: int, offset: int, size: int) -> None:
    """Lets the system fetch many records from the disk at once, while the first of them is waited for."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)

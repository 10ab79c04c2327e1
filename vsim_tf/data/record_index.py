"""Where each record of some files lies, so that records are read in any order."""

import itertools
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
        file = np.searchsorted(self._first, number, side="right") - 1
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
        found: dict[int, bytes] = {}
        places = [(*self.place(number), number) for number in np.sort(numbers).tolist()]
        for file, group in itertools.groupby(places, key=lambda place: place[0]):
            found.update(self._read_file(file, [(number, inside) for _, inside, number in group]))
        return [found[number] for number in numbers.tolist()]

    def _read_file(self, file: str, numbers: list[tuple[int, int]]) -> dict[int, bytes]:
        try:
            with open(file, "rb", buffering=0) as source:
                spans = [(inside, int(self._offsets[number]), int(self.sizes[number])) for number, inside in numbers]
                for _, offset, size in spans:
                    _announce(source.fileno(), offset, size)
                data = [read_span(source.fileno(), offset, size, file, inside) for inside, offset, size in spans]
        except OSError as error:
            raise UserError(f"{file}: cannot be read: {error.strerror}") from error
        return {number: record for (number, _), record in zip(numbers, data, strict=True)}


def _announce(descriptor: int, offset: int, size: int) -> None:
    """Lets the system fetch many records from the disk at once, while the first of them is waited for."""
    if hasattr(os, "posix_fadvise"):  # not on macOS
        os.posix_fadvise(descriptor, offset, size, os.POSIX_FADV_WILLNEED)

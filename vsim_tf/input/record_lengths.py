"""How much of a batch a record needs, by which records are sorted."""

import numpy as np

from vsim_tf.input.decoding import SUFFIXES, BatchFormat, decode_texts
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import BYTES_PER_FRAME_VALUE
from vsim_tf.text.fields import text_length

RECORDS_AT_ONCE = 64
_UNKNOWN = -1


class RecordLengths:
    """Characters of the texts where these are trimmed, plus features where these are; not special tokens, as many for each text.

    Features are counted from the size of the record, of which they are nearly all. The characters of a text are counted once and
    kept, 4 bytes of memory a record.
    """

    def __init__(self, index: RecordIndex, kind: str, form: BatchFormat):
        self.index, self.kind, self.form = index, kind, form
        self._characters = np.full(len(index), _UNKNOWN if form.trim_text else 0, np.int32)

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Lengths of the records of these numbers, `[records]` int64; errors as of `RecordIndex.read` and `decode`."""
        unknown = np.sort(numbers[self._characters[numbers] == _UNKNOWN])
        for start in range(0, len(unknown), RECORDS_AT_ONCE):
            self._count(unknown[start : start + RECORDS_AT_ONCE])
        lengths: np.ndarray = self._characters[numbers].astype(np.int64)
        if self.form.trim_frames and not self.form.picture:
            frames = self.index.sizes[numbers] // (self.form.frame_embedding_size * BYTES_PER_FRAME_VALUE)
            lengths += np.minimum(frames, self.form.max_frames * len(SUFFIXES[self.kind]))
        return lengths

    def _count(self, numbers: np.ndarray) -> None:
        records = self.index.read(numbers)
        texts = decode_texts(records, lambda row: self.index.where(numbers[row]), self.kind, self.form)
        limit, form = self.form.max_text_length, self.form.text_form
        self._characters[numbers] = [sum(min(text_length(text, form), limit) for text in of_record) for of_record in texts]

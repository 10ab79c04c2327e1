"""Texts of several fields to token ids: title, what is written in the pictures, what is said (docs/facts_rank8.md 3)."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.text.special_tokens import CLS, SEP
from vsim_tf.text.tokenizers import Tokenizer

ALL_FIELDS = "title_ocr_asr"
MODES = ("title", ALL_FIELDS, "ocr_asr")
"""[CLS] title [SEP]; [CLS] title [SEP] ocr [SEP] asr [SEP]; [CLS] ocr and asr with nothing in between [SEP]."""


class Fields(NamedTuple):
    """The texts of a video."""

    title: str
    ocr: str
    asr: str


_KEPT_LONGEST = [Fields._fields.index(name) for name in ("title", "asr", "ocr")]
"""Of fields that are equally long, the last one of these loses the next token."""
SHORTEST = len(Fields._fields) + 1
"""Tokens around the fields: [CLS], and a [SEP] behind each."""


def text_length(texts: Fields, form: str) -> int:
    """Characters of a video's text in a form: of the title, or of all fields."""
    return sum(map(len, texts)) if form == ALL_FIELDS else len(texts.title)


def encode_fields(
    tokenizer: Tokenizer, fields: Sequence[Fields], max_length: int, mode: str = ALL_FIELDS
) -> tuple[np.ndarray, np.ndarray]:
    """Token ids of a batch, padded with [PAD] to exactly `max_length`.

    With `title_ocr_asr`, an empty field keeps its [SEP], and what is too long loses tokens as `kept_lengths` says; the other
    modes are cut on the right.

    Args:
        tokenizer: cuts each field by itself.
        fields: the batch.
        max_length: tokens a row, special tokens included.
        mode: of `MODES`.

    Returns:
        `(input_ids, attention_mask)`, both `[batch, max_length]` int32.

    Raises:
        UserError: an unknown mode, or a `max_length` without room for the special tokens.
    """
    if mode == "title":
        return tokenizer.encode_batch([texts.title for texts in fields], max_length)
    if mode == "ocr_asr":
        return tokenizer.encode_batch([texts.ocr + texts.asr for texts in fields], max_length)
    if mode != ALL_FIELDS:
        raise UserError(f"text mode {mode!r}; accepted are {', '.join(MODES)}")
    if max_length < SHORTEST:
        needed = " ".join((CLS, *[SEP] * len(Fields._fields)))
        raise UserError(f"text length {max_length}: at least {SHORTEST} is needed, for {needed}")
    return tokenizer.pad(_joined(tokenizer, fields, max_length - SHORTEST), max_length)


def _joined(tokenizer: Tokenizer, fields: Sequence[Fields], room: int) -> list[list[int]]:
    """[CLS] title [SEP] ocr [SEP] asr [SEP] of each video, with at most `room` tokens of text."""
    tokens = [[tokenizer.token_ids(text) for text in texts] for texts in fields]
    lengths = np.array([[len(field) for field in row] for row in tokens], np.int64).reshape(-1, len(Fields._fields))
    rows = []
    for row, kept in zip(tokens, kept_lengths(lengths, room).tolist(), strict=True):
        ids = [tokenizer.cls_id]
        for field, length in zip(row, kept, strict=True):
            ids += [*field[:length], tokenizer.sep_id]
        rows.append(ids)
    return rows


def kept_lengths(lengths: np.ndarray, room: int) -> np.ndarray:
    """Tokens that are kept of each field, from its beginning, so that no more than `room` are kept of a video.

    The original takes one token after the other from the longest field; of equally long ones from the OCR, then the ASR, then the
    title. So fields are cut to a common length c, the largest with Σ min(length, c) <= room, and what room is then left goes to
    the title, the ASR and the OCR in this order, a token each. Σ min(length, c) is the least of s(k) + (3 - k)·c, where s(k) is
    the sum of the k shortest: c is the largest of (room - s(k)) // (3 - k) for k = 0, 1, 2.

    Args:
        lengths: tokens of title, OCR and ASR, `[batch, 3]` integers.
        room: tokens for all three.

    Returns:
        `[batch, 3]` integers.
    """
    ascending = np.sort(lengths, axis=1)
    shortest = np.cumsum(ascending, axis=1) - ascending
    common = ((room - shortest) // np.arange(lengths.shape[1], 0, -1)).max(axis=1, keepdims=True)
    kept: np.ndarray = np.minimum(lengths, common)
    rest = np.maximum(room - kept.sum(axis=1, keepdims=True), 0)
    cut = (lengths > kept)[:, _KEPT_LONGEST]
    kept[:, _KEPT_LONGEST] += cut & (np.cumsum(cut, axis=1) <= rest)
    return kept

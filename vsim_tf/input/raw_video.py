"""Videos as their records have them."""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from google.protobuf.message import DecodeError

from vsim_tf.features.pictures import Picture
from vsim_tf.input.video_form import VideoForm
from vsim_tf.records.category_tags import category_tag
from vsim_tf.records.example import Example
from vsim_tf.records.schema import (
    ASR_TEXT,
    BYTES_PER_FRAME_VALUE,
    CATEGORY_ID,
    FLOAT16_EXPONENT,
    FRAME_FEATURE,
    FRAME_PICTURE,
    NO_SPEECH,
    OCR_TEXT,
    TAG_ID,
    TITLE,
)
from vsim_tf.records.videos import Features
from vsim_tf.text.fields import Fields
from vsim_tf.text.tokenizers import decode_titles

Pictures = Sequence[Picture]
Frames = np.ndarray | Pictures
"""Of a video: bits of features, `[frames, width]` uint16, or pictures, which records hold encoded."""


class RawVideo(NamedTuple):
    """A video as its record has it.

    Attributes:
        texts: title, OCR and speech.
        frames: bits of features, `[frames, width]` uint16, or pictures.
        tags: tag ids.
        category: its class, four digits; empty where it is not known.
    """

    texts: Fields
    frames: Frames
    tags: Sequence[int]
    category: str = ""


class Unusable(Exception):
    """A record of a batch is unusable."""


def require(condition: bool) -> None:
    """`Unusable` unless it holds; what is wrong is found out by `records.videos.check_video`."""
    if not condition:
        raise Unusable


def read_features(record: bytes) -> Features:
    """The features of a serialised record; `Unusable` where it is damaged."""
    try:
        return cast("Features", Example.FromString(record).features.feature)
    except DecodeError:
        raise Unusable from None


def read_video(feature: Features, suffix: str, form: VideoForm) -> RawVideo:
    """The video of a record.

    Args:
        feature: of the record.
        suffix: of the keys.
        form: how videos are read.

    Raises:
        Unusable: the record cannot become part of a batch.
    """
    frames: Frames
    if form.picture:
        frames = _pictures(feature, FRAME_PICTURE + suffix)
    else:
        frames = _frames(feature, FRAME_FEATURE + suffix, form.frame_embedding_size)
    category = _category(feature, CATEGORY_ID + suffix) if form.classes else ""
    tags = _tags(feature, TAG_ID + suffix)
    if form.categories:
        tags = [*tags, *map(category_tag, feature[CATEGORY_ID + suffix].int64_list.value)]
    return RawVideo(read_texts(feature, suffix), frames, tags, category)


def _category(feature: Features, key: str) -> str:
    values = feature[key].int64_list.value
    return f"{values[0]:04d}" if values else ""


def read_texts(feature: Features, suffix: str) -> Fields:
    """Title, OCR and speech; the last two may be missing, and the contest of 2021 wrote `nan` for no speech."""
    optional = [feature[key + suffix].bytes_list.value or [b""] for key in (OCR_TEXT, ASR_TEXT)]
    title, ocr, asr = decode_titles([only_value(feature[TITLE + suffix]), *(values[0] for values in optional)])
    return Fields(title, ocr, "" if asr == NO_SPEECH else asr)


def _pictures(feature: Features, key: str) -> list[bytes]:
    require(key in feature)
    pictures = list(feature[key].bytes_list.value)
    require(bool(pictures) or feature[key].WhichOneof("kind") in (None, "bytes_list"))
    return pictures


def only_value(feature: Any) -> bytes:
    """The value of a key that has one; `Unusable` otherwise."""
    values = feature.bytes_list.value
    require(len(values) == 1)
    return cast("bytes", values[0])


def _frames(feature: Features, key: str, width: int) -> np.ndarray:
    """Bits of the frames of a video, `[frames, width]` uint16."""
    require(key in feature)
    frames = list(feature[key].bytes_list.value)  # each look at a value copies it
    require(bool(frames) or feature[key].WhichOneof("kind") in (None, "bytes_list"))
    require(set(map(len, frames)) <= {width * BYTES_PER_FRAME_VALUE})
    bits = np.frombuffer(b"".join(frames), "<u2").reshape(-1, width)
    require(not len(bits) or (bits & FLOAT16_EXPONENT).max() != FLOAT16_EXPONENT)
    return bits


def _tags(feature: Features, key: str) -> Sequence[int]:
    tags: Sequence[int] = feature[key].int64_list.value
    require(bool(tags) or feature[key].WhichOneof("kind") in (None, "int64_list"))
    return tags

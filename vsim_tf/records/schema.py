"""What a record holds on disk, and what a batch holds in memory."""

from typing import NamedTuple

from vsim_tf.types import Tensor

ID = "id"
TITLE = "title"
ASR_TEXT = "asr_text"
TAG_ID = "tag_id"
CATEGORY_ID = "category_id"
FRAME_FEATURE = "frame_feature"
OCR_TEXT = "ocr_text"
FRAME_PICTURE = "frame_picture"
SIMILARITY = "sim"

VIDEO_KEYS = (ID, TITLE, ASR_TEXT, TAG_ID, CATEGORY_ID, FRAME_FEATURE, OCR_TEXT, FRAME_PICTURE)
REQUIRED_KEYS = (ID, TITLE, FRAME_FEATURE)
"""Keys without which a video cannot be embedded. A record of a video with 0 frames has an empty or no `frame_feature`
value, but the key must be there."""

NO_SPEECH = "nan"
"""The speech of a video without any, as the contest of 2021 wrote it."""

PAIR_SUFFIXES = ("_1", "_2")
"""A pair record holds every video key twice, with these suffixes, and `sim`."""

BYTES_PER_FRAME_VALUE = 2
"""Frames are little-endian float16."""

FLOAT16_EXPONENT = 0x7C00
"""All bits of the exponent are set in infinities and NaN."""

IGNORED_TOKEN = -100
"""Target of the masked language model at positions that are not predicted."""

UNTAGGED = -100
"""Target of every tag of a video that has no tags, because its data set has none."""


class VideoBatch(NamedTuple):
    """A batch of videos.

    Attributes:
        ids: video ids as bytes, `[batch]` string.
        input_ids: token ids, right-padded, `[batch, text]` int32.
        attention_mask: 1 at tokens and 0 at padding, `[batch, text]` int32.
        frames: frame features, positions after the last frame repeat it, `[batch, frames, dim]` float16.
        num_frames: number of sampled frames, `[batch]` int32.
        targets: what tasks predict, by name: "tags", multi-hot with columns by ascending tag id, `[batch, tags]` int8; and what
            corruptions add.
    """

    ids: Tensor
    input_ids: Tensor
    attention_mask: Tensor
    frames: Tensor
    num_frames: Tensor
    targets: dict[str, Tensor]

    @property
    def elements(self) -> "tuple[VideoBatch, ...]":
        """The videos of each example."""
        return (self,)

    def without_ids(self) -> "VideoBatch":
        """The numbers alone."""
        return self._replace(ids=())


class PairBatch(NamedTuple):
    """A batch of labelled pairs.

    Attributes:
        first, second: the pair elements.
        targets: "similarity", `[batch]` float32 in [0, 1].
    """

    first: VideoBatch
    second: VideoBatch
    targets: dict[str, Tensor]

    @property
    def elements(self) -> tuple[VideoBatch, ...]:
        """The videos of each example."""
        return (self.first, self.second)

    def without_ids(self) -> "PairBatch":
        """The numbers alone."""
        return self._replace(first=self.first.without_ids(), second=self.second.without_ids())

"""Serialised records to the arrays of a batch: whole batches are tokenised at once; frames stay float16."""

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import cast

import numpy as np

from vsim_tf.errors import RecordError
from vsim_tf.features.pictures import PictureSizes
from vsim_tf.input.frames import FrameDraw, aligned_empty, frame_indices, sample_frames
from vsim_tf.input.pictures import sample_pictures, video_named
from vsim_tf.input.raw_video import (
    Frames,
    Pictures,
    RawVideo,
    Unusable,
    only_value,
    read_features,
    read_texts,
    read_video,
    require,
)
from vsim_tf.input.video_form import VideoForm
from vsim_tf.records.classes import ClassTable
from vsim_tf.records.example import Example
from vsim_tf.records.schema import (
    ID,
    PAIR_SUFFIXES,
    SIMILARITY,
    PairBatch,
    VideoBatch,
)
from vsim_tf.records.videos import Features, check_video
from vsim_tf.text.fields import ALL_FIELDS, Fields, encode_fields
from vsim_tf.text.tokenizers import Tokenizer

ZEROS_BEHIND = "zeros"
CONTEXTS = {"context": "ocr_asr", "title": "title"}
"""Parts of a video's text that are targets, and how they are encoded."""
SUFFIXES = {"videos": ("",), "pairs": PAIR_SUFFIXES}
"""Of the keys of each video of a record."""


@dataclasses.dataclass(frozen=True, eq=False)
class BatchFormat:
    """How records become batches; two are equal if they are the same object.

    Attributes:
        tokenizer: turns titles into token ids.
        tags: known tag ids in ascending order; others are dropped.
        max_text_length: tokens per title, special tokens included.
        max_frames: frames per video.
        frame_embedding_size: feature dimension.
        trim_text, trim_frames: cut a batch to its longest title, to its longest video.
        length_multiple: where a batch is cut, its length is rounded up to a multiple of this, at most to the full length; 0: not.
        text_form, sampling, padding: those of `TextInput` and `FrameInput`.
        classes: of the videos, whose indices become targets; None: not.
        context: tokens of OCR and speech, and of the title alone, become targets.
        picture: frames are pictures of these sizes; None: features.
        categories: of the videos are among the tags (`records.category_tags`).
    """

    tokenizer: Tokenizer
    tags: np.ndarray
    max_text_length: int
    max_frames: int
    frame_embedding_size: int
    trim_text: bool = False
    trim_frames: bool = False
    length_multiple: int = 0
    text_form: str = "single"
    sampling: str = "strided"
    padding: str = "last"
    classes: ClassTable | None = None
    context: bool = False
    picture: PictureSizes | None = None
    categories: bool = False

    @property
    def trims(self) -> bool:
        """Whether sorting by length saves anything."""
        return self.trim_text or self.trim_frames

    def encode(self, texts: Sequence[Fields]) -> tuple[np.ndarray, np.ndarray]:
        """Token ids and attention mask of texts, not yet trimmed: `[batch, max_text_length]` each."""
        if self.text_form == ALL_FIELDS:
            return encode_fields(self.tokenizer, texts, self.max_text_length)
        return self.tokenizer.encode_batch([text.title for text in texts], self.max_text_length, self.text_form)

    def sample(self, videos: Sequence[Frames], draw: FrameDraw | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Sampled frames of videos, trimmed if asked, and how many are real, `[batch]` int32.

        Frames are `[batch, positions, width]` float16, or pictures `[batch, positions, size, size, 3]` uint8.
        """
        num_frames = np.array([min(len(frames), self.max_frames) for frames in videos], np.int32)
        positions = self.frame_positions(num_frames.max())
        if self.picture:
            given = np.array([len(frames) for frames in videos])
            chosen = frame_indices(given, self.max_frames, self.sampling, ZEROS_BEHIND, draw)
            return sample_pictures(cast("Sequence[Pictures]", videos), chosen[:, :positions], self.picture), num_frames
        features = cast("Sequence[np.ndarray]", videos)
        sampled = sample_frames(features, self.max_frames, positions, self.sampling, self.padding, draw)
        return sampled.view(np.float16), num_frames

    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame of a batch."""
        return (self.picture.crop, self.picture.crop, 3) if self.picture else (self.frame_embedding_size,)

    def text_positions(self, longest: int) -> int:
        """Text positions of a batch whose longest title has so many tokens."""
        return self._rounded(longest, self.max_text_length) if self.trim_text else self.max_text_length

    def frame_positions(self, longest: int) -> int:
        """Frame positions of a batch whose longest video has so many sampled frames."""
        return self._rounded(max(longest, 1), self.max_frames) if self.trim_frames else self.max_frames

    def _rounded(self, length: int, limit: int) -> int:
        return min(-(-length // self.length_multiple) * self.length_multiple, limit) if self.length_multiple else length


def check_record(data: bytes, kind: str, frame_embedding_size: int | None, where: str) -> None:
    """Raises `RecordError` if a serialised record cannot become part of a batch.

    Args:
        data: the record.
        kind: "videos" or "pairs".
        frame_embedding_size: feature dimension; None: frames are pictures.
        where: file and number of the record, for the message.
    """
    for suffix in SUFFIXES[kind]:
        check_video(data, frame_embedding_size, where, suffix)
    similarity = Example.FromString(data).features.feature[SIMILARITY].float_list.value
    if kind == "pairs" and len(similarity) != 1:
        raise RecordError(f"{where}: key '{SIMILARITY}' holds {len(similarity)} floats, 1 is needed")


def decode(
    records: Sequence[bytes], where: Callable[[int], str], kind: str, form: BatchFormat, draw: FrameDraw | None = None
) -> VideoBatch | PairBatch:
    """The batch of some serialised records, as NumPy arrays.

    Args:
        records: serialised records.
        where: file and number of a record, called with its row, for messages.
        kind: "videos" or "pairs".
        form: how records become batches.
        draw: of frames, in training.

    Raises:
        RecordError: a record cannot become part of a batch.
    """
    with _bad_record_named(records, where, kind, form):
        features = [read_features(record) for record in records]
        sides = [_decode_videos(features, suffix, form, draw, where) for suffix in SUFFIXES[kind]]
        return PairBatch(sides[0], sides[1], {"similarity": _similarity(features)}) if kind == "pairs" else sides[0]


def decode_texts(records: Sequence[bytes], where: Callable[[int], str], kind: str, form: BatchFormat) -> list[list[Fields]]:
    """Texts of the videos of each record; arguments and errors are those of `decode`."""
    with _bad_record_named(records, where, kind, form):
        features = [read_features(record) for record in records]
        return [[read_texts(feature, suffix) for suffix in SUFFIXES[kind]] for feature in features]


def batch_videos(
    ids: Sequence[bytes], videos: Sequence[RawVideo], form: BatchFormat, draw: FrameDraw | None = None
) -> VideoBatch:
    """The batch of at least one video, as NumPy arrays: texts are tokenised, frames sampled, both cut as the format says.

    Args:
        ids: of the videos, as UTF-8.
        videos: frames as wide as those of the format, all of them finite.
        form: how videos become batches.
        draw: of frames, in training.
    """
    texts = [video.texts for video in videos]
    tokens, mask = form.encode(texts)
    length = form.text_positions(mask.sum(axis=1).max())
    frames, num_frames = form.sample([video.frames for video in videos], draw)
    return VideoBatch(
        ids=np.array(ids, object),
        input_ids=tokens[:, :length],
        attention_mask=mask[:, :length],
        frames=frames,
        num_frames=num_frames,
        targets=_targets(videos, form),
    )


def _targets(videos: Sequence[RawVideo], form: BatchFormat) -> dict[str, np.ndarray]:
    targets = {}
    if len(form.tags):
        targets["tags"] = multi_hot([video.tags for video in videos], form.tags)
    if form.classes:
        targets["classes"] = np.array([form.classes.index(video.category) for video in videos], np.int32)
    if form.context:
        texts = [video.texts for video in videos]
        for name, mode in CONTEXTS.items():
            tokens = encode_fields(form.tokenizer, texts, form.max_text_length, mode)
            targets |= dict(zip((f"{name}_ids", f"{name}_mask"), tokens, strict=True))
    return targets


def raw_videos(records: Sequence[bytes], where: Callable[[int], str], kind: str, form: VideoForm) -> list[RawVideo]:
    """The videos of the records; arguments and errors are those of `decode`."""
    with _bad_record_named(records, where, kind, form):
        return [read_video(features, suffix, form) for features in map(read_features, records) for suffix in SUFFIXES[kind]]


@contextlib.contextmanager
def _bad_record_named(records: Sequence[bytes], where: Callable[[int], str], kind: str, form: VideoForm) -> Iterator[None]:
    """Finds out which record is unusable, and why, when one of a batch is."""
    try:
        yield
    except Unusable:
        for row, record in enumerate(records):
            check_record(record, kind, None if form.picture else form.frame_embedding_size, where(row))
        raise


def _similarity(features: Sequence[Features]) -> np.ndarray:
    values = [feature[SIMILARITY].float_list.value for feature in features]
    require(all(len(value) == 1 for value in values))
    return np.array([value[0] for value in values], np.float32)


def _decode_videos(
    features: Sequence[Features], suffix: str, form: BatchFormat, draw: FrameDraw | None, where: Callable[[int], str]
) -> VideoBatch:
    ids = [only_value(feature[ID + suffix]) for feature in features]
    try:
        names = [video_id.decode("utf-8") for video_id in ids]
    except UnicodeDecodeError:
        raise Unusable from None
    videos = [read_video(feature, suffix, form) for feature in features]

    def named(row: int) -> str:
        return f"{where(row)}, video {names[row]!r}"

    if form.classes:
        _require_classes(videos, form.classes, named)
    with video_named(named):
        return batch_videos(ids, videos, form, draw)


def _require_classes(videos: Sequence[RawVideo], classes: ClassTable, where: Callable[[int], str]) -> None:
    for row, video in enumerate(videos):
        if video.category not in classes:
            known = f"the {len(classes.ids)} classes of the model"
            found = f"class {video.category!r} is none of {known}" if video.category else f"no class; one of {known} is needed"
            raise RecordError(f"{where(row)}: {found}")


def multi_hot(tags: Sequence[Sequence[int]], known: np.ndarray) -> np.ndarray:
    """Tag ids of each video to `[batch, tags]` int8; unknown tags are dropped, repeated ones count once."""
    flat = np.array([tag for row in tags for tag in row], np.int64)
    rows = np.repeat(np.arange(len(tags)), [len(row) for row in tags])
    columns = np.minimum(np.searchsorted(known, flat), len(known) - 1)
    found = known[columns] == flat
    encoded = aligned_empty((len(tags), len(known)), np.int8)
    encoded[:] = 0
    encoded[rows[found], columns[found]] = 1
    return encoded

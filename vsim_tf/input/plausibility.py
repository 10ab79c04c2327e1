"""Whether a data set holds anything to learn from: known tags, titles of known words, frames that differ.

Each of these may be missing in single videos. A data set that lacks one altogether was put together wrongly.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.input.decoding import BatchFormat, raw_videos
from vsim_tf.input.raw_video import Frames, RawVideo
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.text.fields import ALL_FIELDS
from vsim_tf.types import PathLike

RECORDS_AT_ONCE = 64


class Sample(NamedTuple):
    """Counts over a sample of a data set.

    Attributes:
        videos: videos looked at.
        tags, known_tags: tags of all of them, and how many of these the tag list has.
        titles, known_titles: titles that are not empty, and those with a word of the vocabulary.
        frames: frames of all of them.
        frames_differ: two frames differ.
        frames_are_zero: no frame has a number but zero.
    """

    videos: int
    tags: int
    known_tags: int
    titles: int
    known_titles: int
    frames: int
    frames_differ: bool
    frames_are_zero: bool

    def __str__(self) -> str:
        known_tags = f"{self.known_tags / self.tags:.1%} of their tags are in the tag list" if self.tags else "no tags"
        words = f"{self.known_titles / self.videos:.1%} have words of the vocabulary"
        return f"{self.videos:,} videos looked at: {known_tags}, {words}, {self.frames / self.videos:.1f} frames each"


def check_sample(
    index: RecordIndex,
    kind: str,
    form: BatchFormat,
    size: int,
    tag_list: PathLike,
    vocabulary: PathLike,
    tags_needed: bool = False,
) -> Sample:
    """Looks at records spread over all files.

    Args:
        index: the records.
        kind: "videos" or "pairs".
        form: how records become batches.
        size: how many records at most.
        tag_list, vocabulary: what messages call them.
        tags_needed: it is an error, too, if no video has a tag.

    Returns:
        what was counted.

    Raises:
        UserError: the videos have tags but none that is known, all titles are empty or nothing but [UNK], all frames are zero or
            equal.
        RecordError: a record that cannot be used.
    """
    sample = count(_videos(index, index.spread(size), kind, form), form)
    files = ", ".join(index.files[:3]) + (", ..." if len(index.files) > 3 else "")
    for fault in useless(sample, files, tag_list, vocabulary, tags_needed):
        raise fault
    return sample


def count(videos: Iterator[RawVideo], form: BatchFormat) -> Sample:
    """Counts over some videos."""
    tags: list[int] = []
    titles = known_titles = frames = looked_at = 0
    first, differ, zero = None, False, True
    for video in videos:
        looked_at += 1
        tags.extend(video.tags)
        titles += any(text.strip() for text in _read_texts(video, form))
        known_titles += _has_known_word(video, form)
        frames += len(video.frames)
        if len(video.frames):
            first = video.frames[0] if first is None else first
            differ = differ or any(np.any(frame != first) for frame in video.frames)
            zero = zero and is_zero(video.frames)
    return Sample(looked_at, len(tags), int(np.isin(tags, form.tags).sum()), titles, known_titles, frames, differ, zero)


def _videos(index: RecordIndex, numbers: np.ndarray, kind: str, form: BatchFormat) -> Iterator[RawVideo]:
    for part in np.split(numbers, range(RECORDS_AT_ONCE, len(numbers), RECORDS_AT_ONCE)):
        yield from _read(index, part, kind, form)


def _read(index: RecordIndex, numbers: np.ndarray, kind: str, form: BatchFormat) -> list[RawVideo]:
    return raw_videos(index.read(numbers), lambda row: index.where(numbers[row]), kind, form)


def is_zero(frames: Frames) -> bool:
    """Whether all features are zero, the sign of which does not matter; pictures are not looked at."""
    return isinstance(frames, np.ndarray) and not (frames << 1).any()


def _read_texts(video: RawVideo, form: BatchFormat) -> Sequence[str]:
    return video.texts if form.text_form == ALL_FIELDS else video.texts[:1]


def _has_known_word(video: RawVideo, form: BatchFormat) -> bool:
    tokenizer = form.tokenizer
    ((tokens,), _) = form.encode([video.texts])
    return not np.isin(tokens, [*tokenizer.special_ids, tokenizer.unk_id]).all()


def useless(
    sample: Sample, files: str, tag_list: PathLike, vocabulary: PathLike, tags_needed: bool = False
) -> Iterator[UserError]:
    """Why nothing can be learned from videos; `files` names theirs, and the other arguments are those of `check_sample`."""
    videos = f"{files}: of {sample.videos:,} videos looked at"
    if sample.tags and not sample.known_tags:
        needed = "pre-training needs the tag list that belongs to the videos (tag_file)"
        yield UserError(f"{videos}, none has a tag of {tag_list}, but {sample.tags:,} other tags; {needed}", ["tag_file"])
    if tags_needed and not sample.tags:
        yield UserError(f"{videos}, none has a tag, so that nothing is learned of {tag_list}; write tags into the records")
    if not sample.titles:
        yield UserError(f"{videos}, none has a title; write titles into the records")
    elif not sample.known_titles:
        yield UserError(f"{videos}, none has a title with a word of {vocabulary}; give the vocabulary of the titles' language")
    if sample.frames and sample.frames_are_zero:
        yield UserError(f"{videos}, all {sample.frames:,} frames are zero; extract the frame features again")
    elif sample.frames > 1 and not sample.frames_differ:
        yield UserError(f"{videos}, all {sample.frames:,} frames are equal; extract the frame features again")

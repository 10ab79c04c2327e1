"""Video records: build one, check one, find one among gigabytes, join two to a pair."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from tqdm import tqdm

from vsim_tf.errors import RecordError
from vsim_tf.records import schema
from vsim_tf.records.example import Example
from vsim_tf.records.file_kinds import is_picture
from vsim_tf.records.labels import Pair
from vsim_tf.records.tfrecords import read_records

Features = Mapping[str, Any]
"""Of a record, by key."""

_KINDS = {
    schema.ID: "bytes_list",
    schema.TITLE: "bytes_list",
    schema.ASR_TEXT: "bytes_list",
    schema.TAG_ID: "int64_list",
    schema.CATEGORY_ID: "int64_list",
    schema.FRAME_FEATURE: "bytes_list",
    schema.OCR_TEXT: "bytes_list",
    schema.FRAME_PICTURE: "bytes_list",
}


def video_record(
    video_id: str,
    title: str,
    frames: np.ndarray | None,
    asr_text: str = "nan",
    tags: Iterable[int] | None = None,
    category: int | None = None,
    ocr_text: str | None = None,
    pictures: Sequence[bytes] | None = None,
) -> bytes:
    """A serialized video.

    Args:
        video_id: the id.
        title: the title, may be empty.
        frames: frame features, `[frames, dim]`; written as little-endian float16; None leaves the key out.
        asr_text: recognised speech; the contest writes `nan` where there is none.
        tags: tag ids; None leaves the key out, as in the contest's test files.
        category: category id; None leaves the key out.
        ocr_text: text that stands in the frames; None leaves the key out, as in the contest of 2021.
        pictures: the frames themselves as files of pictures (JPEG, PNG, WebP); None leaves the key out.
    """
    example = Example()
    feature = example.features.feature
    for key, text in ((schema.ID, video_id), (schema.TITLE, title), (schema.ASR_TEXT, asr_text)):
        feature[key].bytes_list.value.append(text.encode("utf-8"))
    if frames is not None:
        feature[schema.FRAME_FEATURE].bytes_list.value.extend(frame.tobytes() for frame in frames.astype("<f2"))
    if tags is not None:
        feature[schema.TAG_ID].int64_list.value.extend(tags)
    if category is not None:
        feature[schema.CATEGORY_ID].int64_list.value.append(category)
    if ocr_text is not None:
        feature[schema.OCR_TEXT].bytes_list.value.append(ocr_text.encode("utf-8"))
    if pictures is not None:
        feature[schema.FRAME_PICTURE].bytes_list.value.extend(pictures)
    record: bytes = example.SerializeToString(deterministic=True)
    return record


def check_video(data: bytes, frame_embedding_size: int | None, where: str, suffix: str = "") -> str:
    """Id of a serialized video, after a check of everything that training and inference rely on.

    Args:
        data: the serialized video.
        frame_embedding_size: values of a frame; None: the record is one of pictures, whose frames are not looked at otherwise.
        where: file and record number, for messages.
        suffix: of the keys, for one side of a pair.

    Raises:
        RecordError: no Example, a missing key, a value of the wrong type, not exactly one id or title, an id that is
            not UTF-8, more than one OCR text, a frame of another size or with a number that is not finite, or a
            picture of another kind than those that are read.
    """
    feature = parse_example(data, where)
    video_id = read_id(feature, where, suffix)
    for fault in video_faults(feature, frame_embedding_size, f"{where}, video {video_id!r}", suffix):
        raise fault
    return video_id


def video_faults(feature: Features, frame_embedding_size: int | None, where: str, suffix: str = "") -> Iterator[RecordError]:
    """Everything but the id that makes a video unusable, of its frames the first fault; arguments are those of `check_video`."""
    frames = (schema.FRAME_FEATURE if frame_embedding_size else schema.FRAME_PICTURE) + suffix
    yield from _other_than_one(feature, schema.TITLE + suffix, where)
    if frames not in feature:
        yield _missing(feature, frames, where)
    for key, kind in ((key + suffix, kind) for key, kind in _KINDS.items()):
        if key in feature and feature[key].WhichOneof("kind") not in (None, kind):
            yield RecordError(f"{where}: {key!r} holds a {feature[key].WhichOneof('kind')}; expected a {kind}")
    if schema.OCR_TEXT + suffix in feature:
        yield from _other_than_one(feature, schema.OCR_TEXT + suffix, where)
    if frames in feature:
        values = feature[frames].bytes_list.value
        yield from _frame_faults(values, frame_embedding_size, where) if frame_embedding_size else _picture_faults(values, where)


def _picture_faults(pictures: Sequence[bytes], where: str) -> Iterator[RecordError]:
    for number, picture in enumerate(pictures):
        if not is_picture(picture):
            yield RecordError(f"{where}: frame {number} is no picture; accepted are JPEG, PNG and WebP")
            return


def _frame_faults(frames: Sequence[bytes], frame_embedding_size: int, where: str) -> Iterator[RecordError]:
    expected = frame_embedding_size * schema.BYTES_PER_FRAME_VALUE
    for number, frame in enumerate(frames):
        if len(frame) != expected:
            yield RecordError(
                f"{where}: frame {number} has {len(frame)} bytes; expected {expected} (float16 with "
                f"frame_embedding_size={frame_embedding_size})",
                ["frame_embedding_size"],
            )
            return
    bits = np.frombuffer(b"".join(frames), "<u2").reshape(-1, frame_embedding_size)
    faulty = (bits & schema.FLOAT16_EXPONENT) == schema.FLOAT16_EXPONENT  # several times faster than `np.isfinite` of float16
    if faulty.any():
        number, position = np.argwhere(faulty)[0]
        value = bits[number, position].view(np.float16)
        yield RecordError(f"{where}: frame {number} holds {value} at position {position}; only finite numbers are accepted")


def pair_record(first: bytes, second: bytes, similarity: float) -> bytes:
    """A serialized pair of two serialized videos: their keys with the suffixes `_1` and `_2`, and `sim` as float32.

    A key that a video lacks is missing in the pair. The same input gives the same bytes.
    """
    pair = Example()
    feature = pair.features.feature
    for suffix, data in zip(schema.PAIR_SUFFIXES, (first, second), strict=True):
        video = Example.FromString(data).features.feature
        for key in schema.VIDEO_KEYS:
            if key in video:
                feature[key + suffix].CopyFrom(video[key])
    feature[schema.SIMILARITY].float_list.value.append(similarity)
    record: bytes = pair.SerializeToString(deterministic=True)
    return record


def read_ids(files: Iterable[str]) -> list[str]:
    """Ids of all videos of some files, in order.

    Raises:
        RecordError: a damaged file, or a record without exactly one id.
    """
    return [read_id(feature, where) for feature, where in _all_features(files)]


def read_titles(files: Iterable[str]) -> tuple[list[str], list[str]]:
    """Ids and titles of all videos of some files, in order; bytes of a title that are not UTF-8 become U+FFFD.

    Raises:
        RecordError: a damaged file, or a record without exactly one id and title.
    """
    ids, titles = [], []
    for feature, where in _all_features(files):
        ids.append(read_id(feature, where))
        for fault in _other_than_one(feature, schema.TITLE, where):
            raise fault
        titles.append(feature[schema.TITLE].bytes_list.value[0].decode("utf-8", "replace"))
    return ids, titles


def _all_features(files: Iterable[str]) -> Iterator[tuple[Features, str]]:
    """Features of each record, and the name of the record in messages."""
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            where = f"{file}, record {number}"
            yield parse_example(data, where), where


def read_pairs(files: Iterable[str]) -> list[Pair]:
    """Ids and similarity of all pairs of some files of pair records, in order; errors as in `read_ids`."""
    pairs = []
    for feature, where in _all_features(files):
        first, second = (read_id(feature, where, suffix) for suffix in schema.PAIR_SUFFIXES)
        pairs.append(Pair(first, second, feature[schema.SIMILARITY].float_list.value[0]))
    return pairs


class _Place(NamedTuple):
    file: int
    offset: int
    length: int


class VideoIndex:
    """Finds videos by id in files of video records without holding their frames in memory.

    One pass over the files checks every record and notes where it lies; `read` fetches one from there.

    Attributes:
        repeated: number of records that repeat an earlier one byte for byte.
    """

    def __init__(self, files: Sequence[str], frame_embedding_size: int):
        """Read and check all records.

        Raises:
            RecordError: a damaged file, a record that `check_video` refuses, or two different records of one id.
        """
        self.repeated = 0
        self._files = list(files)
        self._places: dict[str, _Place] = {}
        self._descriptors = [os.open(file, os.O_RDONLY) for file in self._files]
        try:
            self._read_all(frame_embedding_size)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "VideoIndex":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, video_id: str) -> bool:
        return video_id in self._places

    def size(self, video_id: str) -> int:
        """Bytes of a video's record."""
        return self._places[video_id].length

    def read(self, video_id: str) -> bytes:
        """The serialized video of an id."""
        place = self._places[video_id]
        return os.pread(self._descriptors[place.file], place.length, place.offset)

    def close(self) -> None:
        """Close the files."""
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _read_all(self, frame_embedding_size: int) -> None:
        total = sum(os.fstat(descriptor).st_size for descriptor in self._descriptors)
        with tqdm(total=total, desc="check videos", unit="B", unit_scale=True, disable=None) as bar:
            for file, name in enumerate(self._files):
                for number, (offset, data) in enumerate(read_records(name)):
                    where = f"{name}, record {number}"
                    video_id = check_video(data, frame_embedding_size, where)
                    self._add(video_id, _Place(file, offset, len(data)), data, where)
                    bar.update(len(data))

    def _add(self, video_id: str, place: _Place, data: bytes, where: str) -> None:
        if video_id not in self._places:
            self._places[video_id] = place
        elif self.read(video_id) == data:
            self.repeated += 1
        else:
            earlier = self._files[self._places[video_id].file]
            raise RecordError(
                f"{where}, video {video_id!r}: differs from an earlier record of the same id in {earlier}"
                "; an id may stand for one video only"
            )


def parse_example(data: bytes, where: str) -> Features:
    """The features of a serialized Example, by key; `RecordError` if it is none."""
    try:
        features: Features = Example.FromString(data).features.feature
    except DecodeError:
        raise RecordError(f"{where}: not a tf.train.Example") from None
    return features


def read_id(feature: Features, where: str, suffix: str = "") -> str:
    """The id of a video; `RecordError` if there is not exactly one, or one that is not UTF-8."""
    for fault in _other_than_one(feature, schema.ID + suffix, where):
        raise fault
    video_id: bytes = feature[schema.ID + suffix].bytes_list.value[0]
    try:
        return video_id.decode("utf-8")
    except UnicodeDecodeError:
        raise RecordError(f"{where}: the id {video_id!r} is not UTF-8") from None


def _other_than_one(feature: Features, key: str, where: str) -> Iterator[RecordError]:
    """The fault of a key that has not exactly one value."""
    if key not in feature:
        yield _missing(feature, key, where)
    elif (count := len(feature[key].bytes_list.value)) != 1:
        yield RecordError(f"{where}: {key!r} has {count} byte strings; expected 1")


def _missing(feature: Features, key: str, where: str) -> RecordError:
    return RecordError(f"{where}: the key {key!r} is missing; the record has {', '.join(sorted(feature)) or 'no keys'}")

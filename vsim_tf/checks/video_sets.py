"""Record files of one set of videos, read once from end to end with one record in memory: every fault, and what is there."""

import contextlib
import itertools
import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import google_crc32c
import numpy as np
from tqdm import tqdm

from vsim_tf.checks.report import Findings, Histogram, Section
from vsim_tf.errors import RecordError, UserError
from vsim_tf.input.plausibility import Sample, is_zero, useless
from vsim_tf.io.paths import TAGS
from vsim_tf.records.feature_origin import origin_of
from vsim_tf.records.schema import (
    ASR_TEXT,
    BYTES_PER_FRAME_VALUE,
    CATEGORY_ID,
    FRAME_FEATURE,
    FRAME_PICTURE,
    NO_SPEECH,
    OCR_TEXT,
    TAG_ID,
    TITLE,
)
from vsim_tf.records.tfrecords import Record, expand_pattern, scan_records
from vsim_tf.records.videos import Features, parse_example, read_id, video_faults
from vsim_tf.types import PathLike

_LOOKED_AT = 20
"""Videos of each file by whose frames the feature dimension is guessed."""
_GIVEN_UP = 1000
_LARGEST_CLASS = 9999
_DECIMALS = 4
FRAMES_PER_VIDEO, TITLE_LENGTHS, TAGS_PER_VIDEO = "frames per video", "characters per title", "tags per video"


@dataclass(frozen=True)
class Settings:
    """How sets of videos are checked.

    Attributes:
        width: feature dimension; None: frames are pictures.
        tags: that are known; None: which are is not known.
        all_texts: OCR and speech are texts of a video, too.
        classes: each video needs a class.
        trained_on: something must be there to learn from.
        one_record_each: an id that is repeated is a problem, even if the records are equal.
        records_per_file: so many at most are looked at; 0: all.
    """

    width: int | None
    tags: frozenset[int] | None = None
    all_texts: bool = False
    classes: bool = False
    trained_on: bool = False
    one_record_each: bool = False
    records_per_file: int = 0


class VideoSet(NamedTuple):
    """Outcome of a set.

    Attributes:
        section: for the report.
        ids: of the videos.
        complete: every record was looked at.
    """

    section: Section
    ids: Collection[str]
    complete: bool


@dataclass
class _Tally:
    """Counts over the videos that can be used."""

    frames: Counter[int] = field(default_factory=Counter)
    titles: Counter[int] = field(default_factory=Counter)
    tags: Counter[int] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    known_tags: int = 0
    with_text: int = 0
    first_frame: bytes | None = None
    differ: bool = False
    zero: bool = True

    def add(self, feature: Features, settings: Settings) -> None:
        """Counts a video."""
        title = feature[TITLE].bytes_list.value[0].decode("utf-8", "replace")
        self.titles[len(title)] += 1
        self.with_text += bool(title.strip()) or (settings.all_texts and _has_other_text(feature))
        tags = set(feature[TAG_ID].int64_list.value) if TAG_ID in feature else set()
        self.tags[len(tags)] += 1
        self.known_tags += len(tags) if settings.tags is None else len(tags & settings.tags)
        frames = feature[FRAME_FEATURE if settings.width else FRAME_PICTURE].bytes_list.value
        self.frames[len(frames)] += 1
        if not settings.width:
            self.differ, self.zero = True, False
        elif not self.differ or self.zero:
            self._compare(list(frames))

    def _compare(self, frames: list[bytes]) -> None:
        if frames and self.first_frame is None:
            self.first_frame = frames[0]
        self.differ = self.differ or any(frame != self.first_frame for frame in frames)
        self.zero = self.zero and all(is_zero(np.frombuffer(frame, "<u2")) for frame in frames)

    def sample(self) -> Sample:
        """What can be learned from them; words are not compared with a vocabulary."""
        videos, frames, tags = self.frames.total(), _sum(self.frames), _sum(self.tags)
        return Sample(videos, tags, self.known_tags, self.with_text, self.with_text, frames, self.differ, self.zero)


def _sum(counts: Counter[int]) -> int:
    return sum(value * count for value, count in counts.items())


def _has_other_text(feature: Features) -> bool:
    texts = [text for key in (OCR_TEXT, ASR_TEXT) if key in feature for text in feature[key].bytes_list.value]
    return any(text.strip() and text != NO_SPEECH.encode() for text in texts)


class _Ids:
    """The ids of a set, and where the first record of each lies."""

    def __init__(self, files: Sequence[str], one_record_each: bool):
        self.places: dict[str, tuple[int, int, int]] = {}
        self.copies = 0
        self._files, self._one_record_each = files, one_record_each

    def add(self, video_id: str, file: int, record: Record) -> str:
        """Notes a record; returns what is wrong with its id, or nothing."""
        place = (file, record.number, google_crc32c.value(record.data))
        first = self.places.setdefault(video_id, place)
        if first is place:
            return ""
        earlier = f"{self._files[first[0]]}, record {first[1]}"
        if first[2] != place[2]:
            return f"differs from an earlier record of the same id, {earlier}; an id may stand for one video only"
        self.copies += 1
        return f"is a copy of {earlier}; each id may occur once here" if self._one_record_each else ""


class _Reader:
    """Reads files of one set, one record in memory at a time."""

    def __init__(self, files: Sequence[str], settings: Settings, findings: Findings):
        self.files, self.settings, self.findings = files, settings, findings
        self.tally, self.ids = _Tally(), _Ids(files, settings.one_record_each)
        self.records = self.unusable = 0
        self.complete = True

    def read(self, number: int) -> None:
        """Reads one of the files, or as many records of it as are asked for."""
        file, limit = self.files[number], self.settings.records_per_file
        for record in scan_records(file, self.findings.refused(file)):
            if limit and record.number >= limit:
                self.complete = False
                self.findings.partial.append(file)
                return
            self.records += 1
            self.unusable += not self._is_usable(record, number)

    def _is_usable(self, record: Record, number: int) -> bool:
        file = self.files[number]
        where, found = f"{file}, record {record.number}", self.findings.counts[file]
        try:
            feature = parse_example(record.data, where)
            video_id = read_id(feature, where)
        except RecordError as error:
            self.findings.add(error, file, record.number)
            return False
        where = f"{where}, video {video_id!r}"
        for fault in video_faults(feature, self.settings.width, where):
            self.findings.add(fault, file, record.number, video_id)
        if usable := self.findings.counts[file] == found:
            self.tally.add(feature, self.settings)
        others = [self.ids.add(video_id, number, record)]
        if self.settings.classes:
            others.append(self._class_fault(feature))
        for message in filter(None, others):
            self.findings.add(RecordError(f"{where}: {message}"), file, record.number, video_id)
        return usable

    def _class_fault(self, feature: Features) -> str:
        found = list(feature[CATEGORY_ID].int64_list.value) if CATEGORY_ID in feature else []
        if len(found) != 1:
            return f"{len(found) or 'no'} values of {CATEGORY_ID!r}; a class of four digits is needed to train on"
        if not 0 <= found[0] <= _LARGEST_CLASS:
            return f"{CATEGORY_ID!r} is {found[0]}; a class of four digits is needed, two of level 1 and two within it"
        self.tally.categories[f"{found[0]:04d}"] += 1
        return ""


def progress(files: Sequence[str]) -> "tqdm[Any]":
    """A bar for reading files, on a terminal alone."""
    total = sum(os.path.getsize(file) for file in files)
    return tqdm(total=total, desc="check", unit="B", unit_scale=True, disable=None, leave=False)


def check_video_set(name: str, files: Sequence[str], settings: Settings, findings: Findings, bar: "tqdm[Any]") -> VideoSet:
    """Reads all files of a set.

    Args:
        name: of the set, for the report.
        files: its record files.
        settings: how they are checked.
        findings: receives problems and notes.
        bar: progress in bytes.
    """
    reader = _Reader(files, settings, findings)
    for number, file in enumerate(files):
        try:
            expand_pattern(file)  # which refuses an empty one
            reader.read(number)
        except (UserError, OSError) as error:
            reason = error if isinstance(error, UserError) else UserError(f"{file}: cannot be read: {error.strerror or error}")
            findings.add(reason, file)
        bar.update(os.path.getsize(file))
    if reader.ids.copies and not settings.one_record_each:
        findings.notes.append(f"{name}: {reader.ids.copies:,} records are copies of earlier ones")
    if reader.tally.frames:
        _note_useless(reader, findings)
    return VideoSet(_section(name, reader), reader.ids.places.keys(), reader.complete)


def _note_useless(reader: _Reader, findings: Findings) -> None:
    """What models learn nothing from: a problem where they are trained on it."""
    named = ", ".join(reader.files[:3]) + (", ..." if len(reader.files) > 3 else "")
    for fault in useless(reader.tally.sample(), named, TAGS, ""):
        if reader.settings.trained_on:
            findings.add(fault, os.path.dirname(reader.files[0]))
        else:
            findings.notes.append(str(fault))


def _section(name: str, reader: _Reader) -> Section:
    tally, settings = reader.tally, reader.settings
    figures: dict[str, int | float] = {"files": len(reader.files), "records": reader.records, "unusable": reader.unusable}
    histograms = {FRAMES_PER_VIDEO: Histogram(tally.frames), TITLE_LENGTHS: Histogram(tally.titles)}
    if settings.width:
        figures["feature dimension"] = settings.width
    if tags := _sum(tally.tags):
        histograms[TAGS_PER_VIDEO] = Histogram(tally.tags)
        if settings.tags is not None:
            figures["unknown tag share"] = round(1 - tally.known_tags / tags, _DECIMALS)
    return Section(name, figures, histograms, dict(tally.categories))


def check_towers(folder: Path, files: Sequence[PathLike], findings: Findings) -> None:
    """Adds a problem of the folder where features of some files are known to be of one tower, and others of another."""
    try:
        origin_of(files)
    except UserError as error:
        findings.add(error, folder)


def guess_width(files: Sequence[str]) -> int | None:
    """The feature dimension of most videos that stand first in some files; None where none has frames."""
    lengths = Counter[int]()
    for file in files:
        with contextlib.suppress(OSError):
            lengths.update(itertools.islice(_first_frames(file), _LOOKED_AT))
    return max(lengths.most_common(1)[0][0] // BYTES_PER_FRAME_VALUE, 1) if lengths else None


def _first_frames(file: str) -> Iterator[int]:
    """Bytes of the first frame of the first videos that have one."""
    for record in itertools.islice(scan_records(file, lambda error: None), _GIVEN_UP):
        with contextlib.suppress(RecordError):
            yield from map(len, parse_example(record.data, "")[FRAME_FEATURE].bytes_list.value[:1])

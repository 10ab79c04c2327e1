"""Extraction: frames of videos through a tower into one file, reading next to computing, resumable, damaged videos listed."""

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tqdm import tqdm

from vsim_tf.errors import UserError
from vsim_tf.features.kinds import KINDS, Described, Kind
from vsim_tf.features.parts import Damaged, Part, Parts, differences
from vsim_tf.features.sources import Frames, Source
from vsim_tf.features.tower import Tower, features_of_videos
from vsim_tf.io.files import exclusive, output_file, read_json_object
from vsim_tf.io.paths import extraction_note, shard_file
from vsim_tf.io.read_ahead import Ahead
from vsim_tf.io.tables import table_text
from vsim_tf.records.feature_origin import Origin

logger = logging.getLogger(__name__)

BATCH_SIZE = 64
_REPLACE = "replace it with overwrite=True, or choose another output"
EQUAL_IN_SHARDS = ("kind", "precision", "max_frames", "fps", "count", "resize", "crop", "ocr")
"""Settings that shards must have in common, besides the tower: their files are read as one."""
VIDEOS_PER_PART = 64
"""A killed extraction does so many videos again at most."""


@dataclass(frozen=True)
class Job:
    """The output, and how it is made.

    Attributes:
        output: the file; shards have names of their own next to it.
        kind: `features`, `pictures` or `zip`.
        shard, shards: which of how many equal slices of the videos, from 0 on.
        batch_size: pictures a call of the tower.
        skip_damaged: leave damaged videos out.
        overwrite: replace an output that is there.
        videos_per_part: how many videos are done before they are kept.
        threads: how many videos are read at a time.
    """

    output: str
    kind: str = "features"
    shard: int = 0
    shards: int = 1
    batch_size: int = BATCH_SIZE
    skip_damaged: bool = False
    overwrite: bool = False
    videos_per_part: int = VIDEOS_PER_PART
    threads: int = min(8, os.cpu_count() or 1)

    @property
    def file(self) -> Path:
        """The output of the shard."""
        return shard_file(self.output, self.shard, self.shards)

    def slice(self, videos: Sequence[Described]) -> Sequence[Described]:
        """The videos of the shard; those of all shards one after the other are all videos."""
        begin, end = (len(videos) * shard // self.shards for shard in (self.shard, self.shard + 1))
        return videos[begin:end]


class Report(NamedTuple):
    """Outcome of an extraction: the file, its videos and frames, and the videos that were left out."""

    file: Path
    videos: int
    frames: int
    damaged: list[Damaged]


def job_settings(job: Job, videos: Sequence[Described], settings: Mapping[str, Any]) -> dict[str, Any]:
    """All that an output follows from: `settings` of source and tower, the job's own, and a digest of the videos' texts."""
    texts = [
        [video.id, video.title, video.asr, video.ocr, video.category, *([] if video.tags is None else [list(video.tags)])]
        for video in job.slice(videos)
    ]
    return {
        **settings,
        "kind": job.kind,
        "shard": [job.shard, job.shards],
        "batch_size": job.batch_size,
        "videos_per_part": job.videos_per_part,
        "videos": [len(texts), hashlib.sha256(json.dumps(texts).encode()).hexdigest()],
    }


def complete(job: Job, settings: Mapping[str, Any]) -> Report | None:
    """The output of these settings if it is there already, after saying so.

    Args:
        job: what is to be written.
        settings: those of `job_settings`.

    Raises:
        UserError: the file is there, but of other settings or from elsewhere.
    """
    file, note = job.file, extraction_note(job.file)
    if job.overwrite or not file.exists():
        return None
    if not note.exists():
        raise UserError(f"{file}: is there without {note.name}; {_REPLACE}", ["overwrite"])
    found = read_json_object(note)
    if differing := differences(found.get("settings", {}), settings):
        raise UserError(f"{file}: was made with other settings ({differing} differ); {_REPLACE}", ["overwrite"])
    report = Report(file, found["written"], found["frames"], [Damaged(*each) for each in found["damaged"]])
    left_out = f", {len(report.damaged)} damaged ones left out" if report.damaged else ""
    logger.info(f"{file}: complete with {report.videos} videos{left_out}, nothing to do")
    return report


def _require_like_other_shards(job: Job, settings: Mapping[str, Any]) -> None:
    """`UserError` for settings that another shard of the same output, which is there, does not have."""
    for shard in range(job.shards):
        other = shard_file(job.output, shard, job.shards)
        if shard == job.shard or not extraction_note(other).exists():
            continue
        found = read_json_object(extraction_note(other)).get("settings", {})
        if differing := differences(_of_all_shards(found), _of_all_shards(settings)):
            raise UserError(
                f"{job.file}: the shard {other.name} was made with other settings ({differing} differ); use those, choose another"
                " output, or replace all shards with overwrite=True",
                ["overwrite"],
            )


def _of_all_shards(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that shards have in common; a tower may lie elsewhere on another machine."""
    tower = Origin.from_json(settings.get("tower"))
    return {name: settings.get(name) for name in EQUAL_IN_SHARDS} | {"tower": tower and tower.sha256}


def check_ids(videos: Sequence[Described], source: Source, where: str, skip_damaged: bool = False) -> None:
    """Compares the ids of annotations with those that have frames; videos of the source that have none are left out, in one line.

    Args:
        videos: the annotated ones.
        source: where their frames are.
        where: the file of annotations, for messages.
        skip_damaged: videos without frames are no reason to stop.

    Raises:
        UserError: videos without frames; with counts and first ids.
    """
    there = dict.fromkeys(source.ids())
    annotated = {video.id for video in videos}
    missing = [video.id for video in videos if video.id not in there]
    extra = [video for video in there if video not in annotated]
    lines = []
    if missing:
        lines.append(f"{len(missing)} of {len(annotated)} videos of {where} are not in {source.name}, first {missing[0]}")
    if extra:
        lines.append(f"{len(extra)} of {len(there)} videos of {source.name} are not in {where}, first {extra[0]}")
    if missing and not skip_damaged:
        raise UserError(f"{'; '.join(lines)} (skip_damaged=True leaves videos out)", ["skip_damaged"])
    if lines:
        logger.info(f"left out: {'; '.join(lines)}")


def extract(
    videos: Sequence[Described], source: Source, tower: Tower | None, job: Job, settings: Mapping[str, Any] | None = None
) -> Report:
    """Writes the output of a shard, complete or not at all.

    One that was killed resumes, and its output is the same to the byte as if it had not been: parts of some videos are kept, and
    the frames of a part never share a call of the tower with those of another.

    Args:
        videos: all videos, of which the shard's are taken.
        source: where their frames come from.
        tower: makes features of frames; None for records of pictures, or where the source has features.
        job: what is written.
        settings: of source and tower: an output or parts of other settings are not continued.

    Raises:
        UserError: fewer videos than shards; damaged videos, unless `skip_damaged`; all are damaged; a file or parts of other
            settings; shards of other settings; another process writes the same file.
    """
    whole = job_settings(job, videos, settings or {})
    if report := complete(job, whole):
        return report
    if len(videos) < job.shards:
        raise UserError(f"shard={job.shard}/{job.shards}: {len(videos)} videos do not fill so many shards", ["shard"])
    if not job.overwrite:
        _require_like_other_shards(job, whole)
    chosen = job.slice(videos)
    chunks = [chosen[start : start + job.videos_per_part] for start in range(0, len(chosen), job.videos_per_part)]
    with exclusive(job.file), Parts(job.file, whole, job.overwrite) as parts:
        _write_missing_parts(parts, chunks, source, tower, job)
        report = _merged(parts, len(chunks), job, whole)
        parts.remove()
    logger.info(f"{report.file}: {report.videos} videos, {report.frames} frames")
    return report


def _write_missing_parts(
    parts: Parts, chunks: Sequence[Sequence[Described]], source: Source, tower: Tower | None, job: Job
) -> None:
    missing = [number for number in range(len(chunks)) if number not in parts]
    pending = [video for number in missing for video in chunks[number]]
    total = sum(map(len, chunks))
    if len(pending) < total:
        logger.info(f"{job.file}: resumes behind {total - len(pending)} of {total} videos")
    ahead = Ahead(lambda n: _read(source, pending[n]), job.threads, 2 * job.threads, len(pending))
    with tqdm(total=total, initial=total - len(pending), desc="extract", unit="video", disable=None) as bar:
        readings = _in_turn(ahead, len(pending), bar)
        for number in missing:
            parts.write(number, _part(chunks[number], readings, tower, job))


def _in_turn(ahead: Ahead[Frames | Damaged], count: int, bar: "tqdm[Any]") -> Iterator[Frames | Damaged]:
    for n in range(count):
        reading = ahead(n)
        bar.update()
        yield reading


def _read(source: Source, video: Described) -> Frames | Damaged:
    """The frames of a video, or why there are none. An error that names a setting is none of the video's."""
    try:
        return source.read(video.id)
    except UserError as error:
        if error.fields:
            raise
        file = source.file(video.id)
        return Damaged(video.id, file, str(error).removeprefix(f"{file}").lstrip(":, "))


def _part(videos: Sequence[Described], readings: Iterator[Frames | Damaged], tower: Tower | None, job: Job) -> Part:
    damaged: list[Damaged] = []
    readable: list[tuple[Described, Frames]] = []  # without their pictures, which a tower has read

    def pictures() -> Iterator[Any]:
        for video in videos:
            reading = next(readings)
            if isinstance(reading, Damaged):
                damaged.append(reading)
            else:
                readable.append((video, reading._replace(pictures=reading.pictures[:0])))
                yield reading.pictures

    kind: Kind = KINDS[job.kind]
    records, frames = [], 0
    for number, features in enumerate(_features(pictures(), tower, job.batch_size)):
        video, reading = readable[number]
        features = reading.features if features is None else features
        frames += len(reading.encoded if features is None else features)
        records.append(kind.record(video, reading, features))
    return Part(records, frames, damaged)


def _features(pictures: Iterable[Any], tower: Tower | None, batch_size: int) -> Iterator[Any]:
    """Features of each video; None for each where there is no tower."""
    return features_of_videos(pictures, tower, batch_size) if tower else (None for _ in pictures)


def _merged(parts: Parts, count: int, job: Job, settings: Mapping[str, Any]) -> Report:
    """The output and its note, which is written first: an output without one is from elsewhere."""
    videos = frames = 0
    damaged: list[Damaged] = []
    for number in range(count):
        part = parts.read(number)
        videos, frames, damaged = videos + len(part.records), frames + part.frames, damaged + part.damaged
        if part.damaged and not job.skip_damaged:
            parts.discard(number)  # the videos may be repaired until the next try
    if damaged:
        logger.warning(f"damaged videos:\n{damage_table(damaged)}")
    if damaged and not (job.skip_damaged and videos):
        how = "no video is left" if job.skip_damaged else "nothing is written; skip_damaged=True leaves them out"
        of_all, first = f"{len(damaged)} of {videos + len(damaged)} videos", damaged[0]
        found = f"first {first.id} ({first.file}: {first.reason})"
        raise UserError(f"{job.file}: {of_all} are damaged, {found}; {how}", ["skip_damaged"])
    job.file.unlink(missing_ok=True)
    note = {"settings": dict(settings), "written": videos, "frames": frames, "damaged": damaged}
    with output_file(extraction_note(job.file)) as file:
        file.write(json.dumps(note, indent=1, ensure_ascii=False).encode())
    KINDS[job.kind].write(job.file, parts.records(count))
    return Report(job.file, videos, frames, damaged)


def damage_table(damaged: Sequence[Damaged]) -> str:
    """A table of damaged videos: id, file, and the reason."""
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table(*(Column(name, overflow="fold") for name in ("id", "file", "what")))
    for each in damaged:
        table.add_row(*map(escape, each))  # a reason may hold brackets
    return table_text(table)

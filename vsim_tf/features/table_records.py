"""Records of a table of videos whose features are there already."""

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence

from vsim_tf.errors import UserError
from vsim_tf.features.extraction import Job, Report, extract
from vsim_tf.features.sources import FeatureFiles, find_feature_files
from vsim_tf.records.tags import extend_tag_list, read_tag_list, tag_id
from vsim_tf.records.video_tables import FEATURES, TAGS, Table, TableVideo, read_video_table
from vsim_tf.types import PathLike

logger = logging.getLogger(__name__)


def write_table_records(
    table: Table,
    output: PathLike,
    features: PathLike | None = None,
    frame_embedding_size: int | None = None,
    skip_damaged: bool = False,
    overwrite: bool = False,
    tag_list: PathLike | None = None,
) -> Report:
    """Writes a record for each video of a table; the file appears complete or not at all.

    Args:
        table: as for `vsim_tf.records.video_tables.read_video_table`, e.g. a pandas DataFrame.
        output: the file, NAME.tfrecords.
        features: folder of files `<id>.npy`, floats `[frames, dim]` each; None: the table has their paths in a column `features`.
        frame_embedding_size: feature dimension that all must have; None: any.
        skip_damaged: leave videos out whose features are damaged or missing; else nothing is written.
        overwrite: replace an output that is there; else one of the same table is left as it is.
        tag_list: file that gets the tags of the table which it lacks, see `add_tags`; None: none does.

    Raises:
        UserError: rows that cannot be used, damaged or missing features, or an output of another table.
    """
    videos = read_video_table(table)
    name = os.fspath(table) if isinstance(table, str | os.PathLike) else "the table"
    source = feature_files(videos, os.fspath(features) if features else name, frame_embedding_size)
    settings = {"files": digest(source.files), "frame_embedding_size": frame_embedding_size}
    report = extract(videos, source, None, Job(os.fspath(output), skip_damaged=skip_damaged, overwrite=overwrite), settings)
    if tag_list:
        add_tags(tag_list, videos, name)
    return report


def add_tags(tag_list: PathLike, videos: Sequence[TableVideo], table: str) -> None:
    """Adds tags of a table to the list of those that pre-training learns, as `vsim_tf.records.tags.extend_tag_list` does.

    Args:
        tag_list: the file.
        videos: of the table.
        table: its name, for messages.

    Raises:
        UserError: no video has a tag, or the list cannot be read or written.
    """
    tags = [tag for video in videos for tag in video.tag_names or ()]
    if not tags:
        raise UserError(f"{table}: no video has a tag in a column {TAGS!r}; leave tag_list={tag_list} out", ["tag_list"])
    added, known = extend_tag_list(tag_list, tags), set(read_tag_list(tag_list).tolist())
    left_out = len(set(map(tag_id, tags)) - known)
    more = f"; {left_out:,} rarer tags of {table} are left out" if left_out else ""
    logger.info(f"{tag_list}: {added:,} tags of {table} added, {len(known):,} in all{more}")


def digest(files: Mapping[str, str]) -> str:
    """What tells paths of files from others."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()


def feature_files(videos: Sequence[TableVideo], path: str, dim: int | None = None, max_frames: int | None = None) -> FeatureFiles:
    """The features of a folder, or those that a table names.

    Args:
        videos: of the table.
        path: the folder, or the table.
        dim: feature dimension that all must have; None: any.
        max_frames: frames of a video at most; None: all.
    """
    if os.path.isdir(path):
        return FeatureFiles(path, find_feature_files(path), dim, max_frames=max_frames)
    rows = {video.id: video.row for video in videos}
    return FeatureFiles(path, files_of_column(videos, FEATURES, path), dim, rows, max_frames)


def files_of_column(videos: Sequence[TableVideo], column: str, table: str) -> dict[str, str]:
    """Paths of a column, "features" or "video", by the ids of the videos.

    Raises:
        UserError: a row without a path; with table, row, id and column.
    """
    files = {video.id: getattr(video, column) for video in videos}
    missing = [video for video in videos if not files[video.id]]
    if len(missing) == len(videos):
        raise UserError(f"{table}: no column {column!r} with paths of files; give it, features or videos", ["features", "videos"])
    if missing:
        first = f"first: row {missing[0].row}, id {missing[0].id}"
        raise UserError(f"{table}: column {column!r} is empty in {len(missing):,} rows, {first}")
    return files

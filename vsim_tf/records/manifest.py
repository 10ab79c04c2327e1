"""`manifest.json`: what a set of fold files holds, written last, so that a set with a manifest is complete."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_json_object, replacing
from vsim_tf.io.paths import MANIFEST
from vsim_tf.records.feature_origin import Origin
from vsim_tf.records.tfrecords import count_records
from vsim_tf.types import PathLike

SCHEMA_VERSION = 2


class FoldsError(UserError):
    """A set of fold files that cannot be used, with the advice to write it again."""

    def __init__(self, message: str):
        super().__init__(f"{message}; write the folds again with overwrite=True", ["folds.overwrite"])


@dataclass(frozen=True)
class Settings:
    """What a set of fold files follows from: equal settings give equal files.

    Attributes:
        layout: "once" (each pair in the file of its fold) or "expanded" (a folder for each fold).
        num_folds: number of folds.
        seed: seed of the shuffles.
        frame_embedding_size: values of a frame.
        label_file: name, bytes and sha256 of the label file.
        video_files: the same of each file of video records.
        split: "shuffled", which manifests of earlier versions do not say, or "modulo".
    """

    layout: str
    num_folds: int
    seed: int
    frame_embedding_size: int
    label_file: dict[str, Any]
    video_files: list[dict[str, Any]]
    split: str = "shuffled"


@dataclass(frozen=True)
class FileEntry:
    """A file of pair records: number of records, bytes and sha256."""

    records: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class FoldEntry:
    """A fold.

    Attributes:
        train: files to train on, relative to the manifest's folder.
        validation: files to validate on.
        videos_on_both_sides: videos that occur in training and in validation pairs.
    """

    train: list[str]
    validation: list[str]
    videos_on_both_sides: int


@dataclass(frozen=True)
class Statistics:
    """What the input held.

    Attributes:
        pairs: lines of the label file.
        repeated_pairs: pairs that repeat an earlier one in the same order.
        reversed_pairs: pairs that repeat an earlier one with first and second exchanged.
        conflicting_pairs: pairs of videos that have different similarities.
        videos: distinct videos of the video records.
        repeated_videos: video records that repeat an earlier one byte for byte.
        similarity_histogram: similarity to number of pairs, ascending.
    """

    pairs: int
    repeated_pairs: int
    reversed_pairs: int
    conflicting_pairs: int
    videos: int
    repeated_videos: int
    similarity_histogram: dict[str, int]


@dataclass(frozen=True)
class Manifest:
    """A complete set of fold files.

    Attributes:
        settings: what they follow from.
        files: by name, relative to the folder.
        folds: fold i is `folds[i]`.
        statistics: what the input held.
        features_by: the tower that made the features, where a note next to the video records says it.
    """

    settings: Settings
    files: dict[str, FileEntry]
    folds: list[FoldEntry]
    statistics: Statistics
    features_by: Origin | None = None

    @property
    def num_folds(self) -> int:
        """Number of folds."""
        return len(self.folds)

    def records(self, names: list[str]) -> int:
        """Number of pairs in some of the files."""
        return sum(self.files[name].records for name in names)


def write_manifest(folder: PathLike, manifest: Manifest) -> None:
    """Write `manifest.json` into a folder, completely or not at all."""
    content = {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(manifest)}
    del content["features_by"]
    if manifest.features_by:
        content["features_by"] = manifest.features_by.to_json()
    with replacing(Path(folder) / MANIFEST) as file:
        file.write((json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8"))


def read_manifest(folder: PathLike) -> Manifest:
    """The manifest of a folder, after a check that every file it names is there with all its records.

    Raises:
        UserError: no manifest, one of another version, a missing file, a file of another size or number of records.
    """
    manifest = parse_manifest(folder)
    for name, entry in manifest.files.items():
        path = Path(folder) / name
        if not os.path.isfile(path):
            raise FoldsError(f"{path}: the file is missing, though {MANIFEST} names it")
        size, records = path.stat().st_size, count_records(path)
        if (size, records) != (entry.bytes, entry.records):
            raise FoldsError(
                f"{path}: has {records} records in {size} bytes, but {MANIFEST} says {entry.records} in {entry.bytes}"
            )
    return manifest


def fold_files(folder: PathLike, fold: int) -> tuple[list[str], list[str]]:
    """Paths of the training files and of the validation files of a fold.

    Raises:
        UserError: what `read_manifest` refuses, or a fold that the set does not have.
    """
    return files_of_fold(folder, read_manifest(folder), fold)


def files_of_fold(folder: PathLike, manifest: Manifest, fold: int) -> tuple[list[str], list[str]]:
    """The same by the manifest of the folder."""
    if not 0 <= fold < manifest.num_folds:
        raise UserError(f"fold {fold} is not in {folder}; its folds are 0 to {manifest.num_folds - 1}")
    entry = manifest.folds[fold]
    train, validation = ([os.path.join(folder, name) for name in names] for names in (entry.train, entry.validation))
    return train, validation


def parse_manifest(folder: PathLike) -> Manifest:
    """The manifest of a folder as it stands there, without a look at the files that it names.

    Raises:
        UserError: no manifest, one that is not as `write_manifest` writes it, or one that names files outside its
            folder.
    """
    path = Path(folder) / MANIFEST
    if not path.exists():
        raise UserError(f"{path} does not exist; write_tfrecord.py makes it, as its last file")
    try:
        content = read_json_object(path)
    except UserError as error:
        raise FoldsError(str(error)) from None
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise FoldsError(f"{path}: schema version {version!r}; expected {SCHEMA_VERSION}")
    try:
        manifest = Manifest(
            settings=Settings(**content["settings"]),
            files={name: FileEntry(**entry) for name, entry in content["files"].items()},
            folds=[FoldEntry(**entry) for entry in content["folds"]],
            statistics=Statistics(**content["statistics"]),
            features_by=Origin.from_json(content.get("features_by")),
        )
        _check(manifest)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise FoldsError(f"{path}: not as write_tfrecord.py writes it ({error!r})") from None
    return manifest


def _check(manifest: Manifest) -> None:
    """Raises ValueError or TypeError for values that no manifest has."""
    for name, entry in manifest.files.items():
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise ValueError(f"{name!r} is outside the folder")
        if type(entry.records) is not int or type(entry.bytes) is not int:
            raise ValueError(f"{name!r} has {entry.records!r} records in {entry.bytes!r} bytes")
    for fold in manifest.folds:
        if unknown := {*fold.train, *fold.validation} - set(manifest.files):
            raise ValueError(f"a fold has {unknown}, which is not among the files")

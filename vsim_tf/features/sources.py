"""Where the frames of videos come from: zips of pictures, video files, or features that are there already."""

import glob
import io
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.features.feature_zips import ENDING as FEATURES_ENDING
from vsim_tf.features.feature_zips import MAX_VIDEO_BYTES, FeatureZip, checked_features
from vsim_tf.features.frame_zips import frame_zip, frame_zip_ids, read_frame_zip
from vsim_tf.features.pictures import PictureSizes, decode_picture, encode_jpeg, resize_and_crop, resized, stacked
from vsim_tf.features.sampling import Sampling
from vsim_tf.features.videos import ENDINGS, read_video
from vsim_tf.io.files import whats_there
from vsim_tf.io.npz import UNREADABLE, unreadable_reason
from vsim_tf.records.file_kinds import looks_like

NPY = b"\x93NUMPY"
"""The beginning of a file of one array."""
MAX_FRAMES = 32
"""Frames of a video that are used (docs/facts_rank8.md 2)."""


class Frames(NamedTuple):
    """Frames of a video, in the forms that are needed.

    Attributes:
        pictures: as a tower reads them, `[frames, crop, crop, 3]` uint8.
        encoded: as files of pictures.
        ocr_text: text that stands in them.
        features: `[frames, dim]` float16, where they are known.
    """

    pictures: np.ndarray
    encoded: Sequence[bytes] = ()
    ocr_text: str = ""
    features: np.ndarray | None = None


class Source(Protocol):
    """Frames of videos by their ids; several threads read."""

    @property
    def name(self) -> str:
        """What messages call it: its folder, file or pattern."""

    def ids(self) -> list[str]:
        """Ids of all videos that are there."""

    def file(self, video_id: str) -> str:
        """The file of a video, which may be missing."""

    def read(self, video_id: str) -> Frames:
        """The frames of a video; `UserError` if they are missing or damaged."""


@dataclass(frozen=True)
class Preparation:
    """How each picture is treated.

    Attributes:
        sizes: of the pictures that a tower reads.
        encode: keep them as files of pictures, instead of what a tower reads.
        ocr: reads the text of pictures, before they are cropped; None: nobody does.
    """

    sizes: PictureSizes = field(default_factory=PictureSizes)
    encode: bool = False
    ocr: Callable[[Sequence[np.ndarray]], str] | None = None

    def frames(self, pictures: Sequence[np.ndarray], encoded: Sequence[bytes], file: str) -> Frames:
        """The frames of a video in the forms that are asked for.

        Args:
            pictures: `[height, width, 3]` uint8 each.
            encoded: the same as they lie in files; empty where they lie in none.
            file: for messages.
        """
        text = self.ocr(pictures) if self.ocr else ""
        if self.encode:
            return Frames(stacked([], self.sizes.crop), encoded or [self._encoded(picture) for picture in pictures], text)
        return Frames(stacked([resize_and_crop(picture, self.sizes, file) for picture in pictures], self.sizes.crop), (), text)

    def _encoded(self, picture: np.ndarray) -> bytes:
        """A frame of a video as JPEG: with `resize` pixels on the shorter side, unless it has less, as more is never read."""
        return encode_jpeg(resized(picture, self.sizes.resize) if min(picture.shape[:2]) > self.sizes.resize else picture)


@dataclass(frozen=True)
class FrameZips:
    """Zips of pictures in the folders of the contest of 2022."""

    root: str
    preparation: Preparation
    max_frames: int = MAX_FRAMES

    @property
    def name(self) -> str:
        return self.root

    def ids(self) -> list[str]:
        return frame_zip_ids(self.root)

    def file(self, video_id: str) -> str:
        return str(frame_zip(self.root, video_id))

    def read(self, video_id: str) -> Frames:
        file = self.file(video_id)
        found = read_frame_zip(file, self.max_frames)
        pictures = [decode_picture(data, f"{file}, {name}") for name, data in found]
        return self.preparation.frames(pictures, [data for _, data in found], file)


@dataclass(frozen=True)
class VideoFiles:
    """Video files, named by their ids.

    Attributes:
        pattern: as it was given.
        files: by id, in the order of the ids.
    """

    pattern: str
    files: dict[str, str]
    preparation: Preparation
    sampling: Sampling

    @property
    def name(self) -> str:
        return self.pattern

    def ids(self) -> list[str]:
        return list(self.files)

    def file(self, video_id: str) -> str:
        return self.files.get(video_id, f"{video_id}.*")

    def read(self, video_id: str) -> Frames:
        file = self.file(video_id)
        if video_id not in self.files:
            raise UserError(f"{file}: does not exist")
        return self.preparation.frames(read_video(file, self.sampling).pictures, (), file)


@dataclass(frozen=True)
class Features:
    """Features that are there already, in a zip; `max_frames`: None takes all."""

    path: str
    archive: FeatureZip
    max_frames: int | None = MAX_FRAMES

    @property
    def name(self) -> str:
        return self.path

    def ids(self) -> list[str]:
        return self.archive.ids

    def file(self, video_id: str) -> str:
        return f"{self.path}, {video_id}.npy"

    def read(self, video_id: str) -> Frames:
        return Frames(stacked([], 1), features=self.archive.read(video_id)[: self.max_frames])


@dataclass(frozen=True)
class FeatureFiles:
    """Features that are there already, a file of each video as `np.save` writes it.

    Attributes:
        path: their folder, or the table that names them.
        files: by id.
        dim: feature dimension; None: that of each video.
        rows: of the table, by id.
        max_frames: so many at most, the first ones; None: all.
    """

    path: str
    files: Mapping[str, str]
    dim: int | None = None
    rows: Mapping[str, int] = field(default_factory=dict)
    max_frames: int | None = None

    @property
    def name(self) -> str:
        return self.path

    def ids(self) -> list[str]:
        return list(self.files)

    def file(self, video_id: str) -> str:
        file = self.files.get(video_id, os.path.join(self.path, f"{video_id}{FEATURES_ENDING}"))
        return f"{file} ({self.path}, row {self.rows[video_id]}, column features)" if video_id in self.rows else file

    def read(self, video_id: str) -> Frames:
        where = self.file(video_id)
        try:
            file = Path(self.files[video_id])
            if (size := file.stat().st_size) > MAX_VIDEO_BYTES:
                raise UserError(f"{where}: has {size} bytes; accepted are at most {MAX_VIDEO_BYTES}")
            data = file.read_bytes()
            if not data.startswith(NPY):
                raise UserError(f"{where}: is not as np.save writes it{looks_like(data)}")
            features = np.load(io.BytesIO(data), allow_pickle=False)
        except (KeyError, FileNotFoundError):
            raise UserError(f"{where}: does not exist") from None
        except UNREADABLE as error:
            raise UserError(f"{where}: not readable: {unreadable_reason(error)}") from error
        try:
            frames = checked_features(features, self.dim, where)
        except UserError as error:  # without the setting that it names: it is of this video alone, and the others are tried, too
            raise UserError(str(error)) from None
        return Frames(stacked([], 1), features=frames[: self.max_frames])


def find_feature_files(folder: str) -> dict[str, str]:
    """Files `<id>.npy` of a folder by their ids, sorted; `UserError` if there are none."""
    files = {path.stem: str(path) for path in sorted(Path(folder).glob(f"*{FEATURES_ENDING}"))}
    if not files:
        raise UserError(f"{folder}: no file <id>{FEATURES_ENDING} ({whats_there(folder)})")
    return files


def find_videos(pattern: str) -> dict[str, str]:
    """Video files by their ids, which are their names without the ending, sorted.

    Args:
        pattern: a folder, of whose files those with the ending of a video are taken, a file, or a glob pattern.

    Raises:
        UserError: nothing is found, or two files have one id.
    """
    if os.path.isdir(pattern):
        paths = [path for path in Path(pattern).iterdir() if path.suffix.lower() in ENDINGS and path.is_file()]
    else:
        names = [pattern] if os.path.exists(pattern) else glob.glob(pattern)
        paths = [Path(name) for name in names if os.path.isfile(name)]
    if not paths:
        raise UserError(
            f"{pattern!r} matches no video; give a folder, a file, or a pattern such as 'folder/*.mp4' ({whats_there(pattern)})"
        )
    files: dict[str, str] = {}
    repeated = [path.stem for path in sorted(paths) if files.setdefault(path.stem, str(path)) != str(path)]
    if repeated:
        raise UserError(f"{pattern}: ids of more than one file, by their names without endings: {count_and_first(repeated)}")
    return dict(sorted(files.items()))

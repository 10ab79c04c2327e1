"""Frame features of the WeChat contest of 2022: one uncompressed zip for each split, with `<id>.npy` for each video."""

import io
import threading
import zipfile
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import output_file
from vsim_tf.io.npz import UNREADABLE, unreadable_reason
from vsim_tf.io.zips import member_fault, new_member
from vsim_tf.types import PathLike

ENDING = ".npy"
MAX_VIDEO_BYTES = 2**28


class FeatureZip:
    """Frame features of many videos, read one by one; several threads may read.

    Attributes:
        ids: of the videos, in the order of the file.
    """

    def __init__(self, path: PathLike, dim: int | None = None):
        """Opens the file.

        Args:
            path: the zip file.
            dim: the feature dimension asked for; None: that of each video, whatever it is.

        Raises:
            UserError: no such file, a damaged one, one without features, or with an id that occurs more than once.
        """
        self._path, self._dim, self._lock = path, dim, threading.Lock()
        try:
            self._archive = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise UserError(f"{path}: does not exist") from None
        except UNREADABLE as error:
            raise self._unreadable(error) from error
        names = [member.filename.removesuffix(ENDING) for member in self._archive.infolist() if member.filename.endswith(ENDING)]
        self.ids = list(dict.fromkeys(names))
        try:
            self._check_ids(names)
        except UserError:
            self.close()
            raise

    def __enter__(self) -> "FeatureZip":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self.ids)

    def close(self) -> None:
        """Close the file."""
        self._archive.close()

    def read(self, video_id: str) -> np.ndarray:
        """Features of a video, `[frames, dim]` float16.

        Raises:
            UserError: no such id, a damaged member, no array of floats with two axes, another feature dimension than asked for,
                or numbers that are not finite as float16.
        """
        where = f"{self._path}, {video_id}{ENDING}"
        try:
            with self._lock:
                data = self._archive.read(self._member(video_id, where))
            features = np.load(io.BytesIO(data), allow_pickle=False)
        except UNREADABLE as error:
            raise UserError(f"{where}: not readable: {unreadable_reason(error)}") from error
        return checked_features(features, self._dim, where)

    def _member(self, video_id: str, where: str) -> zipfile.ZipInfo:
        try:
            member = self._archive.getinfo(f"{video_id}{ENDING}")
        except KeyError:
            raise UserError(f"{where}: there is no such member; the zip has features of {len(self)} videos") from None
        if fault := member_fault(member, MAX_VIDEO_BYTES):
            raise UserError(f"{self._path}: its member {fault}")
        return member

    def _check_ids(self, names: list[str]) -> None:
        if not names:
            raise UserError(f"{self._path}: no {ENDING} file among its {len(self._archive.infolist())} members")
        if len(names) > len(self.ids):
            repeated = [name for name, count in Counter(names).items() if count > 1]
            raise UserError(f"{self._path}: ids that occur more than once: {count_and_first(repeated)}")

    def _unreadable(self, error: BaseException) -> UserError:
        return UserError(f"{self._path}: not a readable zip of features: {unreadable_reason(error)}")


def checked_features(features: Any, dim: int | None, where: str) -> np.ndarray:
    """What a file of features holds, `[frames, dim]` float16.

    Args:
        features: as `np.load` gives it.
        dim: the feature dimension asked for; None: any.
        where: the file, for messages.

    Raises:
        UserError: no array of floats with two axes, another feature dimension, or numbers that are not finite as float16.
    """
    if not isinstance(features, np.ndarray) or features.ndim != 2 or features.dtype.kind != "f":
        found = f"{features.dtype} {list(features.shape)}" if isinstance(features, np.ndarray) else "an npz archive"
        raise UserError(f"{where}: {found}; accepted are floats [frames, dim]")
    if dim is not None and features.shape[1] != dim:
        raise UserError(f"{where}: the feature dimension is {features.shape[1]}, asked for is {dim}", ["frame_embedding_size"])
    return as_float16(features, where)


def as_float16(features: np.ndarray, where: str) -> np.ndarray:
    """Features as they are stored, `[frames, dim]` float16.

    Raises:
        UserError: NaN, inf, or a number beyond float16's 65504; with its frame and position.
    """
    with np.errstate(over="ignore"):
        stored = features.astype(np.float16)
    if not np.isfinite(stored).all():
        frame, position = np.argwhere(~np.isfinite(stored))[0]
        value = features[frame, position]
        raise UserError(f"{where}: frame {frame} holds {value} at position {position}; accepted are finite numbers up to 65504")
    return stored


def write_feature_zip(path: PathLike, videos: Iterable[tuple[str, np.ndarray]]) -> int:
    """Writes features of videos, `[frames, dim]` each, as float16; the file appears complete or not at all.

    The same videos give the same bytes.

    Args:
        path: the zip file.
        videos: id and features.

    Returns:
        The number of videos.

    Raises:
        UserError: features that `as_float16` refuses, or a file that cannot be written.
    """
    count = 0
    with output_file(path) as file, zipfile.ZipFile(file, "w") as archive:
        for video_id, features in videos:
            data = io.BytesIO()
            np.save(data, as_float16(features, f"{path}, {video_id}").astype("<f2"), allow_pickle=False)
            archive.writestr(new_member(f"{video_id}{ENDING}"), data.getvalue())
            count += 1
    return count

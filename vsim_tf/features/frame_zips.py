"""Frames of the WeChat contest of 2022: pictures in a zip for each video, `<root>/<last 3 characters of id>/<id>.zip`."""

import itertools
import zipfile
from pathlib import Path
from typing import NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.npz import MAX_UNPACKED_BYTES, UNREADABLE, unreadable_reason
from vsim_tf.io.zips import member_fault
from vsim_tf.types import PathLike

ENDINGS = (".jpg", ".jpeg", ".png", ".webp")
MAX_MEMBERS = 10_000
MAX_FRAME_BYTES = 2**26


class EncodedFrame(NamedTuple):
    """A picture as it lies in a file: its name there, and its bytes."""

    name: str
    data: bytes


def frame_zip(root: PathLike, video_id: str) -> Path:
    """The file of a video's frames.

    Raises:
        UserError: an id that is no name of a file.
    """
    if not video_id or video_id.strip(".") == "" or set(video_id) & set("/\\\0"):
        raise UserError(f"{root}: the id {video_id!r} is no name of a file")
    return Path(root, video_id[-3:], f"{video_id}.zip")


def frame_zip_ids(root: PathLike) -> list[str]:
    """Ids of all videos that have frames below a folder, sorted."""
    return sorted(path.stem for path in Path(root).glob("*/*.zip") if path.parent.name == path.stem[-3:])


def read_frame_zip(path: PathLike, max_frames: int | None = None) -> list[EncodedFrame]:
    """The pictures of a zip by their sorted names, still encoded; other members are passed over.

    Args:
        path: the zip file.
        max_frames: so many at most, the first ones.

    Raises:
        UserError: no such file, a damaged one, one without pictures, with two pictures of a name, or with a member that is not
            unpacked: outside the folder, a link, encrypted, or too large; names file and member.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [EncodedFrame(member.filename, archive.read(member)) for member in _pictures(archive, path, max_frames)]
    except FileNotFoundError:
        raise UserError(f"{path}: does not exist") from None
    except UNREADABLE as error:
        raise UserError(f"{path}: not a readable zip of frames: {unreadable_reason(error)}") from error


def _pictures(archive: zipfile.ZipFile, path: PathLike, max_frames: int | None) -> list[zipfile.ZipInfo]:
    members = archive.infolist()
    if len(members) > MAX_MEMBERS:
        raise UserError(f"{path}: {len(members)} members; accepted are at most {MAX_MEMBERS}")
    pictures = sorted((member for member in members if _is_picture(member.filename)), key=lambda member: member.filename)
    if not pictures:
        raise UserError(f"{path}: no picture among its {len(members)} members; accepted are {', '.join(ENDINGS)}")
    for member, after in itertools.pairwise(pictures):
        if member.filename == after.filename:
            raise UserError(f"{path}: two members are named {member.filename!r}")
    for member in pictures:
        if fault := member_fault(member, MAX_FRAME_BYTES):
            raise UserError(f"{path}: its member {fault}")
    chosen = pictures[:max_frames]
    if (size := sum(member.file_size for member in chosen)) > MAX_UNPACKED_BYTES:
        raise UserError(f"{path}: its pictures unpack to {size} bytes; accepted are at most {MAX_UNPACKED_BYTES}")
    return chosen


def _is_picture(name: str) -> bool:
    """Whether a member is a picture by its ending; archivers of macOS add `__MACOSX/._NAME` for each."""
    *folders, last = name.split("/")
    return last.lower().endswith(ENDINGS) and not last.startswith("._") and "__MACOSX" not in folders

"""Members of zip files from elsewhere, looked at before they are unpacked, and zips whose bytes follow from their content."""

import stat
import zipfile
from pathlib import PureWindowsPath

ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
_ENCRYPTED = 1


def member_fault(member: zipfile.ZipInfo, max_bytes: int) -> str:
    """Why a member is not unpacked, as the end of a sentence that begins with "its member"; empty if nothing speaks against it.

    Args:
        member: of a zip.
        max_bytes: largest accepted size of the unpacked member.
    """
    name = PureWindowsPath(member.filename)
    if name.anchor or ".." in name.parts:
        return f"{member.filename!r} points outside the zip's folder"
    if stat.S_ISLNK(member.external_attr >> 16):
        return f"{member.filename!r} is a symbolic link; accepted is a plain file"
    if member.flag_bits & _ENCRYPTED:
        return f"{member.filename!r} is encrypted"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return f"{member.filename!r} is packed by method {member.compress_type}; accepted is deflate"
    if member.file_size > max_bytes:
        return f"{member.filename!r} unpacks to {member.file_size} bytes; accepted are at most {max_bytes}"
    return ""


def new_member(name: str, compress_type: int = zipfile.ZIP_STORED) -> zipfile.ZipInfo:
    """A member to write, whose header is the same at any time and on any system."""
    member = zipfile.ZipInfo(name, ZIP_EPOCH)
    member.compress_type = compress_type
    member.create_system = 3  # Unix: the permissions below are read on it
    member.external_attr = (stat.S_IFREG | 0o644) << 16
    return member

"""NumPy's npz archives, read without pickles and only up to a size."""

import tokenize
import zipfile
import zlib
from collections.abc import Sequence

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.types import PathLike

MAX_UNPACKED_BYTES = 2**30
"""Most that is unpacked of a file; the contest's larger test set (43,027 videos x 256) needs about 0.25 GB as JSON."""

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""What zipfile, json and numpy raise on damaged bytes (RuntimeError: an encrypted zip, endless nesting; TokenError: a header)."""


def read_npz(path: PathLike, names: Sequence[str], kind: str, max_bytes: int = MAX_UNPACKED_BYTES) -> dict[str, np.ndarray]:
    """Reads arrays of an npz file by their names.

    Args:
        path: the file.
        names: of the arrays; others in the file are not read.
        kind: the word for such a file in messages.
        max_bytes: largest accepted size of all unpacked arrays.

    Raises:
        UserError: missing, damaged or another kind of file, or one without an array of these names; names the file.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > max_bytes:
            raise UserError(f"{path}: its arrays unpack to {size} bytes; accepted are at most {max_bytes}")
        with np.load(path, allow_pickle=False) as arrays:
            return {name: np.asarray(arrays[name]) for name in names}  # bytes of a member that is no array
    except UNREADABLE as error:
        raise UserError(f"{path}: not a readable {kind} (npz): {unreadable_reason(error)}") from error


def unreadable_reason(error: BaseException) -> str:
    """Returns why a file cannot be read, as one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split()) or type(error).__name__

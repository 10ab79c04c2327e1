"""The list of tags that the classifiers predict."""

import re

import numpy as np

from vsim_tf.errors import Refused, UserError, raised
from vsim_tf.io.files import read_lines
from vsim_tf.types import PathLike

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_RANGE = np.iinfo(np.int64)


def read_tag_list(path: PathLike, refused: Refused = raised) -> np.ndarray:
    """Tags of a tag list, `[tags]` int64, ascending and without repetition: column k of a label is the k-th of them.

    The file has one integer tag per line; what follows a tab is ignored.

    Args:
        path: the file.
        refused: takes an error for each line without a tag, which is left out.

    Raises:
        UserError: what `files.read_lines` refuses, or a line that does not start with an integer of 64 bits; with
            the file, the line number and the line.
    """
    tags = []
    for number, line in enumerate(read_lines(path), 1):
        try:
            tags.append(_parse_line(path, number, line))
        except UserError as error:
            refused(error)
    return np.unique(np.array(tags, dtype=np.int64))


def is_tag(text: str) -> bool:
    """Whether a text is an integer of 64 bits."""
    return bool(_INTEGER.fullmatch(text)) and _RANGE.min <= int(text) <= _RANGE.max


def _parse_line(path: PathLike, number: int, line: str) -> int:
    field = line.split("\t", 1)[0]
    if not is_tag(field):
        raise UserError(f"{path}, line {number}: {line!r} starts with {field!r}; expected an integer tag of 64 bits")
    return int(field)

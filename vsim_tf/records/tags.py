"""The list of tags that the classifiers predict, and the ids of tags that are words."""

import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterable

import numpy as np

from vsim_tf.errors import Refused, UserError, raised
from vsim_tf.io.files import output_file, read_lines
from vsim_tf.types import PathLike

MOST_TAGS = 10_000
"""Of the list of the contest of 2021."""

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


def tag_id(tag: str) -> int:
    """The id of a tag: an integer is its own, a word has one that follows from it alone, and so is the same in every table."""
    if is_tag(tag):
        return int(tag)
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:8]) >> 1


def extend_tag_list(path: PathLike, tags: Iterable[str], most: int = MOST_TAGS) -> int:
    """Adds to a tag list the tags that it lacks, the most frequent ones first, and makes one where there is none.

    A word stands behind its id and a tab. The file appears complete or not at all; one that lacks nothing is left as it is.

    Args:
        path: the file.
        tags: integers and words without tabs and ends of lines, as often as they occur.
        most: the list gets no more than so many.

    Returns:
        How many tags were added.

    Raises:
        UserError: the list that is there cannot be read, or the file cannot be written.
    """
    there = os.path.exists(path)
    known = set(read_tag_list(path).tolist()) if there else set()
    names = {tag_id(tag): tag for tag, _ in Counter(tags).most_common()}
    added = [tag for tag in names if tag not in known][: max(most - len(known), 0)]
    if added:
        lines = read_lines(path) if there else []
        lines += [f"{tag}" if is_tag(names[tag]) else f"{tag}\t{names[tag]}" for tag in added]
        with output_file(path) as file:
            file.write("".join(f"{line}\n" for line in lines).encode())
    return len(added)


def _parse_line(path: PathLike, number: int, line: str) -> int:
    field = line.split("\t", 1)[0]
    if not is_tag(field):
        raise UserError(f"{path}, line {number}: {line!r} starts with {field!r}; expected an integer tag of 64 bits")
    return int(field)

"""The class of each video as a text file: the contest's result, and the labels of a test set."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from vsim_tf.errors import Refused, UserError, raised
from vsim_tf.io.files import output_file, read_lines
from vsim_tf.records.embeddings import check_same_ids
from vsim_tf.types import PathLike

_LINE = r"([^\s,]+){}([0-9]{{4}})"


def write_categories(path: PathLike, categories: Mapping[str, str], expected_ids: Iterable[str]) -> None:
    """Writes lines `id,category_id` without a header, in the order of the ids that are expected.

    Args:
        path: the file; it appears complete or not at all.
        categories: class of level 2 of each video, four digits.
        expected_ids: those of the test set; neither more nor fewer may be there, each once.

    Raises:
        UserError: a missing, unknown or repeated id, an id or a class that cannot be read back, or a file that cannot be written.
    """
    expected = list(expected_ids)
    check_same_ids(categories, expected, path, "the test set")
    if len(set(expected)) < len(expected):
        raise UserError(f"{path}: the test set has {len(expected)} videos with {len(set(expected))} ids; each must occur once")
    lines = [f"{video}{_separator(path)}{categories[video]}" for video in expected]
    for line in lines:
        _parse(path, line, f"{path}: {line!r}")
    with output_file(path) as file:
        file.write("".join(f"{line}\n" for line in lines).encode())


def read_categories(path: PathLike, expected_ids: Iterable[str] | None = None, refused: Refused = raised) -> dict[str, str]:
    """Reads the class of each video, by its id: lines `id,category_id`, in a .tsv file with a tab between them.

    Args:
        path: the file.
        expected_ids: those of the test set, where known; neither more nor fewer may be there.
        refused: takes an error for each line that cannot be used, which is left out.

    Raises:
        UserError: what `files.read_lines` refuses, a line of another form, an id that is repeated, or ids that differ from those
            expected; with the file, the line number and the line.
    """
    categories: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), 1):
        try:
            video, category = _parse(path, line, f"{path}, line {number}: {line!r}")
            if video in categories:
                raise UserError(f"{path}, line {number}: {line!r} repeats the id {video}")
            categories[video] = category
        except UserError as error:
            refused(error)
    if expected_ids is not None:
        check_same_ids(categories, expected_ids, path, "the test set")
    return categories


def _separator(path: PathLike) -> str:
    return "\t" if Path(path).suffix == ".tsv" else ","


def _parse(path: PathLike, line: str, where: str) -> tuple[str, str]:
    separator = _separator(path)
    match = re.fullmatch(_LINE.format(separator), line)
    if not match:
        between = "a tab" if separator == "\t" else "a comma"
        raise UserError(f"{where} is not an id, {between} and a class of four digits (and no header line)")
    return match[1], match[2]

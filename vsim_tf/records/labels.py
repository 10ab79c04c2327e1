"""Pairs of videos that people scored for similarity."""

import functools
import logging
import math
import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from vsim_tf.errors import Refused, UserError, raised
from vsim_tf.io.files import output_file, read_lines
from vsim_tf.types import PathLike

# `float` alone would also take "nan", "1_0", blanks and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_SEPARATORS = {"\t": "tab", ",": "comma", ";": "semicolon"}
_NO_NUMBERS = {"nan", "inf", "infinity", "none", "null", "na", "n/a"}
"""Words for a score that is not there, which no column is called."""

logger = logging.getLogger(__name__)


class Pair(NamedTuple):
    """Two video ids, as written in the file, and their similarity in [0, 1] (1: the same content)."""

    id_1: str
    id_2: str
    similarity: float


class Scale(NamedTuple):
    """What people could give: the score of videos that have nothing in common, and that of the same content.

    The first may be the higher one, as that of a distance is.
    """

    nothing: float = 0.0
    same: float = 1.0

    def __str__(self) -> str:
        return ":".join(map(_shown, self))

    @property
    def range(self) -> str:
        """The accepted scores in words."""
        return f"a number from {_shown(min(self))} to {_shown(max(self))}"

    def holds(self, score: float) -> bool:
        """Whether a score is one of the scale."""
        return min(self) <= score <= max(self)

    def similarity(self, score: float) -> float:
        """A score as a number in [0, 1]."""
        return (score - self.nothing) / (self.same - self.nothing)


UNIT_SCALE = Scale()


def parse_scale(text: str) -> Scale:
    """ "0:5" to a scale; `UserError` for anything else."""
    ends = text.split(":")
    if len(ends) != 2 or not all(_NUMBER.fullmatch(end) and math.isfinite(float(end)) for end in ends):
        raise UserError(f"scale={text}: two numbers are needed, e.g. 0:5, scores of nothing in common and of the same", ["scale"])
    scale = Scale(*map(float, ends))
    if scale.nothing == scale.same or not math.isfinite(scale.same - scale.nothing):
        raise UserError(f"scale={text}: two different numbers are needed, e.g. 0:5", ["scale"])
    return scale


class Repetitions(NamedTuple):
    """Pairs that a label file has more than once.

    Attributes:
        repeated: number of pairs that repeat an earlier one in the same order.
        reversed: number of pairs that repeat an earlier one with first and second exchanged, and none in the same order.
        conflicting: pairs with different similarities, in whatever order of their two videos, and these similarities.
    """

    repeated: int
    reversed: int
    conflicting: dict[tuple[str, str], list[float]]


def find_repetitions(pairs: Iterable[Pair]) -> Repetitions:
    """What pairs have more than once. All of them train: a repetition weighs more, and a conflict is averaged."""
    repeated = reversed_ = 0
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for id_1, id_2, similarity in pairs:
        if (id_1, id_2) in scores:
            repeated += 1
        elif (id_2, id_1) in scores:
            reversed_ += 1
        scores[id_1, id_2].append(similarity)
    conflicting = {}
    for (id_1, id_2), given in scores.items():
        different = sorted({*given, *scores.get((id_2, id_1), [])})
        if len(different) > 1 and (id_2, id_1) not in conflicting:
            conflicting[id_1, id_2] = different
    return Repetitions(repeated, reversed_, conflicting)


def read_labels(path: PathLike, scale: Scale = UNIT_SCALE) -> list[Pair]:
    """Pairs of a label file in file order: `id_1`, `id_2` and a score, separated by tabs.

    Ids stay strings: they go up to 2^63, may start with zeros, and a float would round them. A first line whose third column is a
    word is a header; one without a tab and with two commas or semicolons means that these separate all columns. Both are logged.
    Between semicolons a score may have a decimal comma, as spreadsheets of many countries write both.

    Args:
        path: the file.
        scale: that of its scores.

    Raises:
        UserError: what `files.read_lines` refuses, a wrong number of columns, an empty id or one with blanks, a score
            that is not a number of the scale, a header alone; with the file, the line number and the line.
    """
    return [pair for _, pair in scan_labels(path, scale)]


def scan_labels(path: PathLike, scale: Scale = UNIT_SCALE, refused: Refused = raised) -> Iterator[tuple[int, Pair]]:
    """Pairs of a label file with the numbers of their lines, from 1 on; see `read_labels`.

    Args:
        path: the file.
        scale: that of its scores.
        refused: takes an error for each line that cannot be used, which is left out.
    """
    lines = read_lines(path)
    separator = _find_separator(lines[0])
    first = 2 if _is_header(lines[0].split(separator)) else 1
    if first > len(lines):
        raise UserError(f"{path}, line 1: {lines[0]!r} is a header, and no line follows")
    if first > 1 or separator != "\t":
        header = f", the header {lines[0]!r} left out" if first > 1 else ""
        _say_once(f"{path}: read with {_SEPARATORS[separator]}s between the columns{header}")
    scored = []
    for number, line in enumerate(lines[first - 1 :], first):
        try:
            scored.append((number, line, _parse_line(path, number, line, separator)))
        except UserError as error:
            refused(error)
    advice = _advice(path, [pair.similarity for *_, pair in scored], scale)
    for number, line, pair in scored:
        if scale.holds(pair.similarity):
            yield number, pair._replace(similarity=scale.similarity(pair.similarity))
        else:
            score = line.rpartition(separator)[2]
            message = f"{path}, line {number}: {line!r} has the similarity {score}; expected {scale.range}{advice}"
            refused(UserError(message, ["scores", "scale", "output"]))
            advice = ""


def write_labels(path: PathLike, pairs: Iterable[Pair]) -> None:
    """Writes a label file with tabs and without a header, which appears complete or not at all.

    Raises:
        UserError: the file cannot be written.
    """
    with output_file(path) as file:
        file.write("".join(f"{id_1}\t{id_2}\t{similarity!r}\n" for id_1, id_2, similarity in pairs).encode())


@functools.cache
def _say_once(message: str) -> None:
    """Logs a message, once in a process: stages read the same file several times."""
    logger.info(message)


def _find_separator(line: str) -> str:
    """What separates the columns of a file with this first line."""
    candidates = "" if "\t" in line else ",;"
    return next((separator for separator in candidates if line.count(separator) == 2), "\t")


def _is_header(fields: list[str]) -> bool:
    """Whether a first line names columns: the third is a word. Ids may be words as well, and tell nothing."""
    return len(fields) == 3 and fields[2][:1].isalpha() and fields[2].lower() not in _NO_NUMBERS


def _advice(path: PathLike, scores: list[float], scale: Scale) -> str:
    """The range of a file's scores, and the command that brings them to [0, 1], for those that are outside of the scale."""
    if all(map(scale.holds, scores)):
        return ""
    found = f". The file has {min(scores)!r} to {max(scores)!r}"
    if scale != UNIT_SCALE:
        return f"{found} (scale={scale})"
    asked = Scale(min(0.0, *scores), max(0.0, *scores))
    command = f"python write_labels.py scores={shlex.quote(os.fspath(path))} scale={asked} output=scaled.tsv"
    return f"{found}; to scale it: {command}"


def _shown(number: float) -> str:
    return repr(number).removesuffix(".0")


def _parse_line(path: PathLike, number: int, line: str, separator: str) -> Pair:
    where = f"{path}, line {number}: {line!r}"
    fields = line.split(separator)
    if len(fields) != 3:
        raise UserError(
            f"{where} has {len(fields)} {_SEPARATORS[separator]}-separated columns; expected 3: id_1, id_2, similarity"
        )
    id_1, id_2, score = fields
    for video_id in (id_1, id_2):
        if len(video_id.split()) != 1 or video_id != video_id.strip():
            raise UserError(f"{where} has the id {video_id!r}; an id is not empty and has no blanks")
    if separator == ";":
        score = score.replace(",", ".", 1)
    if not _NUMBER.fullmatch(score) or math.isinf(float(score)):
        point = " with a decimal point" if "," in score else ""
        raise UserError(f"{where} has the similarity {score!r}; expected a number{point}")
    return Pair(id_1, id_2, float(score))

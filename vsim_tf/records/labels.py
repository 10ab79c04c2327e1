"""Pairs of videos that people scored for similarity."""

import math
import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_lines
from vsim_tf.types import PathLike

# `float` alone would also take "nan", "1_0", blanks and digits of other scripts.
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class Pair(NamedTuple):
    """Two video ids, as written in the file, and their similarity in [0, 1] (1: the same content)."""

    id_1: str
    id_2: str
    similarity: float


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


def read_labels(path: PathLike) -> list[Pair]:
    """Pairs of a `label.tsv` in file order: `id_1`, `id_2`, similarity, separated by tabs, without a header.

    Ids stay strings: they go up to 2^63, may start with zeros, and a float would round them.

    Raises:
        UserError: what `files.read_lines` refuses, a wrong number of columns, an empty id or one with blanks, a score
            that is not a number in [0, 1]; with the file, the line number and the line.
    """
    lines = read_lines(path)
    pairs = [_parse_line(path, number, line) for number, line in enumerate(lines, 1)]
    for number, (line, pair) in enumerate(zip(lines, pairs, strict=True), 1):
        if not 0.0 <= pair.similarity <= 1.0:
            score = line.rpartition("\t")[2]
            raise UserError(
                f"{path}, line {number}: {line!r} has the similarity {score}; expected a number from 0 to 1."
                f" {_how_to_scale(path, [pair.similarity for pair in pairs])}"
            )
    return pairs


def _how_to_scale(path: PathLike, scores: list[float]) -> str:
    """The range of a file's similarities, and the command that brings them to [0, 1]."""
    low, high = min(0.0, *scores), max(0.0, *scores)
    scaled = f"$3 / {high!r}" if low == 0 else f"($3 - {low!r}) / {high - low!r}"
    command = f"awk -F '\\t' -v OFS='\\t' '{{print $1, $2, {scaled}}}' {shlex.quote(os.fspath(path))} > scaled.tsv"
    return f"The file has {min(scores)!r} to {max(scores)!r}; to scale it: {command}"


def _parse_line(path: PathLike, number: int, line: str) -> Pair:
    where = f"{path}, line {number}: {line!r}"
    fields = line.split("\t")
    if len(fields) != 3:
        raise UserError(f"{where} has {len(fields)} tab-separated columns; expected 3: id_1, id_2, similarity")
    id_1, id_2, score = fields
    for video_id in (id_1, id_2):
        if len(video_id.split()) != 1 or video_id != video_id.strip():
            raise UserError(f"{where} has the id {video_id!r}; an id is not empty and has no blanks")
    if not _NUMBER.fullmatch(score) or math.isinf(float(score)):
        raise UserError(f"{where} has the similarity {score!r}; expected a number from 0 to 1 (and no header line)")
    return Pair(id_1, id_2, float(score))

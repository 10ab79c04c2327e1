"""What a check of a data folder finds: figures and histograms of its parts, problems, and notes."""

import os
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from vsim_tf.errors import Refused, UserError
from vsim_tf.types import PathLike

_PLACE = re.compile(r", (record|line) (\d+)(?:, id ([^:,]+))?")
"""Behind the name of the file in a message."""
TENTHS = 10


class Histogram(NamedTuple):
    """How often each value occurs.

    Attributes:
        counts: by value.
        tenths: values are tenths of a number in [0, 1], rounded down; else they are integers from 0 on.
    """

    counts: Mapping[int, int]
    tenths: bool = False

    def total(self) -> int:
        """How many values there are."""
        return sum(self.counts.values())

    def bins(self) -> dict[int, int]:
        """Counts of the bins from the first to the last that is not empty: tenths, or 0, 1, 2, 3-4, 5-8 and so on."""
        found = Counter[int]()
        for value, count in self.counts.items():
            found[value if self.tenths else _bin(value)] += count
        return {number: found[number] for number in range(min(found), max(found) + 1)} if found else {}

    def label(self, number: int) -> str:
        """The name of a bin."""
        if self.tenths:
            return f"{number / TENTHS:.1f}"
        return str(number) if number < 3 else f"{2 ** (number - 2) + 1}-{2 ** (number - 1)}"

    def as_json(self) -> dict[str, int]:
        """Counts by value, ascending."""
        return {self.label(value) if self.tenths else str(value): self.counts[value] for value in sorted(self.counts)}


def _bin(value: int) -> int:
    return (value - 1).bit_length() + 1 if value else 0


class Section(NamedTuple):
    """A part of a data folder: a set of videos, a label file, the classes.

    Attributes:
        name: of the part.
        figures: numbers by what they count.
        histograms: by what is counted.
        categories: videos of each class, where they have one.
    """

    name: str
    figures: Mapping[str, int | float]
    histograms: Mapping[str, Histogram]
    categories: Mapping[str, int] = {}


@dataclass(frozen=True)
class Problem:
    """Something that makes data unusable, or of which models learn something wrong.

    Attributes:
        file: the file or folder.
        message: as scripts say it, with the file, the record or line, and the id.
        fields: settings that the message names, as of `UserError`.
        record: number of the record, from 0 on.
        line: number of the line, from 1 on.
        id: of the video.
    """

    file: str
    message: str
    fields: tuple[str, ...] = ()
    record: int | None = None
    line: int | None = None
    id: str = ""

    def as_json(self) -> dict[str, Any]:
        """All that is known of it."""
        known = {"file": self.file, "record": self.record, "line": self.line, "id": self.id or None, "message": self.message}
        return {name: value for name, value in known.items() if value is not None}


class Findings:
    """Problems and notes as they are found: all problems are counted, of each file the first ones are kept.

    Attributes:
        problems: those that are kept.
        counts: how many there are, by file.
        notes: what is legal, but seldom meant.
        partial: files and folders that were not looked at to their end.
    """

    def __init__(self, most: int):
        """Keeps `most` problems of each file; 0: all."""
        self.problems: list[Problem] = []
        self.counts: Counter[str] = Counter()
        self.notes: list[str] = []
        self.partial: list[str] = []
        self._most = most

    def add(self, error: UserError, file: PathLike, record: int | None = None, video_id: str = "") -> None:
        """Counts a problem of a file; without a number of a record, record or line are those that the message begins with."""
        name, message = os.fspath(file), str(error)
        self.counts[name] += 1
        if self._most and self.counts[name] > self._most:
            return
        line = None
        if record is None and (place := _PLACE.match(message.removeprefix(name))):
            record, line = (int(place[2]), None) if place[1] == "record" else (None, int(place[2]))
            video_id = place[3] or ""
        self.problems.append(Problem(name, message, error.fields, record, line, video_id))

    def refused(self, file: PathLike) -> Refused:
        """What a reader of a file does with a part that it cannot use."""
        return lambda error: self.add(error, file)


class Report(NamedTuple):
    """Outcome of a check.

    Attributes:
        folder: the data folder.
        kind: what it holds, "pairs", "classes" or "annotations".
        sections: its parts.
        problems: the first ones of each file.
        counts: the number of all problems, by file.
        notes: other remarks.
    """

    folder: str
    kind: str
    sections: list[Section]
    problems: list[Problem]
    counts: Mapping[str, int]
    notes: list[str]

    @property
    def num_problems(self) -> int:
        """How many there are, also of those that are not kept."""
        return sum(self.counts.values())

    def as_json(self) -> dict[str, Any]:
        """The whole content."""
        sections = {
            section.name: {
                **section.figures,
                **{name: histogram.as_json() for name, histogram in section.histograms.items()},
                **({"videos of each class": dict(sorted(section.categories.items()))} if section.categories else {}),
            }
            for section in self.sections
        }
        return {
            "folder": self.folder,
            "kind": self.kind,
            "sections": sections,
            "problems": [problem.as_json() for problem in self.problems],
            "number of problems": self.num_problems,
            "notes": self.notes,
        }

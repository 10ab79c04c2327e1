"""The classes of videos: level 2, which models predict, and level 1, of which each is a part (docs/facts_rank8.md 1).

An id has four digits: the first two are its class of level 1, the last two number the classes within that.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from vsim_tf.errors import RecordError, UserError, count_and_first
from vsim_tf.io.files import output_file, read_lines
from vsim_tf.records.annotations import Annotation
from vsim_tf.types import PathLike

CONTEST_SIZES = (9, 5, 9, 6, 6, 3, 3, 6, 6, 8, 4, 6, 6, 12, 4, 10, 11, 9, 7, 6, 16, 24, 24)
"""Classes of level 2 within each of the contest's 23 of level 1."""
_CATEGORY = re.compile(r"[0-9]{4}")
_LEVEL1_DIGITS = 2


@dataclass(frozen=True)
class ClassTable:
    """Classes of level 2 in the order of a model's outputs.

    Attributes:
        ids: of the classes, four digits each, ascending.
    """

    ids: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the ids, hexadecimal: columns of another table mean nothing."""
        return hashlib.sha256("\n".join(self.ids).encode()).hexdigest()

    @cached_property
    def level1(self) -> tuple[str, ...]:
        """Ids of the classes of level 1, two digits each, ascending."""
        return tuple(sorted({category[:_LEVEL1_DIGITS] for category in self.ids}))

    @cached_property
    def parents(self) -> np.ndarray:
        """Index in `level1` of each class's parent, `[classes]` int64."""
        place = {category: index for index, category in enumerate(self.level1)}
        return np.array([place[category[:_LEVEL1_DIGITS]] for category in self.ids], np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {category: index for index, category in enumerate(self.ids)}

    def __contains__(self, category: str) -> bool:
        return category in self._places

    def index(self, category: str) -> int:
        """The index of a class; `UserError` for one that is not in the table."""
        if category not in self._places:
            raise UserError(f"class {category!r} is none of {_listed(self.ids)}")
        return self._places[category]

    def indices(self, annotations: Sequence[Annotation], path: PathLike) -> np.ndarray:
        """Indices of the videos' classes, `[videos]` int64.

        Args:
            annotations: in the order of the file.
            path: the file, for messages.

        Raises:
            RecordError: a class that is not in the table; with the file, the record's number and the id.
        """
        for number, annotation in enumerate(annotations):
            if annotation.category not in self._places:
                where = f"{path}, record {number}, id {annotation.id}"
                raise RecordError(f"{where}: class {annotation.category!r} is none of {_listed(self.ids)}")
        return np.array([self._places[annotation.category] for annotation in annotations], np.int64)


def classes_of(annotations: Iterable[Annotation]) -> ClassTable:
    """The classes that occur among labelled videos."""
    return classes_of_ids(annotation.category for annotation in annotations)


def classes_of_ids(categories: Iterable[str]) -> ClassTable:
    """The classes that occur among some."""
    return ClassTable(tuple(sorted(set(categories))))


def contest_classes() -> ClassTable:
    """The 200 classes of the contest."""
    return ClassTable(tuple(f"{level1:02}{level2:02}" for level1, size in enumerate(CONTEST_SIZES) for level2 in range(size)))


def read_class_table(path: PathLike) -> ClassTable:
    """Reads a file with one class of level 2 per line, in ascending order.

    Raises:
        UserError: what `files.read_lines` refuses, a line that is not four digits, or one that does not ascend; with the file,
            the line number and the line.
    """
    ids = read_lines(path)
    for number, line in enumerate(ids, 1):
        if not _CATEGORY.fullmatch(line):
            raise UserError(f"{path}, line {number}: {line!r} is no class; expected four digits")
        if number > 1 and line <= ids[number - 2]:
            raise UserError(f"{path}, line {number}: {line!r} comes after {ids[number - 2]!r}; classes ascend, each of them once")
    return ClassTable(tuple(ids))


def write_class_table(path: PathLike, table: ClassTable) -> None:
    """Writes what `read_class_table` reads. Raises UserError if the file cannot be written."""
    with output_file(path) as file:
        file.write("".join(f"{category}\n" for category in table.ids).encode())


def _listed(ids: Sequence[str]) -> str:
    return f"the {count_and_first(ids).replace(': ', ' classes ', 1)}"

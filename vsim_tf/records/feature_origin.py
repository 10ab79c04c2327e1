"""Which tower made the features of a file, as the note next to it says that the extraction writes.

Features of two towers mean different things also where they have the same number of values.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_json_object
from vsim_tf.io.paths import extraction_note
from vsim_tf.types import PathLike


class Origin(NamedTuple):
    """A tower that made features.

    Attributes:
        tower: the folder or checkpoint that it was read from.
        sha256: of its weights.
    """

    tower: str
    sha256: str

    @classmethod
    def from_json(cls, value: Any) -> "Origin | None":
        """The tower of a note or of a config.json; None where it names none."""
        if not isinstance(value, Mapping) or not all(isinstance(value.get(name), str) for name in cls._fields):
            return None
        return cls(value["tower"], value["sha256"])

    def to_json(self) -> dict[str, str]:
        return self._asdict()


def origin_of(files: Iterable[PathLike]) -> Origin | None:
    """The tower that made the features of all files; None where no note says it.

    Raises:
        UserError: files of different towers, or a damaged note.
    """
    first: tuple[PathLike, Origin] | None = None
    for file in files:
        if origin := _noted(file):
            first = first or (file, origin)
            require_same_tower(str(first[0]), first[1], str(file), origin)
    return first and first[1]


def require_same_tower(
    one: str,
    of_one: Origin | None,
    other: str,
    of_other: Origin | None,
    advice: str = "make the features of one of them again by the tower of the other",
    fields: Sequence[str] = (),
) -> None:
    """`UserError` where both towers are known and differ.

    Args:
        one, other: what messages call the files or runs.
        of_one, of_other: their towers.
        advice: what to do.
        fields: settings that the advice names.
    """
    if of_one and of_other and of_one.sha256 != of_other.sha256:
        found = f"{one} has those of {of_one.tower}, {other} those of {of_other.tower}"
        raise UserError(f"features of two towers: {found}; {advice}", fields)


def _noted(file: PathLike) -> Origin | None:
    note = extraction_note(file)
    if not note.exists():
        return None
    settings = read_json_object(note).get("settings")
    return Origin.from_json(settings.get("tower")) if isinstance(settings, dict) else None

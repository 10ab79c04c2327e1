"""Tables of videos as people have them: CSV, parquet, a pandas DataFrame, or dicts; one row for each video."""

import csv
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing
from vsim_tf.io.npz import unreadable_reason
from vsim_tf.records.annotations import valid_text
from vsim_tf.records.tags import is_tag, tag_id

ID, TITLE, TAGS, ASR, OCR, CATEGORY, FEATURES, VIDEO = COLUMNS = (
    "id", "title", "tags", "asr", "ocr", "category_id", "features", "video",
)  # fmt: skip
"""Of which the first two are needed; others are not read."""
PARQUET = (".parquet", ".pq")
SEPARATORS = ",\t;"
Table = Any
"""A path, a DataFrame, or mappings from columns to values."""

_CATEGORY = re.compile(r"[0-9]{1,5}")
_IN_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_BETWEEN_TAGS = re.compile("[,;，；、]")
_NUMBER = re.compile(r"[+-]?[\d.]+([eE][+-]?\d+)?")
_EXACT_FLOATS = 2**53
_LISTED = 100
_SHOWN = 60

logger = logging.getLogger(__name__)


class TableVideo(NamedTuple):
    """A video of a table; texts are empty where there are none.

    Attributes:
        id, title, asr, ocr, category: as of `vsim_tf.records.annotations.Annotation`; category: digits of an integer.
        tag_names: tags, integers or words; None: the table has no such column.
        features, video: paths of a file of features, and of a video.
        row: number of the row, from 1 on; a header is not counted.
    """

    id: str
    title: str
    asr: str = ""
    ocr: str = ""
    category: str = ""
    tag_names: tuple[str, ...] | None = None
    features: str = ""
    video: str = ""
    row: int = 0

    @property
    def tags(self) -> tuple[int, ...] | None:
        """Ids of the tags."""
        return None if self.tag_names is None else tuple(map(tag_id, self.tag_names))


class _Cell(Exception):
    """A cell that cannot be used: its column, and why."""

    def __init__(self, column: str, reason: str):
        super().__init__(reason)
        self.column = column


def read_video_table(table: Table) -> list[TableVideo]:
    """The videos of a table in its order.

    Needed are the columns `id` and `title`, which may be empty. `tags` is a list of integers and words, or text with commas
    between them, or with blanks where there are no commas; `category_id` is an integer. Paths in `features` and `video` are
    relative to the folder of the table's file.
    Missing values (None, NaN) are empty.

    Args:
        table: a path of a CSV file (with commas, tabs or semicolons, UTF-8) or of a parquet file (which needs pyarrow); a pandas
            DataFrame; or mappings from columns to values.

    Raises:
        UserError: a file that cannot be read, a missing column, or rows that cannot be used: with file, row, id and column; if
            there are several, all are logged.
    """
    is_file = isinstance(table, str | os.PathLike)
    name, folder = (os.fspath(table), Path(table).parent) if is_file else ("the table", Path())
    columns, rows = _open(table, name)
    _check_columns(columns, name)
    videos, first, faults = [], dict[str, int](), list[str]()
    for number, row in rows:
        if isinstance(row, str):
            faults.append(f"{name}, row {number}: {row}")
            continue
        try:
            video = _video(row, number, folder)
            if first.setdefault(video.id, number) != number:
                raise _Cell(ID, f"is that of row {first[video.id]}, too")
            videos.append(video)
        except _Cell as cell:
            video_id = "" if cell.column == ID else f", id {_text(row.get(ID))}"
            faults.append(f"{name}, row {number}{video_id}, column {cell.column}: {_shown(row.get(cell.column))} {cell}")
    _refuse(faults, name)
    if not videos:
        raise UserError(f"{name}: no rows")
    return videos


def _refuse(faults: Sequence[str], name: str) -> None:
    if len(faults) > 1:
        more = [f"... and {len(faults) - _LISTED:,} more"] if len(faults) > _LISTED else []
        logger.warning("rows that cannot be used:\n" + "\n".join([*faults[:_LISTED], *more]))
        raise UserError(f"{name}: {len(faults):,} rows cannot be used, first: {faults[0]}")
    if faults:
        raise UserError(faults[0])


def _check_columns(columns: Sequence[str], name: str) -> None:
    if missing := [column for column in (ID, TITLE) if column not in columns]:
        raise UserError(
            f"{name}: no column {' and '.join(missing)}; there are {_listed(columns)}; accepted are {', '.join(COLUMNS)},"
            f" of which {ID} and {TITLE} are needed"
        )
    if repeated := sorted({column for column in columns if columns.count(column) > 1}):
        raise UserError(f"{name}: columns of one name: {_listed(repeated)}")
    if others := [column for column in columns if column not in COLUMNS]:
        logger.info(f"{name}: columns that are not read: {_listed(others)}")


def _listed(columns: Sequence[str]) -> str:
    return ", ".join(map(repr, columns)) or "none"


# --- rows -------------------------------------------------------------------------------------------------------------

_Rows = Iterator[tuple[int, Mapping[str, Any] | str]]
"""Numbers with rows, or with what is wrong with the whole row."""


def _open(table: Table, name: str) -> tuple[list[str], _Rows]:
    """Columns, and rows with their numbers."""
    if isinstance(table, str | os.PathLike):
        require_existing(name)
        if os.path.isdir(name):
            raise UserError(f"{name} is a folder; a table is a file")
        return _open_parquet(name) if name.lower().endswith(PARQUET) else _open_csv(name)
    if hasattr(table, "columns") and hasattr(table, "to_dict"):  # pandas
        return list(map(str, table.columns)), _frame_rows(table)
    rows = list(table)
    if wrong := [row for row in rows if not isinstance(row, Mapping)]:
        raise UserError(f"{name}: {_shown(wrong[0])} is no row; a row is a mapping from columns to values")
    return list(dict.fromkeys(column for row in rows for column in row)), enumerate(rows, 1)


def _frame_rows(frame: Any) -> _Rows:
    yield from enumerate(frame.to_dict("records"), 1)


def _open_csv(name: str) -> tuple[list[str], _Rows]:
    """Lines are read as they are asked for; of the characters that may separate columns, the header has one."""
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            first = file.readline()
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error) from None
    separator = max(SEPARATORS, key=first.count)
    rows = _csv_rows(name, separator)
    columns = next(rows, (0, []))[1]
    if not columns:
        raise UserError(f"{name}: no header line with the names of columns")
    return columns, ((number, _cells(columns, row)) for number, row in rows if row)


def _csv_rows(name: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Rows with their numbers, the header as number 0; a blank line has no cells."""
    number = -1
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            for number, row in enumerate(csv.reader(file, delimiter=separator, strict=True)):
                yield number, row
    except UnicodeDecodeError as error:
        raise _not_utf8(name, error) from None
    except csv.Error as error:
        raise UserError(f"{name}, row {number + 1}: not CSV: {error}") from None


def _cells(columns: Sequence[str], row: Sequence[str]) -> dict[str, str] | str:
    if len(row) != len(columns):
        return f"{len(row)} cells; the header has {len(columns)} columns"
    return dict(zip(columns, row, strict=True))


def _not_utf8(name: str, error: UnicodeDecodeError) -> UserError:
    return UserError(f"{name}: holds a byte {error.object[error.start]:#04x} that is not UTF-8; save it as CSV in UTF-8")


def _open_parquet(name: str) -> tuple[list[str], _Rows]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise UserError(f"{name}: pyarrow is not installed; `pip install pyarrow` brings it, and CSV needs nothing") from None
    try:
        file = parquet.ParquetFile(name)
        columns = list(map(str, file.schema_arrow.names))
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{name}: not a readable parquet file: {unreadable_reason(error)}") from None

    def rows() -> _Rows:
        try:
            batches = file.iter_batches(columns=[column for column in columns if column in COLUMNS])
            yield from enumerate((row for batch in batches for row in batch.to_pylist()), 1)
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise UserError(f"{name}: not a readable parquet file: {unreadable_reason(error)}") from None

    return columns, rows()


# --- cells ------------------------------------------------------------------------------------------------------------


def _video(row: Mapping[str, Any], number: int, folder: Path) -> TableVideo:
    texts = {column: valid_text(_text(row.get(column))) for column in (TITLE, ASR, OCR, FEATURES, VIDEO)}
    files = {column: str(folder / texts[column]) if texts[column] else "" for column in (FEATURES, VIDEO)}
    tags = _tags(row[TAGS]) if TAGS in row else None
    return TableVideo(
        _id(row.get(ID)), texts[TITLE], texts[ASR], texts[OCR], _category(row.get(CATEGORY)), tags, row=number, **files
    )


def _is_missing(value: Any) -> bool:
    """None, NaN, or what pandas has for missing values of other types."""
    if isinstance(value, float | np.floating):
        return bool(np.isnan(value))
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def _text(value: Any) -> str:
    return "" if _is_missing(value) else str(value)


def _id(value: Any) -> str:
    if isinstance(value, bool | float | np.floating) or not isinstance(value, str | int | np.integer | type(None)):
        raise _Cell(ID, "is neither text nor an integer")
    text = _text(value)
    if not text or text.split() != [text]:
        raise _Cell(ID, "is no id; an id is not empty and has no blanks")
    if valid_text(text) != text:
        raise _Cell(ID, "is no id; it holds half a character")
    return text


def _integer(value: Any) -> str:
    """The digits of an integer, also of one that a missing value elsewhere in its column has made a float; others as they are."""
    if isinstance(value, float | np.floating) and float(value).is_integer() and abs(float(value)) < _EXACT_FLOATS:
        return str(int(value))
    return "" if isinstance(value, bool) else _text(value).strip()


def _tags(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(map(_tag, _split_tags(value)))
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(_tag, np.asarray(value, object).ravel()))
    return () if _is_missing(value) else (_tag(value),)


def _split_tags(text: str) -> Iterator[str]:
    """Tags between commas or semicolons, and between blanks where there are neither, or integers alone; brackets are left out."""
    in_brackets = _IN_BRACKETS.fullmatch(text.strip())
    listed = in_brackets[1] if in_brackets else text
    for part in _BETWEEN_TAGS.split(listed):
        words = part.split()
        tags = words if part == listed or all(map(is_tag, words)) else [part.strip()]
        yield from (tag.strip("'\"") for tag in tags) if in_brackets else tags


def _tag(value: Any) -> str:
    text = " ".join(valid_text(value if isinstance(value, str) else _integer(value)).split())
    is_word = isinstance(value, str) and text and not _NUMBER.fullmatch(text)
    if not (is_word or is_tag(text)):
        raise _Cell(TAGS, f"has the tag {text!r}; tags are words or integers of 64 bits, with commas or blanks between them")
    return text


def _category(value: Any) -> str:
    text = _integer(value)
    if text and not _CATEGORY.fullmatch(text):
        raise _Cell(CATEGORY, "is no class; four digits are needed, of pairs five")
    return text


def _shown(value: Any) -> str:
    text = valid_text(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

"""Forms in which videos are given to a model, and their ids. TensorFlow is loaded for ids of records alone, pandas never."""

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, TypeGuard, overload

from vsim_tf.errors import UserError
from vsim_tf.types import PathLike

Item: TypeAlias = Mapping[str, Any]
"""A video: `title`, `ocr` and `asr`, and its frames as `frames`, `pictures` or `video`; other keys are ignored."""
Given: TypeAlias = Item | Sequence[Item] | PathLike | Any
"""One item, a list of items, a pandas DataFrame with their keys as columns, or a path or pattern of TFRecord files."""

ID, TITLE, OCR, ASR = "id", "title", "ocr", "asr"
FRAMES, PICTURES, VIDEO = "frames", "pictures", "video"
KEYS = (ID, TITLE, OCR, ASR, FRAMES, PICTURES, VIDEO)


def is_list(value: Any) -> bool:
    """Whether something has a length and places, and is neither text nor a dict."""
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes | Mapping)


def require_list(value: Any, name: str) -> None:
    """`UserError` unless something is a list or behaves like one."""
    if not is_list(value):
        raise UserError(f"{name} is of type {type(value).__name__}; accepted is a list")


def is_path(value: Any) -> TypeGuard[PathLike]:
    """Whether something names a file."""
    return isinstance(value, str | os.PathLike)


def as_items(given: Any) -> Sequence[Item]:
    """The items of a list or of a DataFrame, of which a cell without a value (None, NaN) is a key that is missing.

    Raises:
        UserError: something else.
    """
    require_list(given, "items")
    return _Rows(given) if hasattr(given, "columns") and hasattr(given, "iloc") else given


def ids_of(given: Given) -> list[str]:
    """Ids of videos, in their order.

    Raises:
        UserError: an item without an `id`, or with one that is no text; records that cannot be read.
    """
    if is_path(given):
        from vsim_tf.records.tfrecords import expand_pattern
        from vsim_tf.records.videos import read_ids

        return read_ids(expand_pattern(os.fspath(given)))
    items = [given] if isinstance(given, Mapping) else as_items(given)
    for number in range(len(items)):
        if not isinstance(items[number].get(ID), str):
            raise UserError(f"items[{number}]: {ID!r} is {items[number].get(ID)!r}; accepted is a str")
    return [items[number][ID] for number in range(len(items))]


class _Rows(Sequence[Item]):
    """Rows of a DataFrame."""

    def __init__(self, table: Any):
        self._count = len(table)
        self._columns = {key: (table[key].tolist(), table[key].isna().tolist()) for key in KEYS if key in table.columns}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        if isinstance(place, slice):
            return [self[row] for row in range(self._count)[place]]
        return {key: values[place] for key, (values, missing) in self._columns.items() if not missing[place]}

"""Checks of a Hugging Face folder's config.json, of which transformers checks little."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_type_hints

from vsim_tf.components import Component
from vsim_tf.errors import UserError
from vsim_tf.types import PathLike


def config_file(folder: PathLike) -> Path:
    """The configuration in a folder."""
    return Path(folder, "config.json")


def require_fixed(path: Path, values: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    """`UserError` for a key that has another value than the only one that is supported."""
    for key, accepted in fixed.items():
        if values.get(key) not in (None, accepted):
            raise UserError(f"{path}: {key} is {values[key]!r}, only {accepted!r} is supported")


def require_types(
    path: Path, values: Mapping[str, Any], names: Mapping[str, str], component: type[Component], needed: Collection[str]
) -> None:
    """`UserError` for a key that is missing, or has a value of another type than the component's attribute.

    Args:
        path: the file, for messages.
        values: its content.
        names: keys with the names of attributes.
        component: has them.
        needed: keys that must be there and not be null.
    """
    if missing := [key for key in needed if key not in values]:
        raise UserError(f"{path}: no key {', '.join(missing)}")
    types = get_type_hints(component)
    for key, name in names.items():
        if key in needed or values.get(key) is not None:
            _require_type(path, key, values[key], types[name])


def _require_type(path: Path, key: str, value: Any, needed: type) -> None:
    if needed is bool:
        fits, accepted = isinstance(value, bool), "true or false"
    elif needed is int:
        fits, accepted = type(value) is int and value > 0, "an integer above 0"
    else:
        fits, accepted = type(value) in (int, float) and 0 <= value < 1, "a number from 0 to 1"
    if not fits:
        raise UserError(f"{path}: {key} is {value!r}; {accepted} is needed")

"""Components: frozen dataclasses that are their own configuration, registry entry and factory.

A family is a base class, an entry a subclass with a name:

    class Pooling(Component): ...
    class AttentionPooling(Pooling, name="attention"):
        hidden: int = 64

The JSON form of an entry names it, `{"type": "attention", "hidden": 64}`; that of a component without a family is its fields
alone. Values and nested components are checked when one is made, and a dotted path changes one value.
"""

import contextlib
import dataclasses
import json
import math
import types
import typing
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Self, dataclass_transform

from vsim_tf.errors import UserError

LARGEST = 2**31 - 1
"""Largest integer of a configuration: more does not fit the 32 bits of seeds and shapes."""
TYPE = "type"


@dataclass_transform(frozen_default=True, kw_only_default=True)
class Component:
    """Base of all families and of all plain configurations; every subclass becomes a frozen dataclass.

    Class attributes:
        type_name: registered name of an entry; empty for a family and for a plain configuration.
        entries: the entries of the family by name.
    """

    type_name: ClassVar[str] = ""
    entries: ClassVar[dict[str, type["Component"]]] = {}

    def __init_subclass__(cls, name: str = "", **options: Any) -> None:
        super().__init_subclass__(**options)
        if Component in cls.__bases__:
            cls.entries = {}
        cls.type_name = name
        dataclasses.dataclass(frozen=True, kw_only=True)(cls)
        if name:
            known = cls.entries.setdefault(name, cls)
            if known is not cls and (known.__module__, known.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(f"{cls.__name__}: the name {name!r} is taken by {known.__name__}")
            cls.entries[name] = cls

    @classmethod
    def family(cls) -> type["Component"]:
        """The base class of the family."""
        return next(base for base in cls.__mro__ if Component in base.__bases__)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: plain dictionaries, lists, numbers and strings."""
        values = {field.name: _plain(getattr(self, field.name)) for field in _fields(type(self))}
        return {TYPE: self.type_name} | values if self.type_name else values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The component of a JSON form.

        Raises:
            UserError: an unknown type or key with what is accepted, a missing key, or a value of another type; its `fields` are
                paths from this component.
        """
        entry = cls._entry(values)
        given = {key: value for key, value in values.items() if key != TYPE or not entry.type_name}
        hints = _hints(entry)
        unknown = sorted(given.keys() - hints.keys())
        missing = sorted(_required(entry) - given.keys())
        label = f"{entry.family().__name__} {entry.type_name!r}" if entry.type_name else entry.__name__
        if unknown or missing:
            accepted = f"; accepted: {', '.join(hints) or 'none'}" if unknown else ""
            raise UserError(f"{label}: unknown keys {unknown}, missing keys {missing}{accepted}", [*unknown, *missing])
        return entry(**{key: _below(key, _read, value, hints[key], f"{label}: {key}") for key, value in given.items()})

    @classmethod
    def _entry(cls, values: Mapping[str, Any]) -> type[Self]:
        if not cls.entries or cls.type_name:
            return cls
        name = values.get(TYPE)
        if not isinstance(name, str) or name not in cls.entries:
            raise UserError(f"{cls.__name__} {name!r}: accepted are {', '.join(cls.entries)}", [TYPE])
        return typing.cast("type[Self]", cls.entries[name])

    def replace(self, changes: Mapping[str, Any] | None = None, /, **fields: Any) -> Self:
        """A copy with the values at dotted paths changed, and with those fields changed that are not None.

        Args:
            changes: values by path, as JSON has them, e.g. `{"pooling.padding": False}`; all are changed before any is checked.
            fields: new values of fields.

        Raises:
            UserError: a path that does not exist, with what exists there, or a value that does not fit.
        """
        new = {name: value for name, value in fields.items() if value is not None}
        hints = _hints(type(self))
        for name, below in by_first_name(changes or {}).items():
            require(name in hints, f"there is no {name!r} here; there are {', '.join(hints)}", name)
            new[name] = _below(name, _changed, getattr(self, name), hints[name], below)
        return dataclasses.replace(self, **new)  # type: ignore[type-var]  # every subclass is a dataclass

    def has(self, path: str) -> bool:
        """Whether there is a value at a dotted path."""
        return path in self.paths()

    def paths(self, prefix: str = "") -> dict[str, Any]:
        """Every value by its dotted path, those of components and of what is below them."""
        found: dict[str, Any] = {}
        for field in _fields(type(self)):
            value = getattr(self, field.name)
            found[prefix + field.name] = value
            for key, item in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(item, Component):
                    below = ".".join(part for part in (field.name, key) if part)
                    found |= {prefix + below: item} | item.paths(f"{prefix}{below}.")
        return found

    def require_positive(self, *names: str) -> None:
        """`UserError` for a field that is no integer above 0."""
        for name in names:
            value = getattr(self, name)
            fits = isinstance(value, int) and 0 < value <= LARGEST
            require(fits, f"{name}={value!r}: an integer above 0 and up to {LARGEST} is needed", name)

    def require_fraction(self, *names: str) -> None:
        """`UserError` for a field outside [0, 1)."""
        for name in names:
            value = getattr(self, name)
            require(0 <= value < 1, f"{name}={value!r}: a number from 0 up to, not including, 1 is needed", name)

    def require_probability(self, *names: str) -> None:
        """`UserError` for a field outside (0, 1)."""
        for name in names:
            value = getattr(self, name)
            require(0 < value < 1, f"{name}={value!r}: a probability above 0 and below 1 is needed", name)

    def require_finite(self, *names: str) -> None:
        """`UserError` for a field that is negative, infinite or NaN."""
        for name in names:
            value = getattr(self, name)
            require(0 <= value < math.inf, f"{name}={value!r}: a number from 0 is needed", name)

    def require_one_of(self, name: str, accepted: Collection[str]) -> None:
        """`UserError` for a field with a value that is not among those accepted."""
        value = getattr(self, name)
        require(value in accepted, f"{name}={value!r}: accepted are {', '.join(accepted)}", name)


def require(condition: bool, message: str, *fields: str) -> None:
    """`UserError` with these fields unless the condition holds."""
    if not condition:
        raise UserError(message, fields)


@contextlib.contextmanager
def fields_below(path: str) -> Iterator[None]:
    """Fields of errors in the block get the path that they are below, which ends with a dot."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error), [path + field for field in error.fields]) from None


def parse_value(text: str) -> Any:
    """A value of a command line: JSON where it is, else the text itself."""
    try:
        return json.loads(text, parse_constant=lambda name: name)
    except ValueError:
        return text


def _below(name: str, function: Any, *arguments: Any) -> Any:
    """Calls a function; the fields of its errors get the path of what they are below."""
    try:
        return function(*arguments)
    except UserError as error:
        raise UserError(str(error), [f"{name}.{field}" for field in error.fields] or [name]) from None


def _fields(cls: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(cls)


def _hints(cls: type) -> dict[str, Any]:
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in _fields(cls)}


def _required(cls: type) -> set[str]:
    missing = dataclasses.MISSING
    return {field.name for field in _fields(cls) if field.default is missing and field.default_factory is missing}


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.to_dict()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, tuple | list) else value


def _read(value: Any, kind: Any, label: str) -> Any:
    """A value of a JSON form as the type of its field."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        kinds = [item for item in arguments if item is not type(None)]
        return None if value is None and len(kinds) < len(arguments) else _read(value, kinds[0], label)
    if origin is dict and isinstance(value, Mapping):
        return {key: _below(key, _read, item, arguments[1], f"{label}.{key}") for key, item in value.items()}
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_read(item, arguments[0], label) for item in value)
    if origin is None and isinstance(kind, type) and issubclass(kind, Component):
        if isinstance(value, kind):
            return value
        if isinstance(value, str) and value in kind.entries:
            return kind.from_dict({TYPE: value})
        if isinstance(value, Mapping):
            return kind.from_dict(value)
    elif (kind is float and type(value) in (int, float)) or type(value) is kind or kind is Any:
        return value
    accepted = f"; accepted: {', '.join(kind.entries)}" if hasattr(kind, "entries") and kind.entries else ""
    raise UserError(f"{label} is {value!r}, {_kind_name(kind)} is needed{accepted}")


def _kind_name(kind: Any) -> str:
    names = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def by_first_name(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Changes by the first part of their paths; what is changed itself has the path ""."""
    grouped: dict[str, dict[str, Any]] = {}
    for path, value in changes.items():
        name, _, rest = path.partition(".")
        grouped.setdefault(name, {})[rest] = value
    return grouped


def _changed(current: Any, kind: Any, changes: dict[str, Any]) -> Any:
    if "" in changes:
        current = _read(changes.pop(""), kind, "the value")
    if not changes:
        return current
    if isinstance(current, Component):
        return current.replace(changes)
    require(isinstance(current, Mapping), f"there is nothing below this value, {current!r}", next(iter(changes)))
    new = dict(current)
    for name, below in by_first_name(changes).items():
        require(name in current, f"there is no {name!r} here; there are {', '.join(current)}", name)
        new[name] = _below(name, _changed, current[name], typing.get_args(kind)[1], below)
    return new

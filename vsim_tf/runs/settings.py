"""Whether the settings in a run folder are those asked for, and the error that says what differs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from vsim_tf.errors import UserError

FREE_TO_CHANGE = ("training.val_batch_size", "training.remat")
"""Settings with which a run may resume though they changed: only rounding depends on them, and memory may ask for it."""
FEATURES_BY = "features_by"
"""In a run's data: the tower whose features it was trained on, where that is known."""
LONGEST = 40
"""Longer values are cut in messages."""
_TOWER = f"data.{FEATURES_BY}."


class Difference(NamedTuple):
    """A setting, by its path in config.json, with its value there and the one asked for; None where there is none."""

    path: str
    there: Any
    asked: Any

    def __str__(self) -> str:
        there, asked = _shown(self.there, self.asked)
        return f"{self.path}: {there} there, {asked} asked for"


def differences(found: dict[str, Any], wanted: dict[str, Any]) -> list[Difference]:
    """Differences between the settings in a folder and those asked for, both complete and as JSON has them; by path."""
    there, asked = _flat(found), _flat(wanted)
    paths = sorted(path for path in there | asked if there.get(path) != asked.get(path))
    same_tower = _same_tower(there, asked)
    return [
        Difference(path, there.get(path), asked.get(path))
        for path in paths
        if path not in FREE_TO_CHANGE and not (same_tower and path.startswith(_TOWER))
    ]


def _same_tower(there: dict[str, Any], asked: dict[str, Any]) -> bool:
    """Whether the tower of the features is the same, wherever it lies, or not known."""
    checksums = [values.get(f"{_TOWER}sha256") for values in (there, asked)]
    return None in checksums or checksums[0] == checksums[1]


def other_settings(folder: Path, kind: str, differing: Sequence[Difference]) -> UserError:
    """The error for a folder whose run has other settings; the first three are named."""
    changes = "; ".join(map(str, differing[:3])) + (f"; and {len(differing) - 3} more" if len(differing) > 3 else "")
    return UserError(
        f"{folder} holds a run with other settings. {changes}. To keep that run give another output_dir; to replace it"
        " remove the folder, or give overwrite=True",
        fields=[*(difference.path for difference in differing[:3]), "output_dir", f"{kind}.overwrite"],
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return flat


def _shown(there: Any, asked: Any) -> tuple[str, str]:
    """Both values, short enough for a message: of lists of files the first that differs."""
    if isinstance(there, list) and isinstance(asked, list) and len(there) != len(asked):
        return f"{len(there)} files", f"{len(asked)} files"
    if isinstance(there, list) and isinstance(asked, list):
        there, asked = next((pair for pair in zip(there, asked, strict=True) if pair[0] != pair[1]), (there, asked))
    return _short(there), _short(asked)


def _short(value: Any) -> str:
    if isinstance(value, dict) and value.keys() >= {"name", "bytes"}:
        return f"{value['name']} of {value['bytes']} bytes"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."

"""A golden file, and the comparison of its results with computed ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.errors import UserError


class Tolerance(NamedTuple):
    """The largest difference that passes, in units of `scale(expected)` (a number, or one for each element)."""

    limit: float
    scale: Callable[[np.ndarray], Any]


def _largest(expected: np.ndarray, **options: Any) -> Any:
    return np.max(np.abs(expected), initial=0.0, **options)


def absolute(limit: float) -> Tolerance:
    """|difference|."""
    return Tolerance(limit, lambda expected: 1.0)


def scaled(limit: float) -> Tolerance:
    """|difference| / max(1, largest |value| of the array)."""
    return Tolerance(limit, lambda expected: max(1.0, _largest(expected)))


def scaled_by_row(limit: float) -> Tolerance:
    """|difference| / max(1, largest |value| of the row), for arrays with a few rows of enormous numbers."""
    return Tolerance(limit, lambda expected: np.maximum(1.0, _largest(expected, axis=-1, keepdims=True)))


def to_largest(limit: float) -> Tolerance:
    """|difference| / largest |value| of the array."""
    return Tolerance(limit, _largest)


def relative(limit: float) -> Tolerance:
    """|difference| / |value|, element by element."""
    return Tolerance(limit, np.abs)


EXACT = absolute(0.0)


class Comparison(NamedTuple):
    """One array, computed and expected.

    Attributes:
        name: the array's name in the file.
        absolute: largest |difference|, infinite where shapes differ or a number is not finite.
        relative: `absolute` by the largest |value| expected.
        used: largest difference as a share of the tolerance; up to 1 passes.
    """

    name: str
    absolute: float
    relative: float
    used: float


def _ratio(difference: np.ndarray, scale: Any) -> float:
    """The largest difference / scale, where 0 / 0 is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.max(np.where(difference == 0, 0.0, difference / scale), initial=0.0))


def compare(name: str, actual: Any, expected: Any, tolerance: Tolerance) -> Comparison:
    """Compares two arrays in float64; a number that is not finite on either side differs from everything."""
    actual, expected = np.asarray(actual, "float64"), np.asarray(expected, "float64")
    if actual.shape != expected.shape:
        return Comparison(name, np.inf, np.inf, np.inf)
    finite = np.isfinite(actual) & np.isfinite(expected)
    difference = np.where(finite, np.abs(np.where(finite, actual, 0) - np.where(finite, expected, 0)), np.inf)
    units = _ratio(difference, tolerance.scale(expected))
    used = units / tolerance.limit if tolerance.limit else _ratio(np.array(units), 0.0)
    return Comparison(name, _ratio(difference, 1.0), _ratio(difference, _largest(expected)), used)


class GoldenFile:
    """A golden file that is being checked.

    Attributes:
        path: of the .json.
        case: what the file is about; the last part of the file's name where the .json does not say it.
        about: everything in the .json.
        arrays: everything in the .npz; empty without one.
        comparisons: the results so far.
    """

    def __init__(self, path: Path):
        self.path = path
        self.about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.case: str = self.about.get("case") or path.stem.split("_", 2)[-1]
        self.arrays: dict[str, np.ndarray] = {}
        self.comparisons: list[Comparison] = []
        self._dealt_with: set[str] = set()
        if path.with_suffix(".npz").exists():
            # a file that is no archive would be left open by np.load
            with open(path.with_suffix(".npz"), "rb") as data, np.load(data, allow_pickle=False) as arrays:
                self.arrays = dict(arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.arrays:
            raise UserError(f"{self.path.with_suffix('.npz').name} has no array {name}")
        return self.arrays[name]

    @property
    def config(self) -> dict[str, Any]:
        """Sizes of the models and schedules."""
        config: dict[str, Any] = self.about["config"]
        return config

    def under(self, prefix: str) -> dict[str, np.ndarray]:
        """The arrays whose name starts with `prefix`, by the rest of their name."""
        return {name.removeprefix(prefix): a for name, a in self.arrays.items() if name.startswith(prefix)}

    def check(
        self, name: str, actual: Any, tolerance: Tolerance, of: Callable[[np.ndarray], Any] = lambda expected: expected
    ) -> None:
        """Compares a computed value with `of` the file's array `name`."""
        self._dealt_with.add(name)
        self.comparisons.append(compare(name, actual, of(self[name]), tolerance))

    def check_equal(self, name: str, actual: Any, expected: Any) -> None:
        """Compares values that are no arrays of the file."""
        difference = 0.0 if actual == expected else np.inf
        self.comparisons.append(Comparison(name, difference, difference, difference))

    def leave_out(self, *names: str) -> None:
        """Says of arrays that they are not to be compared."""
        self._dealt_with.update(names)

    def unchecked(self) -> list[str]:
        """Results of the file that no comparison has touched."""
        inputs = {name for name in self.arrays if name.startswith("w/") or "in" in name.split("/")[:2]}
        return [name for name in self.arrays if name not in inputs | self._dealt_with]

    def require_all_checked(self) -> None:
        """Raises `UserError` with the results that were not compared, so that none is passed over in silence."""
        if not self.comparisons or self.unchecked():
            raise UserError(f"{len(self.unchecked())} results were not compared: {', '.join(self.unchecked()[:5])}")


Case = Callable[[GoldenFile], None]
"""What compares the results of one kind of file."""

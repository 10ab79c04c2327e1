"""Learning curves of a run, as its metrics.jsonl has them."""

import math
from pathlib import Path
from typing import Any

from vsim_tf.io.files import read_json_lines

LARGEST_STEP = 2**53
"""Steps from here on are no steps of a run, and none that can be drawn."""

Curve = list[tuple[int, float]]
"""Step and value, where there is one."""


def validation_name(metric: str) -> str:
    """The key of a metric that is measured while a model trains."""
    return f"validation/{metric}"


def validation_curve(path: Path, metric: str = "spearman") -> list[float]:
    """A metric of each evaluation in a run's metrics.jsonl, NaN where it is not defined; empty where there is no such file."""
    return [_number(line[key]) for line in _lines(path) if (key := validation_name(metric)) in line]


def read_curve(path: Path, key: str) -> Curve:
    """Values of a key of metrics.jsonl by step, without those that are not defined; empty where there is no such file."""
    values = [(line.get("step"), _number(line.get(key))) for line in _lines(path)]
    return [(step, value) for step, value in values if type(step) is int and 0 <= step < LARGEST_STEP and math.isfinite(value)]


def _lines(path: Path) -> list[dict[str, Any]]:
    return read_json_lines(path) if path.exists() else []


def _number(value: Any) -> float:
    try:
        return float(value) if type(value) in (int, float) else math.nan
    except OverflowError:  # JSON has integers of any size
        return math.inf

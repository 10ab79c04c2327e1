"""Wall time and memory of the stages of a run, as the run script notes them in timings.tsv."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_lines
from vsim_tf.io.paths import TIMINGS
from vsim_tf.types import PathLike


class Timing(NamedTuple):
    """A stage.

    Attributes:
        stage: its name.
        seconds: wall time.
        peak_bytes: most memory that one of its processes had; 0 where that is not known.
    """

    stage: str
    seconds: float
    peak_bytes: float = 0.0

    def line(self) -> str:
        """What `read_timings` reads."""
        return f"{self.stage}\t{round(self.seconds)}\t{round(self.peak_bytes)}\n"


def read_timings(path: PathLike) -> list[Timing]:
    """Reads lines `stage<tab>seconds`, or `stage<tab>seconds<tab>bytes`.

    A stage that was interrupted and continued has several lines; its times are added up, and its memory is the largest.

    Raises:
        UserError: the file cannot be read, or a line is not of that form; names file and line.
    """
    stages: dict[str, Timing] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, *texts = line.split("\t")
        numbers = [_number(text) for text in texts]
        if not name or len(numbers) not in (1, 2) or not all(0 <= value < math.inf for value in numbers):
            raise UserError(f"{path}, line {number}: {line!r}; accepted is a stage, a tab, and seconds, or also a tab and bytes")
        before, now = stages.get(name, Timing(name, 0.0)), Timing(name, *numbers)
        stages[name] = Timing(name, before.seconds + now.seconds, max(before.peak_bytes, now.peak_bytes))
    return list(stages.values())


def timings_of(output_dir: Path) -> list[Timing]:
    """The timings that an output folder has; `UserError` as in `read_timings`."""
    return read_timings(output_dir / TIMINGS) if (output_dir / TIMINGS).exists() else []


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def timing_table(stages: Sequence[Timing]) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of stages and their total; memory is left out where none is known."""
    total = Timing("total", math.fsum(stage.seconds for stage in stages), max((stage.peak_bytes for stage in stages), default=0))
    columns = 3 if total.peak_bytes else 2
    return ["stage", "time", "memory of the largest process"][:columns], [row[:columns] for row in map(_row, (*stages, total))]


def _row(timing: Timing) -> list[str]:
    return [timing.stage, format_seconds(timing.seconds), format_bytes(timing.peak_bytes) if timing.peak_bytes else ""]


def format_seconds(seconds: float) -> str:
    """Returns `4.2 s`, `3 min 05 s` or `2 h 01 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def format_bytes(size: float) -> str:
    """Returns `950 MB` or `1.3 GB`."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"

"""How far a run is, from its settings and the end of its log; for those who watch it."""

import json
import os
from pathlib import Path

from vsim_tf.io.paths import CONFIG, METRICS_FILE, SUMMARY

TAIL = 1 << 14
"""Bytes at the end of the log, which hold its last lines."""

OF_STEPS = "of_steps"
"""In the summary of a run that ended early: the number of steps that it was asked for."""


def made_steps(folder: Path, of_steps: int) -> int:
    """How many of its steps a run has made; all of them where it ended early."""
    try:
        if json.loads((folder / SUMMARY).read_bytes())[OF_STEPS] == of_steps:
            return of_steps
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return min(logged_step(folder), of_steps)


def logged_step(folder: Path) -> int:
    """The last step in the log of a run folder; 0 where there is none yet, or none that can be read."""
    try:
        with open(folder / METRICS_FILE, "rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
            lines = file.read().splitlines()
        steps = [json.loads(line)["step"] for line in lines[-2:] if line.startswith(b"{") and line.endswith(b"}")]
        return max(map(int, steps), default=0)
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def total_steps(folder: Path) -> int:
    """How many steps a run folder asks for; 0 where there is none yet, or none that can be read."""
    try:
        return int(json.loads((folder / CONFIG).read_bytes())["training"]["total_steps"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0

"""Rows of the table, and measurements taken in turn."""

import time
from collections.abc import Callable

import numpy as np

HEADER = "| work | measured | compared with | ratio |\n|---|---:|---:|---:|"


def row(work: str, measured: str, compared: str, ratio: float):
    """Prints one row of the table."""
    print(f"| {work} | {measured} | {compared} | {ratio:.2f} |", flush=True)


def seconds(work: Callable) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def in_turn(rounds: int, **measures: Callable[[], float]) -> dict[str, np.ndarray]:
    """What each measure returns in each round, `[rounds]`.

    The machine's speed drifts: what is compared is measured one right after the other, and ratios are taken round by round.
    """
    values = {name: [] for name in measures}
    for _ in range(rounds):
        for name, measure in measures.items():
            values[name].append(measure())
    return {name: np.array(each) for name, each in values.items()}


def median(values: np.ndarray) -> float:
    """The median over rounds."""
    return float(np.median(values))

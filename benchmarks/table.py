"""Rows of the table, and medians of runs taken in turn."""

import statistics
import time
from collections.abc import Callable

HEADER = "| work | measured | beside | ratio |\n|---|---:|---:|---:|"


def row(work: str, measured: str, beside: str, ratio: float):
    """Prints one row of the table."""
    print(f"| {work} | {measured} | {beside} | {ratio:.2f} |", flush=True)


def seconds(work: Callable) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def medians(works: dict[str, Callable], repeats: int) -> dict[str, float]:
    """Median seconds of each piece of work, run in turn so that the noise of the machine meets all alike."""
    times = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            times[name].append(seconds(work))
    return {name: statistics.median(values) for name, values in times.items()}

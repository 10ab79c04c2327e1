"""How far a run is, while it trains."""

import logging
import time
from collections.abc import Callable

from tqdm import tqdm

SECONDS = 600.0
"""Between two messages where there is no bar."""

logger = logging.getLogger(__name__)


class RunProgress:
    """A bar on stderr where that is a terminal, else a message every ten minutes; use it in a `with` block.

    Args:
        label: of the run.
        start: completed steps.
        total: all steps.
    """

    def __init__(self, label: str, start: int, total: int):
        self.label, self.total, self.said = label, total, time.monotonic()
        self.bar = tqdm(total=total, initial=start, desc=label, unit="step", disable=None)

    def __enter__(self) -> "RunProgress":
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def note(self, step: int, numbers: Callable[[], dict[str, str]]) -> None:
        """Shows that a step is complete, with numbers that are asked for if they are shown: reading them waits for the device."""
        if self.bar.update():
            self.bar.set_postfix(numbers())
        elif self.bar.disable and time.monotonic() - self.said >= SECONDS:
            self.said = time.monotonic()
            shown = ", ".join(f"{name} {value}" for name, value in numbers().items())
            logger.info(f"{self.label}: step {step:,} of {self.total:,}, {shown}")

"""Which frames of a video are used."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from vsim_tf.errors import UserError

_ROUNDING = Fraction(1, 2000)
"""Files may give times in milliseconds, so that a frame says to begin half a millisecond after it does."""


@dataclass(frozen=True)
class Sampling:
    """All frames, so many a second, or so many spread over the video.

    Attributes:
        fps: frames a second: those that are shown at 0, 1/fps, 2/fps, ... seconds after the first one, each once.
        count: frames spread over the video, the middle one of each of `count` equal parts; all of a video that has no more.
        first: so many of the above at most, the first ones.
    """

    fps: float | None = None
    count: int | None = None
    first: int | None = None

    def __post_init__(self) -> None:
        if self.fps is not None and self.count is not None:
            raise UserError(f"fps={self.fps}, count={self.count}: one of both is needed", ["fps", "count"])
        if self.fps is not None and not (0 < self.fps < math.inf):
            raise UserError(f"fps={self.fps}: a number above 0 is needed", ["fps"])
        for name, value in (("count", self.count), ("max_frames", self.first)):
            if value is not None and value < 1:
                raise UserError(f"{name}={value}: an integer above 0 is needed", [name])

    def choose(self, times: Sequence[int] | Sequence[Fraction], tick: Fraction = Fraction(1)) -> list[int]:
        """Numbers of the frames that are used, ascending.

        Args:
            times: ascending times of all frames in ticks.
            tick: seconds.
        """
        return self._all_chosen(times, tick)[: self.first]

    def _all_chosen(self, times: Sequence[int] | Sequence[Fraction], tick: Fraction) -> list[int]:
        if self.count is not None:
            return spread(len(times), self.count)
        if self.fps is not None and times:
            return _at_rate(
                [time * tick for time in times], Fraction(str(self.fps))
            )  # 0.1 is meant, not the nearest binary number
        return list(range(len(times)))


def spread(frames: int, count: int) -> list[int]:
    """Frames in the middle of `count` equal parts of a video, or all of one that has no more than `count`.

    Part i of n frames has its middle at (i + 0.5)·n / count; frame j takes the place from j to j + 1 and has its own at j + 0.5,
    so that the nearest one is (i + 0.5)·n / count − 0.5, rounded half to even.
    """
    if frames <= count:
        return list(range(frames))
    return [round(Fraction((2 * i + 1) * frames, 2 * count) - Fraction(1, 2)) for i in range(count)]


def _at_rate(times: Sequence[Fraction], fps: Fraction) -> list[int]:
    """Frames that are shown at a moment k / fps after the first one begins; the last one as long as the one before it."""
    begins = [time - times[0] - _ROUNDING for time in times]
    last = begins[-1] + (begins[-1] - begins[-2] if len(begins) > 1 else 1)
    return [j for j, (begin, end) in enumerate(itertools.pairwise([*begins, last])) if math.ceil(begin * fps) / fps < end]

"""Parts of a batch that are treated differently in one step (docs/facts_rank8.md 5.1)."""

from typing import TYPE_CHECKING

from vsim_tf.lazy import tf
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.records.schema import VideoBatch

ALL, NO_FRAMES, NO_TEXT, JOINT = PARTS = ("all", "no_frames", "no_text", "joint")


def bounds(part: str, rows: int) -> tuple[int, int]:
    """First row of a part of a batch, and the one behind its last.

    Of B rows the first B//4//2 are to be seen without frames, the others of the first B//4 without text, the rest with both.
    """
    quarter = rows // 4
    limits = {ALL: (0, rows), NO_FRAMES: (0, quarter // 2), NO_TEXT: (quarter // 2, quarter), JOINT: (quarter, rows)}
    return limits[part]


def rows_of(part: str, batch: "VideoBatch", draw: "Draw") -> Tensor:
    """Which videos of a batch, or of its part that is at hand, belong to a part: `[batch]` booleans."""
    first, end = bounds(part, draw.whole[0])
    rows = draw.first_row + tf.range(tf.shape(batch.num_frames)[0])
    return (rows >= first) & (rows < end)


def target(name: str, part: str) -> str:
    """The key of a target of a task that takes a part."""
    return name if part == ALL else f"{name}/{part}"

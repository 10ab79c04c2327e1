"""What to do when memory runs out."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from vsim_tf.errors import UserError


@contextlib.contextmanager
def enough_memory(purpose: str, *flags: str) -> Iterator[None]:
    """Turns running out of memory inside the block into a `UserError` that says which flags to lower.

    Args:
        purpose: what the memory is for.
        flags: those that decide how much is needed, the first one first.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        reason = (str(getattr(error, "message", error)).splitlines() or ["MemoryError"])[0]
        raise UserError(f"not enough memory {purpose}: lower {', '.join(flags)} ({reason})") from error

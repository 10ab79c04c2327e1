"""How much memory there is, and what to do when it runs out."""

import contextlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import tensorflow as tf

from vsim_tf.errors import UserError

MEMINFO, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup")


def available_memory() -> int:
    """Bytes of the host's memory that may still be taken, within a container's limit; 0 where the system does not say."""
    return min([_number(MEMINFO, "MemAvailable:") * 1024, *_left_in_container()])


def _left_in_container() -> list[int]:
    limit, current = (_text(CONTAINER / f"memory.{name}").strip() for name in ("max", "current"))
    if not (limit.isdecimal() and current.isdecimal()):  # "max": no limit
        return []
    return [max(int(limit) - int(current) + _number(CONTAINER / "memory.stat", "inactive_file"), 0)]  # cached files give way


def _number(path: Path, name: str) -> int:
    match = re.search(rf"^{name}\s+(\d+)", _text(path), re.MULTILINE)
    return int(match[1]) if match else 0


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


@contextlib.contextmanager
def enough_memory(purpose: str, *settings: str, fields: Sequence[str] = ()) -> Iterator[None]:
    """Turns running out of memory inside the block into a `UserError` that says which settings to lower.

    Args:
        purpose: what the memory is for.
        settings: those that decide how much is needed, with their values, the first one first.
        fields: their names, as `UserError` takes them.
    """
    try:
        yield
    except (tf.errors.ResourceExhaustedError, MemoryError) as error:
        reason = (str(getattr(error, "message", error)).splitlines() or ["MemoryError"])[0]
        raise UserError(f"not enough memory {purpose}: lower {', '.join(settings)} ({reason})", fields) from error

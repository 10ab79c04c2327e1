"""How a script ends early: errors that a person can fix (one line, exit code 2), and signals (128 and the signal's number)."""

import errno
import os
import re
import signal
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias


class UserError(Exception):
    """A mistake in what was given: the message says what was given, what is accepted, and which flag or file to change.

    Args:
        message: one line.
        fields: settings that the message names, by their path in config.json, and arguments, by their names; there they stand as
            the whole path, or as the last part of it before "=". Scripts name the flags instead (`vsim_tf.cli.setting_flags`).
    """

    def __init__(self, message: str, fields: Sequence[str] = ()):
        super().__init__(message)
        self.fields = tuple(fields)


class RecordError(UserError):
    """A record that cannot be used: the message names the file, the record's number (from 0) and the video's id."""


Refused: TypeAlias = Callable[[UserError], None]
"""What a reader does with a part of a file that cannot be used: `raised`, or it is noted and left out."""


def raised(error: UserError) -> None:
    """Raises the error, so that reading ends."""
    raise error


class Stopped(Exception):
    """SIGTERM or Ctrl-C ended the work in good order."""

    def __init__(self, number: signal.Signals, message: str):
        super().__init__(f"stopped by {number.name}: {message}")
        self.exit_code = 128 + number


def count_and_first(ids: Collection[Any]) -> str:
    """Returns a count with the first five ids for an error message: `7: a, b, c, d, e, ...`."""
    return f"{len(ids)}: {', '.join(str(item) for item in list(ids)[:5])}{', ...' if len(ids) > 5 else ''}"


def system_reason(error: Exception) -> str:
    """Returns why reading or writing failed in the system's words, e.g. `No space left on device`.

    TensorFlow wraps them: `{{function_node ...}} FILE; No space left on device [Op:SaveV2]`. Where the system says nothing, the
    first line of the error is returned without such marks.
    """
    text = (isinstance(error, OSError) and error.strerror) or getattr(error, "message", None) or str(error)
    said = [words for words in map(os.strerror, errno.errorcode) if f"; {words}" in text]
    lines = re.sub(r"\{\{.*?\}\} ?| ?\[Op:.*?\]", "", text).splitlines()
    return max(said, key=len) if said else (lines or [type(error).__name__])[0]

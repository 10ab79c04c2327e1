"""How a script ends early: errors that a person can mend (one line, exit code 2), and signals (128 and the signal's number)."""

import signal
from collections.abc import Collection, Sequence
from typing import Any


class UserError(Exception):
    """A mistake in what was given: the message says what was given, what is accepted, and which flag or file to change.

    Args:
        message: one line.
        fields: settings that the message names, by their path in config.json; there they stand as the whole path, or as the last
            part of it before "=". Scripts name the flags instead (`vsim_tf.setting_flags`).
    """

    def __init__(self, message: str, fields: Sequence[str] = ()):
        super().__init__(message)
        self.fields = tuple(fields)


class RecordError(UserError):
    """A record that cannot be used: the message names the file, the record's number (from 0) and the video's id."""


class Stopped(Exception):
    """SIGTERM or Ctrl-C ended the work in good order."""

    def __init__(self, number: signal.Signals, message: str):
        super().__init__(f"stopped by {number.name}: {message}")
        self.exit_code = 128 + number


def count_and_first(ids: Collection[Any]) -> str:
    """Returns a count with the first five ids for an error message: `7: a, b, c, d, e, ...`."""
    return f"{len(ids)}: {', '.join(str(item) for item in list(ids)[:5])}{', ...' if len(ids) > 5 else ''}"

"""What the library logs, on the console of a script."""

import contextlib
import logging
import sys
from collections.abc import Iterator

from vsim_tf.cli.setting_flags import with_flags


class _Console(logging.Handler):
    """Messages on stdout, warnings as `warning: ...` on stderr. What cannot be written raises an error, as `print` does.

    Settings that a record names in its `fields`, as `UserError` does, become flags.
    """

    def emit(self, record: logging.LogRecord) -> None:
        message = with_flags(record.getMessage(), getattr(record, "fields", ()))
        if record.levelno < logging.WARNING:
            print(message, flush=True)
        else:
            print("warning:", message, file=sys.stderr, flush=True)


@contextlib.contextmanager
def shown_messages() -> Iterator[None]:
    """Shows the library's messages inside the block, and there alone: no other handler repeats them."""
    logger, handler = logging.getLogger("vsim_tf"), _Console()
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


@contextlib.contextmanager
def warnings_alone() -> Iterator[None]:
    """Shows no other messages of the library inside the block: stdout is for results that programs read."""
    logger = logging.getLogger("vsim_tf")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(level)

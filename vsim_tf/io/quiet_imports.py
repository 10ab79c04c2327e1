"""Importing TensorFlow without what its libraries write to stderr."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator

LOADING_NOTES = (b"before absl::InitializeLog()", b"oneDNN custom operations are on", b"cudart_stub", b"failed call to cuInit")
"""What TensorFlow says on stderr while it is loaded, and nobody needs."""

LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Holds back what TensorFlow's libraries write to stderr while they are loaded; no setting of theirs stops it.

    All other text is passed on when the block ends. Unless TF_CPP_MIN_LOG_LEVEL is set, TensorFlow is quiet later as well.
    """
    os.environ.setdefault(LOG_LEVEL, "3")  # what goes wrong raises an error too; 2 complains of float16 alone
    kept = os.dup(2)
    with _without_collector(), tempfile.TemporaryFile() as buffer:
        os.dup2(buffer.fileno(), 2)
        try:
            yield
            if "tensorflow" in sys.modules:  # looks for GPUs now, and says here that there is none
                sys.modules["tensorflow"].config.list_physical_devices("GPU")
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            buffer.seek(0)
            lines = (line for line in buffer if not any(note in line for note in LOADING_NOTES))
            os.write(2, b"".join(lines))


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Looking for garbage among what TensorFlow loads, which stays for good, takes a third of loading.

    Where TensorFlow is there already, the collector and what it looks after are left alone.
    """
    if "tensorflow" in sys.modules:
        yield
        return
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if "tensorflow" in sys.modules:
            gc.freeze()
        if enabled:
            gc.enable()

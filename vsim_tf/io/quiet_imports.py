"""Importing TensorFlow without what its libraries write to stderr."""

import contextlib
import gc
import os
import sys
import tempfile
from collections.abc import Iterator

LOADING_NOTES = (b"before absl::InitializeLog()", b"oneDNN custom operations are on", b"cudart_stub", b"failed call to cuInit")
"""What TensorFlow says on stderr while it is loaded, and nobody needs."""


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Holds back what TensorFlow's libraries write to stderr while they are loaded; no setting of theirs stops it.

    All other text is passed on when the block ends.
    """
    kept = os.dup(2)
    gc.disable()  # looking for garbage among what is loaded, which stays for good, takes a third of loading
    with tempfile.TemporaryFile() as buffer:
        os.dup2(buffer.fileno(), 2)
        try:
            yield
            if "tensorflow" in sys.modules:  # looks for GPUs now, and says here that there is none
                sys.modules["tensorflow"].config.list_physical_devices("GPU")
        finally:
            gc.freeze()
            gc.enable()
            os.dup2(kept, 2)
            os.close(kept)
            buffer.seek(0)
            lines = (line for line in buffer if not any(note in line for note in LOADING_NOTES))
            os.write(2, b"".join(lines))

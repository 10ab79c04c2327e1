"""The bar of a whole plan, on a terminal."""

import contextlib
import io
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

from tqdm import tqdm

from vsim_tf.launch.progress import Progress, about

SECONDS = 1.0
"""Between two drawings."""
FORMAT = "{desc} {percentage:3.0f}%|{bar}| {n:.0f}/{total} runs, {elapsed}{postfix}"


@contextlib.contextmanager
def shown(progress: Progress) -> Iterator[None]:
    """Draws how far a plan is below all other output of this process; nothing where stdout is no terminal."""
    if not sys.stdout.isatty():
        yield
        return
    ended = threading.Event()
    with tqdm(file=sys.stdout, bar_format=FORMAT, leave=False, dynamic_ncols=True, total=progress.runs()[1]) as bar:
        thread = threading.Thread(target=_draw, args=(bar, progress, ended), daemon=True)
        above = [_Above(bar, stream) for stream in (sys.stdout, sys.stderr)]
        with contextlib.redirect_stdout(above[0]), contextlib.redirect_stderr(above[1]):
            thread.start()
            try:
                yield
            finally:
                ended.set()
                thread.join()


def _draw(bar: "tqdm[Any]", progress: Progress, ended: threading.Event) -> None:
    while not ended.wait(SECONDS):
        with bar.get_lock():
            bar.n, bar.total = progress.runs()
            bar.set_description_str(progress.title(), refresh=False)
            bar.set_postfix_str(about(progress.seconds_left()), refresh=False)
            bar.refresh(nolock=True)


class _Above(io.TextIOBase):
    """A stream whose lines come to stand above a bar: each is written when it is whole."""

    def __init__(self, bar: "tqdm[Any]", stream: TextIO):
        self._bar, self._stream, self._begun = bar, stream, ""

    def write(self, text: str) -> int:
        with self._bar.get_lock():
            lines, newline, self._begun = (self._begun + text).rpartition("\n")
            if newline:
                self._bar.clear(nolock=True)
                self._stream.write(lines + newline)
                self._stream.flush()
                self._bar.refresh(nolock=True)
        return len(text)

    def isatty(self) -> bool:
        return self._stream.isatty()

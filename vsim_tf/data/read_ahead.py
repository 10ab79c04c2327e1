"""Reading in a thread of its own while what was read before is used."""

import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], chunk: int, chunks_ahead: int = 2) -> Iterator[Item]:
    """The same items in the same order, drawn by another thread, a bounded number of them ahead.

    Args:
        items: drawn by one thread alone; what they raise is raised here.
        chunk: items drawn at a time.
        chunks_ahead: so many chunks are held at most.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1) as thread:

        def draw():
            return thread.submit(lambda: list(itertools.islice(source, chunk)))

        pending = deque(draw() for _ in range(chunks_ahead))
        while drawn := pending.popleft().result():
            pending.append(draw())
            yield from drawn

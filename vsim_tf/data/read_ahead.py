"""Reading and other work in threads of their own while what was made before is used."""

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


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


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int) -> Iterator[Result]:
    """The function's result of each item, in the order of the items, computed by threads ahead of their use.

    Args:
        function: called by several threads at once; what it raises is raised in the place of its result.
        items: drawn by the user's thread; may have no end.
        threads: how many calls run at once.
        ahead: results begun or held at most.
    """
    source = iter(items)
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        pending = deque(pool.submit(function, item) for item in itertools.islice(source, ahead))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in itertools.islice(source, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)

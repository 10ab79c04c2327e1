"""Reading and other work in threads of their own while what was made before is used."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

Item = TypeVar("Item")


def read_ahead(items: Iterable[Item], chunk: int, chunks_ahead: int = 2) -> Generator[Item, None, None]:
    """The same items in the same order, drawn by another thread, a bounded number of them ahead.

    Args:
        items: drawn by one thread alone; what they raise is raised here.
        chunk: items drawn at a time.
        chunks_ahead: so many chunks are held at most.
    """
    source = iter(items)
    with ThreadPoolExecutor(max_workers=1) as thread:

        def draw() -> Future[list[Item]]:
            return thread.submit(lambda: list(itertools.islice(source, chunk)))

        pending = deque(draw() for _ in range(chunks_ahead))
        while drawn := pending.popleft().result():
            pending.append(draw())
            yield from drawn


class Ahead(Generic[Item]):
    """A function of integers whose next values are computed by threads before they are asked for.

    Called with n, it gives `function(n)`, and has `function(n + 1)`, `function(n + 2)`, ... begun. Whoever asks in another order
    gets the same values, only later.

    Args:
        function: called by several threads at once; what it raises is raised where its value is asked for.
        threads: how many calls run at once.
        ahead: how many values are begun or held.
        end: the function is defined below it; None: for all integers from 0 on.
    """

    def __init__(self, function: Callable[[int], Item], threads: int, ahead: int, end: int | None = None):
        self._function, self._ahead, self._end = function, ahead, end
        self._pool = ThreadPoolExecutor(threads)
        self._lock = threading.Lock()
        self._begun: dict[int, Future[Item]] = {}

    def __call__(self, n: int) -> Item:
        with self._lock:
            for other in [m for m in self._begun if abs(m - n) > self._ahead]:  # begun for somebody who has gone elsewhere
                self._begun.pop(other).cancel()
            end = n + 1 + self._ahead
            for m in range(n, end if self._end is None else min(end, self._end)):
                if m not in self._begun:
                    self._begun[m] = self._pool.submit(self._function, m)
            future = self._begun.pop(n)
        return future.result()

"""Concurrent requests computed together: one thread owns the model, and gives each request its rows."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple, TypeAlias

from vsim_tf.inference.given import Item

Rows: TypeAlias = Any
"""One result for each item, in their order: a list or an array."""
Compute: TypeAlias = Callable[[Sequence[Item]], Rows]


class _Job(NamedTuple):
    kind: str
    items: Sequence[Item]
    future: Future[Rows]
    arrived: float


class Batcher:
    """Collects the items of requests, and computes those that wait at the same time by one call. Use it in a `with` block.

    A request is never divided. Requests that have waited while others were computed are taken at once, so that waiting costs
    time only where the model has nothing to do. At the end of the block everything that waits is computed.

    Args:
        compute: kind of result -> what makes it.
        max_batch: items of a call; one request may have more.
        max_wait: seconds that the first request of a call waits for others.
    """

    def __init__(self, compute: Mapping[str, Compute], max_batch: int, max_wait: float):
        self.compute, self.max_batch, self.max_wait = compute, max_batch, max_wait
        self._jobs: deque[_Job] = deque()
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="batcher", daemon=True)

    def __enter__(self) -> "Batcher":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def submit(self, kind: str, items: Sequence[Item]) -> Future[Rows]:
        """The rows of a request, later; one that is cancelled while it waits is not computed."""
        future: Future[Rows] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher is closed")
            self._jobs.append(_Job(kind, items, future, time.monotonic()))
            self._changed.notify_all()
        return future

    def waiting(self) -> int:
        """Items that are not yet being computed."""
        with self._changed:
            return self._count()

    def _count(self) -> int:
        return sum(len(job.items) for job in self._jobs)

    def _work(self) -> None:
        while jobs := self._next():
            for kind in dict.fromkeys(job.kind for job in jobs):
                self._run(kind, [job for job in jobs if job.kind == kind and job.future.set_running_or_notify_cancel()])

    def _next(self) -> list[_Job]:
        """Requests for one call, as soon as they are enough or have waited; none once the block has ended."""
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return []
            left = self._jobs[0].arrived + self.max_wait - time.monotonic()
            self._changed.wait_for(lambda: self._closed or self._count() >= self.max_batch, max(left, 0))
            jobs = [self._jobs.popleft()]
            total = len(jobs[0].items)
            while self._jobs and (total := total + len(self._jobs[0].items)) <= self.max_batch:
                jobs.append(self._jobs.popleft())
            return jobs

    def _run(self, kind: str, jobs: Sequence[_Job]) -> None:
        """Computes requests together; if that fails, each by itself, so that one cannot fail the others."""
        if not jobs:
            return
        try:
            rows = self.compute[kind]([item for job in jobs for item in job.items])
        except Exception as error:  # whatever it is, the thread lives on, and the request says it
            if len(jobs) == 1:
                jobs[0].future.set_exception(error)
                return
            for job in jobs:
                self._run(kind, [job])
            return
        start = 0
        for job in jobs:
            job.future.set_result(rows[start : start + len(job.items)])
            start += len(job.items)

"""SIGTERM and Ctrl-C while a run trains: it saves its state once more, then ends."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

import tensorflow as tf

from vsim_tf.distributed.cluster import workers
from vsim_tf.io.interrupts import received_before


class StopAsked(Exception):
    """Raised by a signal where no state is being changed."""


class StopSignals:
    """Takes SIGTERM and SIGINT inside a `with` block; the second one ends the process as if there were no such block.

    Enter it after the strategy is made: MultiWorkerMirroredStrategy takes SIGTERM for itself.

    Attributes:
        received: the signal, None before it.
    """

    def __init__(self, strategy: tf.distribute.Strategy):
        self.received: signal.Signals | None = None
        self._strategy, self._interruptible = strategy, False
        self._before: dict[signal.Signals, Any] = {}
        self._asked_anywhere = tf.function(self._sum_of_workers, autograph=False)

    def __enter__(self) -> "StopSignals":
        if threading.current_thread() is threading.main_thread():  # no other thread may set handlers
            self._before = {number: signal.signal(number, self._receive) for number in (signal.SIGTERM, signal.SIGINT)}
            if received_before(self._before[signal.SIGINT]):
                self.received = signal.SIGINT
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.received = signal.Signals(number)
        self.__exit__()
        if self._interruptible:
            raise StopAsked

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """A block that a signal ends at once, by `StopAsked`; not with several workers, which must stop at the same step."""
        self._interruptible = not workers()
        try:
            if self.received and self._interruptible:
                raise StopAsked
            yield
        finally:
            self._interruptible = False

    def asked(self) -> bool:
        """Whether to stop now. All workers get the same answer, and must ask at the same step."""
        if not workers():
            return self.received is not None
        asked = bool(self._asked_anywhere(tf.constant(float(self.received is not None))) > 0)
        if asked:
            self.received = self.received or signal.SIGTERM  # which another worker has got
        return asked

    def _sum_of_workers(self, value: tf.Tensor) -> tf.Tensor:
        def add(value: tf.Tensor) -> tf.Tensor:
            context = tf.distribute.get_replica_context()
            return context.all_reduce(tf.distribute.ReduceOp.SUM, tf.identity(value))  # which has a device

        return self._strategy.experimental_local_results(self._strategy.run(add, args=(value,)))[0]

"""In which order records become batches."""

import functools
from collections.abc import Callable

import numpy as np

WINDOW_BATCHES = 16
"""Records are sorted by length within so many batches before they are dealt into batches."""

Lengths = Callable[[np.ndarray], np.ndarray]
"""How much of a batch the records of some numbers need."""


def permutation(count: int, *seeds: int) -> np.ndarray:
    """The numbers below `count` in an order that the seeds alone decide, `[count]` int64.

    Sorted are raw bits, which NumPy promises to stay the same in all its versions; it does not promise that of its own shuffle.
    """
    bits = np.random.PCG64(np.random.SeedSequence(seeds)).random_raw(count)
    return np.argsort(bits, kind="stable")


class TrainingOrder:
    """Record numbers of the batch of a step, `[batch]`, for any step from 0 on.

    An epoch is a permutation of all records, of which the remainder behind the last whole batch is dropped.

    Args:
        count: number of records.
        batch_size: records of a batch, at most `count`.
        seed: of the order.
        lengths: sort the records of each window by it, and take the window's batches in random order; None: do not sort.
    """

    def __init__(self, count: int, batch_size: int, seed: int, lengths: Lengths | None):
        self.count, self.batch_size, self.seed, self.lengths = count, batch_size, seed, lengths
        self.steps_per_epoch = count // batch_size
        self._epochs, self._windows = functools.lru_cache(1)(self._epoch), functools.lru_cache(2)(self._window)

    def __call__(self, step: int) -> np.ndarray:
        epoch, step = divmod(step, self.steps_per_epoch)
        if self.lengths is None:
            batch: np.ndarray = self._epochs(epoch)[step]
            return batch
        window, step = divmod(step, WINDOW_BATCHES)
        batch = self._windows(epoch, window)[step]
        return batch

    def _epoch(self, epoch: int) -> np.ndarray:
        order = permutation(self.count, self.seed, epoch)[: self.steps_per_epoch * self.batch_size]
        return order.reshape(-1, self.batch_size)

    def _window(self, epoch: int, window: int) -> np.ndarray:
        assert self.lengths is not None
        numbers = self._epochs(epoch)[window * WINDOW_BATCHES : (window + 1) * WINDOW_BATCHES]
        batches = _sorted(numbers.ravel(), self.lengths).reshape(numbers.shape)
        order = permutation(len(batches), self.seed, epoch, window + 1)  # 0 would give the seeds of the epoch
        shuffled: np.ndarray = batches[order]
        return shuffled


class EvaluationOrder:
    """Record numbers of each batch when all records are read once: in order, or sorted in each window if `lengths` is given."""

    def __init__(self, count: int, batch_size: int, lengths: Lengths | None):
        self.count, self.batch_size, self.lengths = count, batch_size, lengths
        self._windows = functools.lru_cache(2)(self._window)

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __call__(self, batch: int) -> np.ndarray:
        window, batch = divmod(batch, WINDOW_BATCHES)
        return self._windows(window)[batch * self.batch_size : (batch + 1) * self.batch_size]

    def _window(self, window: int) -> np.ndarray:
        size = WINDOW_BATCHES * self.batch_size
        numbers = np.arange(window * size, min((window + 1) * size, self.count))
        return numbers if self.lengths is None else _sorted(numbers, self.lengths)


def _sorted(numbers: np.ndarray, lengths: Lengths) -> np.ndarray:
    return numbers[np.argsort(lengths(numbers), kind="stable")]

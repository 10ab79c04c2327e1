"""In which order records become batches."""

import itertools
from collections.abc import Callable, Iterator

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


def training_order(count: int, batch_size: int, seed: int, start_step: int, lengths: Lengths | None) -> Iterator[np.ndarray]:
    """Record numbers of each batch from a step on, `[batch]` each, without end.

    An epoch is a permutation of all records, of which the remainder behind the last whole batch is dropped.

    Args:
        count: number of records.
        batch_size: records of a batch.
        seed: of the order.
        start_step: the first batch; those before it cost nothing.
        lengths: sort the records of each window by it, and take the window's batches in random order; None: do not sort.
    """
    steps = count // batch_size
    epoch, first = divmod(start_step, steps)
    for epoch in itertools.count(epoch):
        batches = permutation(count, seed, epoch)[: steps * batch_size].reshape(steps, batch_size)
        yield from batches[first:] if lengths is None else _by_length(batches, first, (seed, epoch), lengths)
        first = 0


def _by_length(batches: np.ndarray, first: int, seeds: tuple[int, int], lengths: Lengths) -> Iterator[np.ndarray]:
    window, inside = divmod(first, WINDOW_BATCHES)
    for window in range(window, -(-len(batches) // WINDOW_BATCHES)):
        numbers = batches[window * WINDOW_BATCHES : (window + 1) * WINDOW_BATCHES]
        in_order = _sorted(numbers.ravel(), lengths).reshape(numbers.shape)
        yield from in_order[permutation(len(numbers), *seeds, window + 1)][inside:]  # 0 would give the seeds of the epoch
        inside = 0


def evaluation_order(count: int, batch_size: int, lengths: Lengths | None) -> Iterator[np.ndarray]:
    """Record numbers of each batch of all records once: in order, or sorted within each window if `lengths` is given."""
    window = batch_size if lengths is None else batch_size * WINDOW_BATCHES
    for start in range(0, count, window):
        numbers = np.arange(start, min(start + window, count))
        numbers = numbers if lengths is None else _sorted(numbers, lengths)
        yield from np.split(numbers, range(batch_size, len(numbers), batch_size))


def _sorted(numbers: np.ndarray, lengths: Lengths) -> np.ndarray:
    return numbers[np.argsort(lengths(numbers), kind="stable")]

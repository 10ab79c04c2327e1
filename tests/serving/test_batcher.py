"""Requests that wait at the same time are computed together, and none can harm another."""

import threading
from concurrent.futures import CancelledError

import numpy as np
import pytest

from vsim_tf.serving.batcher import Batcher

KIND = "doubled"


class Doubling:
    """Twice each item, but for an item that fails; calls wait for `gate`."""

    def __init__(self):
        self.calls, self.gate, self.entered = [], threading.Event(), threading.Event()
        self.gate.set()

    def __call__(self, items):
        self.entered.set()
        assert self.gate.wait(60)
        self.calls.append(list(items))
        if "bad" in items:
            raise ValueError("bad")
        return np.array([2 * item for item in items])


@pytest.fixture
def compute():
    return Doubling()


@pytest.fixture
def batcher(compute):
    with Batcher({KIND: compute}, max_batch=4, max_wait=0) as started:
        yield started


@pytest.fixture
def busy(batcher, compute):
    """A batcher whose thread computes something until the gate is opened, so that all else waits."""
    compute.gate.clear()
    first = batcher.submit(KIND, [0])
    assert compute.entered.wait(60)
    yield batcher
    compute.gate.set()
    assert first.result(60).tolist() == [0]


def results(futures):
    return [future.result(60).tolist() for future in futures]


def test_a_request_gets_its_rows(batcher):
    assert batcher.submit(KIND, [1, 2, 3]).result(60).tolist() == [2, 4, 6]
    assert batcher.waiting() == 0


def test_what_waits_is_computed_together(busy, compute):
    futures = [busy.submit(KIND, items) for items in ([1], [2, 3], [4], [5])]
    assert busy.waiting() == 5
    compute.gate.set()
    assert results(futures) == [[2], [4, 6], [8], [10]]
    assert compute.calls == [[0], [1, 2, 3, 4], [5]]  # of four items at most


def test_a_request_is_never_divided(busy, compute):
    futures = [busy.submit(KIND, items) for items in ([1, 2, 3], [4, 5], [6, 7, 8, 9, 10], [11])]
    compute.gate.set()
    assert results(futures) == [[2, 4, 6], [8, 10], [12, 14, 16, 18, 20], [22]]
    assert compute.calls == [[0], [1, 2, 3], [4, 5], [6, 7, 8, 9, 10], [11]]


def test_a_request_waits_for_others(compute):
    """For ten minutes, unless there are enough."""
    with Batcher({KIND: compute}, max_batch=2, max_wait=600) as patient:
        assert results([patient.submit(KIND, [1]), patient.submit(KIND, [2])]) == [[2], [4]]
        last = patient.submit(KIND, [3])  # the end of the block does not wait either
    assert last.result(0).tolist() == [6]
    assert compute.calls == [[1, 2], [3]]


def test_a_request_that_fails_fails_alone(busy, compute):
    futures = [busy.submit(KIND, items) for items in ([1], ["bad"], [2])]
    compute.gate.set()
    assert futures[0].result(60).tolist() == [2] and futures[2].result(60).tolist() == [4]
    with pytest.raises(ValueError, match="bad"):
        futures[1].result(60)
    assert busy.submit(KIND, [3]).result(60).tolist() == [6]


def test_a_request_that_is_cancelled_is_not_computed(busy, compute):
    futures = [busy.submit(KIND, [number]) for number in (1, 2)]
    assert futures[0].cancel()
    compute.gate.set()
    assert futures[1].result(60).tolist() == [4]
    with pytest.raises(CancelledError):
        futures[0].result(60)
    assert compute.calls == [[0], [2]]


def test_kinds_are_computed_apart(compute):
    others = Doubling()
    compute.gate.clear()
    with Batcher({KIND: compute, "other": others}, max_batch=9, max_wait=0) as both:
        first = both.submit(KIND, [0])
        assert compute.entered.wait(60)
        futures = [both.submit(kind, [number]) for number, kind in enumerate((KIND, "other", KIND), 1)]
        compute.gate.set()
        assert results([first, *futures]) == [[0], [2], [4], [6]]
    assert (compute.calls, others.calls) == ([[0], [1, 3]], [[2]])


def test_the_end_of_the_block_computes_what_waits(compute):
    compute.gate.clear()
    with Batcher({KIND: compute}, max_batch=1, max_wait=0) as batcher:
        futures = [batcher.submit(KIND, [number]) for number in range(4)]
        compute.gate.set()
    assert results(futures) == [[0], [2], [4], [6]]
    with pytest.raises(RuntimeError, match="closed"):
        batcher.submit(KIND, [1])

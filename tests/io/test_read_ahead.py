"""Items drawn ahead by another thread are the same items, and no more are drawn than said."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.io.read_ahead import Ahead, read_ahead


@given(count=st.integers(0, 50), chunk=st.integers(1, 9), ahead=st.integers(1, 4))
def test_the_same_items_in_the_same_order(count, chunk, ahead):
    assert list(read_ahead(range(count), chunk, ahead)) == list(range(count))


def test_no_more_are_drawn_than_the_chunks_ahead():
    drawn = []

    def items():
        for number in range(100):
            drawn.append(number)
            yield number

    ahead = read_ahead(items(), chunk=5, chunks_ahead=2)
    assert next(ahead) == 0
    ahead.close()  # waits for what has been begun
    assert len(drawn) <= 15


def test_what_drawing_raises_is_raised():
    def items():
        yield from range(7)
        raise OSError("no more")

    ahead = read_ahead(items(), chunk=3)
    assert [next(ahead) for _ in range(6)] == list(range(6))
    with pytest.raises(OSError, match="no more"):
        next(ahead)


def test_no_thread_is_left():
    before = threading.active_count()
    assert next(read_ahead(range(1000), chunk=2)) == 0
    assert threading.active_count() == before


@given(asked=st.lists(st.integers(0, 9), max_size=12), threads=st.integers(1, 3), ahead=st.integers(0, 4))
def test_values_do_not_depend_on_who_asks_for_which(asked, threads, ahead):
    squares = Ahead(lambda n: n * n, threads, ahead, end=10)
    assert [squares(n) for n in asked] == [n * n for n in asked]


def test_values_are_begun_before_they_are_asked_for_and_no_more_than_said():
    begun, go_on = [], threading.Event()

    def value(n):
        begun.append(n)
        assert n == 0 or go_on.wait(10)
        return n

    values = Ahead(value, threads=2, ahead=3, end=5)
    assert values(0) == 0
    while len(begun) < 3:
        time.sleep(0.001)
    assert sorted(begun) == [0, 1, 2]  # two threads
    go_on.set()
    assert [values(n) for n in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert sorted(begun) == [0, 1, 2, 3, 4]


def test_what_a_value_raises_is_raised_where_it_is_asked_for():
    values = Ahead(lambda n: 6 // (2 - n), threads=1, ahead=3)
    assert [values(0), values(1)] == [3, 6]
    with pytest.raises(ZeroDivisionError):
        values(2)
    assert values(3) == -6


def test_threads_end_with_their_function():
    before = set(threading.enumerate())
    values = Ahead(lambda n: n, threads=2, ahead=1)
    values(0)
    own = set(threading.enumerate()) - before
    assert own
    del values
    for thread in own:
        thread.join(10)
        assert not thread.is_alive()

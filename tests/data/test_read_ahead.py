"""Items drawn ahead by another thread are the same items, and no more are drawn than said."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.data.read_ahead import read_ahead


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

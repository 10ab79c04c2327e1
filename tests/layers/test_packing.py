"""Packing: which positions remain, in which order, and that gathered states are theirs."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.layers.packing import packed_positions, take_positions


def test_positions_by_hand():
    mask = np.array([[1, 1, 0, 0, 1, 0], [1, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0]])
    assert packed_positions(mask).numpy().tolist() == [[0, 1, 4], [0, 4, 5], [0, 1, 2]]


@given(st.integers(1, 5).flatmap(lambda width: st.lists(st.lists(st.integers(0, 1), min_size=width, max_size=width), min_size=1)))
def test_real_positions_come_first_and_none_is_lost(rows):
    mask = np.array(rows)
    order = packed_positions(mask).numpy()
    assert order.shape == (len(mask), mask.sum(axis=1).max())
    for row, positions in zip(mask, order, strict=True):
        real = np.flatnonzero(row)
        assert positions[: len(real)].tolist() == real.tolist()
        assert not row[positions[len(real) :]].any()


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_states_follow_their_positions(dtype):
    states = np.random.default_rng(0).standard_normal((3, 6, 4)).astype(dtype)
    order = np.array([[0, 1, 4], [0, 4, 5], [5, 1, 2]])
    expected = np.stack([rows[places] for rows, places in zip(states, order, strict=True)])
    np.testing.assert_array_equal(take_positions(states, order), expected)

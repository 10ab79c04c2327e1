"""The order of records is a permutation that the seed and the epoch decide, in any version of NumPy."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input import order
from vsim_tf.input.order import EvaluationOrder, TrainingOrder, permutation


def test_a_permutation_is_the_same_for_ever():
    assert permutation(8, 42, 0).tolist() == [4, 1, 3, 6, 0, 7, 2, 5]


@given(count=st.integers(0, 60), seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=3))
def test_every_number_once(count, seeds):
    assert sorted(permutation(count, *seeds).tolist()) == list(range(count))


@given(st.integers(1, 50), st.integers(1, 8), st.booleans(), st.integers(0, 40))
def test_an_epoch_is_a_permutation_without_its_remainder(count, batch_size, bucket, step):
    batch_size = min(count, batch_size)
    lengths = (lambda numbers: numbers % 5) if bucket else None
    batches = TrainingOrder(count, batch_size, 7, lengths)
    steps = count // batch_size
    epoch = np.concatenate([batches(step // steps * steps + i) for i in range(steps)])
    assert len(np.unique(epoch)) == len(epoch) == steps * batch_size
    np.testing.assert_array_equal(TrainingOrder(count, batch_size, 7, lengths)(step), batches(step))


def test_windows_are_sorted_and_their_batches_mixed(monkeypatch):
    monkeypatch.setattr(order, "WINDOW_BATCHES", 4)
    lengths, batches = lambda numbers: numbers // 3, TrainingOrder(64, 4, 1, lambda numbers: numbers // 3)
    firsts = []
    for window in range(4):
        means = [lengths(batches(4 * window + i)).mean() for i in range(4)]
        ranges = sorted((lengths(batches(4 * window + i)).min(), lengths(batches(4 * window + i)).max()) for i in range(4))
        assert all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
        firsts.append(np.argmin(means))
    assert len(set(firsts)) > 1


def test_only_the_window_of_a_step_is_measured():
    asked = []
    batches = TrainingOrder(64, 2, 1, lambda numbers: asked.append(len(numbers)) or numbers)
    batches(32 * 5 + 17)
    assert asked == [32]  # the second window of epoch 5, none before it


@pytest.mark.parametrize("lengths", [None, lambda numbers: -numbers])
def test_evaluation_takes_every_record_once(lengths, monkeypatch):
    monkeypatch.setattr(order, "WINDOW_BATCHES", 2)
    batches = EvaluationOrder(9, 2, lengths)
    assert len(batches) == 5
    expected = [[3, 2], [1, 0], [7, 6], [5, 4], [8]] if lengths else [[0, 1], [2, 3], [4, 5], [6, 7], [8]]
    assert [batches(i).tolist() for i in range(5)] == expected

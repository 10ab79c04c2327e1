"""Data sets that are read together, in turn, and one after the other."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input.order import TrainingOrder
from vsim_tf.input.phased_order import PhasedOrder

FIRST, SECOND, THIRD = np.arange(0, 7), np.arange(7, 10), np.arange(10, 15)


def batches(order, steps) -> list[list[int]]:
    return [order(step).tolist() for step in range(steps)]


def test_parts_follow_each_other_in_every_epoch():
    """Of 7, 3 and 5 records in batches of 2 there are 3, 1 and 2 batches an epoch."""
    order = PhasedOrder([(0, [FIRST, SECOND, THIRD])], 2, 1, None)
    for epoch in range(3):
        found = [set(order(6 * epoch + step).tolist()) for step in range(6)]
        assert all(part < set(FIRST.tolist()) for part in found[:3]) and len(set.union(*found[:3])) == 6
        assert found[3] < set(SECOND.tolist())
        assert all(part < set(THIRD.tolist()) for part in found[4:]) and len(set.union(*found[4:])) == 4
    assert batches(order, 6) != batches(lambda step: order(step + 6), 6)


def test_a_part_alone_has_the_order_that_it_had_before_there_were_phases():
    order, before = PhasedOrder([(0, [np.arange(11)])], 3, 7, None), TrainingOrder(11, 3, 7, None)
    assert batches(order, 12) == batches(before, 12)


def test_a_phase_begins_at_its_step_with_an_epoch_of_its_own():
    """The first one is cut off in its second epoch; the second one begins as if it were alone."""
    order = PhasedOrder([(0, [FIRST]), (5, [SECOND, THIRD])], 2, 1, None)
    alone = [PhasedOrder([(0, parts)], 2, 1, None) for parts in ([FIRST], [SECOND, THIRD])]
    assert batches(order, 5) == batches(alone[0], 5)
    assert batches(lambda step: order(step + 5), 7) == batches(alone[1], 7)


@pytest.mark.parametrize(
    ("phases", "ends"),
    [
        ([(0, [FIRST, SECOND])], {4: range(4), 8: range(4, 8), 12: range(8, 12)}),
        # 3 steps an epoch until step 5, where the second epoch ends early; then 2
        ([(0, [FIRST]), (5, [THIRD])], {3: range(3), 5: range(3, 5), 7: range(5, 7), 9: range(7, 9), 11: range(9, 11)}),
        # the first phase ends with an epoch
        ([(0, [FIRST]), (6, [THIRD])], {3: range(3), 6: range(3, 6), 8: range(6, 8), 10: range(8, 10), 12: range(10, 12)}),
    ],
)
def test_ended_epochs(phases, ends):
    order = PhasedOrder(phases, 2, 1, None)
    assert {step: order.ended_epoch(step) for step in range(13) if order.ended_epoch(step)} == ends


PHASES = st.lists(
    st.tuples(st.integers(1, 9), st.lists(st.integers(2, 9), min_size=1, max_size=3)), min_size=1, max_size=3
)  # steps of a phase, records of its parts


@given(PHASES, st.integers(1, 2), st.booleans(), st.integers(0, 40))
def test_any_step_is_the_same_from_anywhere_and_every_record_is_read_once_an_epoch(phases, batch_size, sorts, step):
    counts = np.cumsum([0, *(count for _, parts in phases for count in parts)])
    numbers = iter([np.arange(*span) for span in itertools.pairwise(counts)])
    parts = [[next(numbers) for _ in of_phase] for _, of_phase in phases]
    starts = np.cumsum([0, *(steps for steps, _ in phases[:-1])])

    def order():
        lengths = (lambda rows: rows % 3) if sorts else None
        return PhasedOrder(list(zip(starts.tolist(), parts, strict=True)), batch_size, 5, lengths)

    whole = order()
    read = batches(whole, 41)
    assert order()(step).tolist() == read[step]
    ended = whole.ended_epoch(step)
    if ended:
        phase = int(np.searchsorted(starts, ended.start, side="right")) - 1
        epoch = [number for inside in ended for number in read[inside]]
        assert ended.stop == step and len(set(epoch)) == len(epoch)
        assert set(epoch) <= set(np.concatenate(parts[phase]).tolist())
        if step not in starts:
            assert len(epoch) == sum(len(part) // batch_size * batch_size for part in parts[phase])

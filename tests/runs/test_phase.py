"""Phases: which data sets are read, and schedules that begin again."""

import re

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.optim.groups import Group
from vsim_tf.optim.schedules import CosineSchedule, LinearSchedule, Schedule
from vsim_tf.presets import registry
from vsim_tf.runs.phase import Phase, PhasedSchedule, phased
from vsim_tf.runs.stage import Selection, Stage

FIRST = CosineSchedule(peak=1.0, warmup=2, horizon=10)
PHASES = {"all": Phase(), "more": Phase(start=8, warmup=1, horizon=5), "end": Phase(start=12)}


def rates(schedule, steps) -> list[float]:
    return [float(schedule.rate(tf.constant(step, tf.int64))) for step in steps]


def test_a_schedule_begins_again_with_a_phase_that_has_one():
    """The second phase cuts the first off, and the third has the second's."""
    whole = phased(FIRST, PHASES)
    assert rates(whole, range(8)) == rates(FIRST, range(8))
    second = CosineSchedule(peak=1.0, warmup=1, horizon=5)
    assert rates(whole, range(8, 15)) == rates(second, range(7))
    np.testing.assert_allclose(whole.rate(tf.range(15)), rates(whole, range(15)), rtol=1e-6)


def test_without_a_restart_the_schedule_is_itself():
    assert phased(FIRST, {}) is phased(FIRST, {"all": Phase(), "end": Phase(start=5)}) is FIRST
    assert isinstance(phased(LinearSchedule(peak=1.0, warmup=0, horizon=3), PHASES), PhasedSchedule)


def test_a_schedule_without_warm_up_cannot_begin_again():
    class Constant(Schedule, name="test_constant"):
        def rate(self, step):
            return self.peak

    with pytest.raises(UserError, match="phases=all, more, end: only a schedule with warmup and horizon") as caught:
        phased(Constant(peak=1.0), PHASES)
    assert list(caught.value.fields) == ["phases"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sets": ()}, "sets=[]: lists of pointwise, pairwise, test are needed"),
        ({"sets": ((),)}, "sets=[[]]: lists of"),
        ({"sets": (("pointwise", "tests"),)}, "sets=[['pointwise', 'tests']]: lists of"),
        ({"start": -1}, "start=-1: a step from 0"),
        ({"warmup": 3, "horizon": 3}, "warmup=3 with horizon=3: a schedule must be longer"),
        ({"warmup": 3}, "warmup=3 with horizon=0"),
        ({"warmup": -1, "horizon": 4}, "warmup=-1 with horizon=4"),
    ],
)
def test_phases_that_make_no_sense(values, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Phase(**values)


def stage(**changes) -> Stage:
    return toys.stage(100).replace(**changes)


@pytest.mark.parametrize("starts", [(1,), (0, 0), (0, 5, 3)])
def test_phases_follow_each_other_from_the_first_step_on(starts):
    message = f"phases: start={', '.join(map(str, starts))}: from 0 on, each later than the one before"
    with pytest.raises(UserError, match=message):
        stage(phases={str(row): Phase(start=start) for row, start in enumerate(starts)})


def test_data_sets_are_those_of_all_phases_each_once():
    both, pairs = Phase(sets=(("pointwise", "pairwise"),)), Phase(sets=(("pairwise",), ("test",)), start=5)
    assert stage(phases={"first": both, "second": pairs}).data_sets == ["pointwise", "pairwise", "test"]
    assert stage().data_sets == ["pointwise"]


def test_schedules_of_a_stage_have_its_phases():
    cosine = {"type": "cosine", "peak": 1.0, "warmup": 2, "horizon": 10}
    found = toys.stage(changes={"groups.head.schedule": cosine}, phases=PHASES).schedules
    assert rates(found["head"], range(15)) == rates(phased(FIRST, PHASES), range(15))
    assert list(found) == ["encoder", "head"]


# --- another number of steps ------------------------------------------------------------------------------------------


def test_phases_keep_their_share_of_the_steps():
    """Job 4 at 1000 steps of 334,840: 332,360 become 992.6, 149 become 0.4 and 2484 become 7.4; none becomes 0."""
    shorter = registry.preset("qq_job4").pretrain.with_total_steps(1000)
    assert shorter.total_steps == 1000
    assert shorter.phases["all"] == registry.preset("qq_job4").pretrain.phases["all"]
    expected = Phase(sets=(("pairwise",),), start=993, warmup=1, horizon=7)
    assert shorter.phases["pairwise"] == expected
    assert shorter.groups == registry.preset("qq_job4").pretrain.groups


@given(st.integers(1, 400_000))
def test_any_number_of_steps_is_possible(total_steps):
    stage = registry.preset("qq_job4").pretrain.with_total_steps(total_steps)
    assert stage.total_steps == total_steps
    assert 0 < stage.phases["pairwise"].start <= total_steps


def test_without_phases_nothing_else_changes():
    assert stage().with_total_steps(7) == stage(total_steps=7)
    assert registry.preset("qq_job4").pretrain.with_total_steps(332_360 + 2480) == registry.preset("qq_job4").pretrain


# --- which evaluation is the best, and what is kept -------------------------------------------------------------------


def test_the_best_weights_and_an_average_exclude_each_other():
    from vsim_tf.optim.averaging import WeightAverage

    class Average(WeightAverage, name="test_phase_average"):
        def update(self, average, weight, step):
            return weight

    with pytest.raises(UserError, match="reload_best=True with an average of weights: give one") as caught:
        stage(reload_best=True, average=Average())
    assert list(caught.value.fields) == ["reload_best"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"reduction": "max"}, "reduction='max': 'sum' or 'mean' is accepted"),
        ({"val_videos": -1}, "val_videos=-1: an integer from 0"),
    ],
)
def test_stages_that_make_no_sense(values, message):
    with pytest.raises(UserError, match=message):
        stage(**values)


def test_schedules_are_scaled_with_the_steps():
    """400 of 100 steps in a quarter: warm-ups and horizons of both groups."""
    groups = {
        name: Group(pattern=pattern, schedule=LinearSchedule(peak=1e-3, warmup=warmup, horizon=horizon))
        for name, pattern, warmup, horizon in (("encoder", "a", 40, 400), ("head", "b", 10, 800))
    }
    scaled = stage(total_steps=400, groups=groups).with_scaled_schedules(100)
    assert scaled.total_steps == 100
    assert [(group.schedule.warmup, group.schedule.horizon) for group in scaled.groups.values()] == [(10, 100), (2, 200)]
    assert scaled.groups["head"].schedule.peak == 1e-3


def test_a_selection_keeps_the_last_or_the_best():
    assert Selection().kept == "last"
    with pytest.raises(UserError, match="kept='first': 'last' or 'best' is accepted"):
        Selection(kept="first")


@pytest.mark.parametrize(
    ("direction", "value", "best", "diverged"),
    [("min", 2.1, 1.0, True), ("min", 2.0, 1.0, False), ("min", 9.0, float("inf"), False), ("max", 0.1, 0.9, False)],
)
def test_more_than_twice_the_best_has_diverged(direction, value, best, diverged):
    """Where less is better, and there is a best."""
    assert Selection(direction=direction).has_diverged(value, best) is diverged

"""When a run may be given more steps, and that it ends as one that had them from the start."""

import tensorflow as tf
import toys
from hypothesis import given
from hypothesis import strategies as st
from test_loop import STAGE, new_trainer, run, state

from vsim_tf.config import Schedule
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.optim.adam import learning_rate
from vsim_tf.runs.extension import rate, same_rates

SCHEDULES = st.builds(
    lambda peak, warmup, more: Schedule(peak, warmup, warmup + more),
    st.one_of(st.just(0.0), st.floats(1e-9, 1)), st.integers(0, 40), st.integers(1, 40),
)  # fmt: skip


@given(schedule=SCHEDULES, step=st.integers(0, 100))
def test_rates_are_those_of_the_optimizer(schedule, step):
    expected = float(learning_rate(schedule, tf.constant(step)))
    assert abs(rate(schedule, step) - expected) <= 1e-6 * schedule.peak


@given(one=SCHEDULES, other=SCHEDULES, updates=st.integers(0, 100))
def test_same_rates_are_those_of_every_update(one, other, updates):
    assert same_rates(one, one, updates)
    ours, theirs = ([rate(schedule, step) for step in range(updates)] for schedule in (one, other))
    assert same_rates(one, other, updates) == (ours == theirs)


def test_another_horizon_changes_nothing_until_the_peak():
    one, other = Schedule(1e-3, 10, 48), Schedule(1e-3, 10, 96)
    assert same_rates(one, other, 11)  # the update after 10 completed ones has the peak
    assert not same_rates(one, other, 12)
    assert not same_rates(one, Schedule(2e-3, 10, 48), 2)
    assert same_rates(one, Schedule(2e-3, 10, 48), 1)  # the first rate is 0


def test_an_extended_run_is_the_longer_one_bit_for_bit(tmp_path):
    """The schedule is planned for all steps, and the shorter run ends between two evaluations of the longer one."""
    file = toys.write_records(tmp_path / "records", toys.random_videos(23))
    data = TrainingData([file], "videos", toys.batch_format(), STAGE.batch_size, STAGE.seed, mask_words=True)
    case = "uniter pre-training"
    run(new_trainer(case), data, tmp_path / "whole")
    run(new_trainer(case, stage=STAGE.replace(total_steps=5)), data, tmp_path / "extended")
    summary = run(new_trainer(case), data, tmp_path / "extended")
    assert summary["step"] == STAGE.total_steps
    ours, theirs = state(tmp_path / "extended"), state(tmp_path / "whole")
    parts = ("weights/", "slots/", "random_states/", "step/")
    assert [name for name in theirs if name.startswith(parts)]
    assert not [name for name in theirs if name.startswith(parts) and ours[name] != theirs[name]]

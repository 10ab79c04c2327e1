"""When a run may be given more steps, and that it ends as one that had them from the start."""

import toys
from hypothesis import given, settings
from hypothesis import strategies as st
from test_loop import STAGE, new_trainer, run, state

from vsim_tf.input.pipeline import TrainingData
from vsim_tf.optim.schedules import LinearSchedule
from vsim_tf.runs.extension import same_rates
from vsim_tf.tasks.masked_tokens import MaskedTokens

SCHEDULES = st.builds(
    lambda peak, warmup, more: LinearSchedule(peak=peak, warmup=warmup, horizon=warmup + more),
    st.one_of(st.just(0.0), st.floats(1e-9, 1)), st.integers(0, 40), st.integers(1, 40),
)  # fmt: skip


@settings(deadline=None, max_examples=30)
@given(one=SCHEDULES, other=SCHEDULES, updates=st.integers(0, 30))
def test_same_rates_are_those_of_every_update(one, other, updates):
    assert same_rates(one, one, updates)
    ours, theirs = ([float(schedule.rate(step)) for step in range(updates)] for schedule in (one, other))
    assert same_rates(one, other, updates) == (ours == theirs)


def test_another_horizon_changes_nothing_until_the_peak():
    one, other = LinearSchedule(peak=1e-3, warmup=10, horizon=48), LinearSchedule(peak=1e-3, warmup=10, horizon=96)
    assert same_rates(one, other, 11)  # the update after 10 completed ones has the peak
    assert not same_rates(one, other, 12)
    assert not same_rates(one, LinearSchedule(peak=2e-3, warmup=10, horizon=48), 2)
    assert same_rates(one, LinearSchedule(peak=2e-3, warmup=10, horizon=48), 1)  # the first rate is 0


def test_an_extended_run_is_the_longer_one_bit_for_bit(tmp_path):
    """The schedule is planned for all steps, and the shorter run ends between two evaluations of the longer one."""
    file = toys.write_records(tmp_path / "records", toys.random_videos(23))
    data = TrainingData([file], "videos", toys.batch_format(), STAGE.batch_size, STAGE.seed, corruptions=[MaskedTokens().corrupt])
    case = "uniter pre-training"
    run(new_trainer(case), data, tmp_path / "whole")
    run(new_trainer(case, total_steps=5), data, tmp_path / "extended")
    summary = run(new_trainer(case), data, tmp_path / "extended")
    assert summary["step"] == STAGE.total_steps
    ours, theirs = state(tmp_path / "extended"), state(tmp_path / "whole")
    parts = ("weights/", "slots/", "random_states/", "step/")
    assert [name for name in theirs if name.startswith(parts)]
    assert not [name for name in theirs if name.startswith(parts) and ours[name] != theirs[name]]

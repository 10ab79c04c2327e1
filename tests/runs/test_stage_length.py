"""The length of a stage in epochs, and warm-ups as shares of it."""

import pytest

from vsim_tf.presets import registry

STAGE = registry.preset("uniter").finetune  # 3,000 steps of 128; warm-ups of 1,000 and 2,000 steps, horizons of 3,000 and 40,000


@pytest.mark.parametrize(
    ("examples", "epochs", "steps"),
    [
        (1280, 1, 10),
        (1400, 1, 10),
        (1400, 2.55, 26),
        (1280, 0.01, 1),
        (50, 3, 3),
    ],  # the rest of 1,400 behind 10 batches is dropped
)
def test_epochs_are_whole_batches(examples, epochs, steps):
    assert STAGE.with_epochs(epochs, examples).total_steps == steps


def test_epochs_of_a_stage():
    assert STAGE.epochs(1400) == 3000 / 10
    assert STAGE.replace(total_steps=15).epochs(1400) == 1.5


def test_schedules_keep_their_shape_and_a_short_run_is_evaluated_in_its_course():
    stage = STAGE.with_epochs(30, 1280)  # 300 steps, a tenth
    assert {name: (schedule.warmup, schedule.horizon) for name, schedule in stage.warm_ups.items()} == {
        "head": (100, 300), "encoder": (200, 4000),
    }  # fmt: skip
    assert (stage.eval_every, stage.log_every) == (60, 15)
    long = STAGE.with_epochs(3000, 1280)
    assert (long.eval_every, long.log_every) == (STAGE.eval_every, STAGE.log_every)


def test_warm_ups_as_shares_of_the_run():
    stage = STAGE.replace(total_steps=300).with_warmups({"head": 0.1, "other": 0.5})
    head, encoder = (stage.groups[name].schedule for name in ("head", "encoder"))
    assert (head.warmup, head.horizon) == (30, 300)
    assert encoder == STAGE.groups["encoder"].schedule
    shortest = STAGE.replace(total_steps=1).with_warmups({"head": 0.9, "encoder": 0.9})
    assert {(schedule.warmup, schedule.horizon) for schedule in shortest.warm_ups.values()} == {(0, 1)}

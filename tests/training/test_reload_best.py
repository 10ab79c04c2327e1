"""The best weights come back at the end of each epoch, also where a run is stopped around it."""

import logging
import signal

import numpy as np
import pytest
import tensorflow as tf
import toys
from test_loop import Interrupted, lines, raised_at_call, state, stop_at_call

from vsim_tf.errors import Stopped
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.training.pretraining import make_trainer

STEPS = 7  # 15 videos in batches of 4: an epoch ends with step 3, and with step 6
MODEL = toys.model("qq_job1")
STAGE = toys.stage(STEPS, ("qq_job1", "pretrain"), eval_every=2, log_every=1)
LOSSES = {0: 9.0, 2: 1.0, 4: 0.5, 6: 0.6, 7: 0.7}
"""What evaluations find at each step: the best of the first epoch is at step 2, that of the second at 4."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    file = toys.write_records(tmp_path_factory.mktemp("records") / "videos", toys.random_videos(15))
    form = batch_format(MODEL, toys.TOKENIZERS["bert"], toys.TAGS)
    corruptions = [task.corrupt for task in STAGE.tasks.values()]
    return TrainingData([file], "videos", form, STAGE.batch_size, STAGE.seed, corruptions)


@pytest.fixture(scope="module")
def trainer():
    return make_trainer(MODEL, STAGE, tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def other_trainer():
    """What a second process would have."""
    return make_trainer(MODEL, STAGE, tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def whole(trainer, data, tmp_path_factory):
    """The folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("run")
    run(trainer, data, folder)
    return folder


def run(trainer, data, folder, losses=LOSSES):
    def evaluate():
        return {"tag_loss": losses[int(trainer.state.step.numpy())]}

    return trainer.run(folder, data.batches, evaluate, lambda: None, "test", keep_optimizer=True, ended_epoch=data.ended_epoch)


def weights_of(trainer) -> dict[str, np.ndarray]:
    return {name: weight.numpy() for name, weight in trainer.state.weights.items()}


def slots_of(trainer) -> dict[str, np.ndarray]:
    return {name: slot.numpy() for name, slot in trainer.optimizer.slots.items()}


def changed(before, after) -> bool:
    return any((before[name] != after[name]).any() for name in before)


@pytest.fixture
def reloads(trainer, monkeypatch):
    """For each reload its step, the checkpoint, and whether weights and moments changed."""
    found, reload = [], trainer._reload_best

    def spied(folder):
        weights, slots = weights_of(trainer), slots_of(trainer)
        reload(folder)
        best = newest_checkpoint(folder, "best").split("/")[-1]
        found.append((int(trainer.state.step), best, changed(weights, weights_of(trainer)), changed(slots, slots_of(trainer))))

    monkeypatch.setattr(trainer, "_reload_best", spied)
    return found


def test_the_best_weights_come_back_and_moments_stay(trainer, data, tmp_path, reloads):
    summary = run(trainer, data, tmp_path)
    assert reloads == [(3, "ckpt-2", True, False), (6, "ckpt-4", True, False)]
    assert summary == {"step": STEPS, "tag_loss": 0.7, "best_tag_loss": 0.5, "best_step": 4}
    assert newest_checkpoint(tmp_path, "best").endswith("ckpt-4")


@pytest.mark.parametrize(
    ("eval_every", "expected"),
    [
        (100, []),  # no evaluation at all: both epochs go on
        (4, [(6, "ckpt-4", True, False)]),  # none in the first
        (3, [(3, "ckpt-3", False, False), (6, "ckpt-6", False, False)]),  # with the epoch's last step
    ],
)
def test_an_epoch_without_an_evaluation_is_not_lost(trainer, data, tmp_path, monkeypatch, reloads, eval_every, expected):
    monkeypatch.setattr(trainer, "stage", STAGE.replace(eval_every=eval_every))
    run(trainer, data, tmp_path, {step: 1 / (1 + step) for step in range(STEPS + 1)})
    assert reloads == expected


def test_weights_before_the_first_step_do_not_come_back(trainer, data, tmp_path, monkeypatch):
    """Where nothing was ever better; there is nothing to learn from them."""
    restored = []
    monkeypatch.setattr("vsim_tf.training.loop.restore_weights", lambda *given: restored.append(given))
    run(trainer, data, tmp_path, {step: 1.0 + step for step in range(STEPS + 1)})
    assert not restored


def test_the_last_weights_stay_where_the_stage_says_so(trainer, data, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "stage", STAGE.replace(reload_best=False))
    monkeypatch.setattr(trainer, "_reload_best", pytest.fail)
    run(trainer, data, tmp_path)


# --- stopped and resumed ----------------------------------------------------------------------------------------------


def assert_ends_as_the_whole_run(other_trainer, data, folder, whole):
    run(other_trainer, data, folder)
    for kind in ("last", "best"):
        ours, theirs = state(folder, kind), state(whole, kind)
        assert ours.keys() == theirs.keys()
        assert not [name for name in ours if ours[name] != theirs[name]]
    assert lines(folder) == lines(whole)


@pytest.mark.parametrize("steps", [3, pytest.param(4, marks=pytest.mark.slow), 6])
def test_a_run_killed_in_a_step(trainer, other_trainer, data, whole, tmp_path, monkeypatch, steps):
    """In the first step of the second epoch, in its second, and behind an evaluation at its end."""
    monkeypatch.setattr(trainer, "train_step", stop_at_call(steps, trainer.train_step))
    with pytest.raises(Interrupted):
        run(trainer, data, tmp_path)
    assert_ends_as_the_whole_run(other_trainer, data, tmp_path, whole)


@pytest.mark.parametrize("step", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_a_run_stopped_by_a_signal(trainer, other_trainer, data, whole, tmp_path, monkeypatch, step):
    """The state of the last step of an epoch is saved before the best weights come back."""
    monkeypatch.setattr(trainer, "train_step", raised_at_call(step, trainer.train_step, "SIGTERM"))
    with pytest.raises(Stopped, match=f"at step {step};"):
        run(trainer, data, tmp_path)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert_ends_as_the_whole_run(other_trainer, data, tmp_path, whole)


@pytest.mark.slow
def test_replicas_get_the_best_weights_too(two_replicas, data, tmp_path):
    two = make_trainer(MODEL, STAGE.replace(total_steps=4), two_replicas)
    reload, found = two._reload_best, []

    def spied(folder):
        reload(folder)
        found.append({name: two_replicas.experimental_local_results(weight) for name, weight in two.state.weights.items()})

    two._reload_best = spied
    run(two, data, tmp_path)
    (weights,) = found
    for name, (first, second) in weights.items():
        np.testing.assert_array_equal(first, second, err_msg=name)


# --- divergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reload_best", "advice"), [(True, "the end of the epoch puts its weights back"), (False, "clip_norm=1 prevents that")]
)
def test_more_than_twice_the_best_loss_is_said(trainer, data, tmp_path, monkeypatch, caplog, reload_best, advice):
    """2.0 is not yet more than twice 1.0; 2.1 is."""
    monkeypatch.setattr(trainer, "stage", STAGE.replace(reload_best=reload_best))
    losses = {0: 9.0, 2: 1.0, 4: 2.0, 6: 2.1, 7: 4.5}
    with caplog.at_level(logging.WARNING):
        run(trainer, data, tmp_path, losses)
    said = [record.getMessage() for record in caplog.records]
    words = "training diverged: tag_loss is {} at step {} and was 1 at step 2; {}"
    assert said == [words.format(value, step, advice) for value, step in ((2.1, 6), (4.5, 7))]
    assert all(record.fields == ["training.clip_norm"] for record in caplog.records)

"""What a complete run keeps: its last weights, without the optimizer's moments unless they are asked for."""

import errno
import itertools
import math
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import toys
from script_flags import refused

from vsim_tf.errors import UserError
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.models.build import build_network
from vsim_tf.runs import checkpoints
from vsim_tf.runs.checkpoint_files import newest_checkpoint, saved_checkpoints
from vsim_tf.runs.run_space import bytes_for_runs, bytes_there, require_space_for_runs
from vsim_tf.runs.weights import model_weights, restore_weights
from vsim_tf.training.pretraining import make_trainer

STEPS = 4
STAGE = toys.stage(STEPS, eval_every=2)


class Killed(Exception):
    """Stands for a kill."""


def new_trainer(stage=STAGE):
    return make_trainer(toys.model("uniter"), stage, tf.distribute.get_strategy())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A trainer, its data, and the folders of a complete run and of one that kept its optimizer."""
    folder = tmp_path_factory.mktemp("runs")
    file = toys.write_records(folder / "records", toys.random_pairs(23))
    data = TrainingData([file], "pairs", toys.batch_format(), STAGE.batch_size, STAGE.seed)
    trainer = new_trainer()
    summary = run(trainer, data, folder / "complete")
    assert run(trainer, data, folder / "kept", keep_optimizer=True) == summary
    return SimpleNamespace(trainer=trainer, data=data, folder=folder, summary=summary)


def run(trainer, data, folder, evaluate=None, keep_optimizer=False):
    def score():
        return {"spearman": math.tanh(sum(float(tf.reduce_sum(weight)) for weight in trainer.state.weights.values()) / 100)}

    return trainer.run(folder, data.batches, evaluate or score, lambda: None, "test", keep_optimizer)


def tensors(folder, kind="last") -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(newest_checkpoint(folder, kind))
    return {key: reader.get_tensor(key) for key in reader.get_variable_to_shape_map() if key != "_CHECKPOINTABLE_OBJECT_GRAPH"}


def files(folder) -> dict[str, bytes]:
    """Content of all files but TensorBoard's."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "events" not in path.parts]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def test_moments_and_the_older_state_are_removed(made):
    complete, kept = tensors(made.folder / "complete"), tensors(made.folder / "kept")
    assert any(key.startswith("slots/") for key in kept)
    assert {key.split("/")[0] for key in complete} == {
        "weights", "step", "evaluated", "best_value", "best_step", "moments_removed",
    }  # fmt: skip
    for key in (key for key in kept if key.startswith("weights/")):
        np.testing.assert_array_equal(complete[key], kept[key], err_msg=key)
    for name in ("complete", "kept"):
        assert [path.name for path in saved_checkpoints(made.folder / name, "last")] == [f"ckpt-{STEPS}"]
    data = f"last/ckpt-{STEPS}.data-00000-of-00001"
    assert os.path.getsize(made.folder / "complete" / data) < 0.5 * os.path.getsize(made.folder / "kept" / data)


def test_the_weights_of_a_complete_run_are_restored(made):
    model = build_network(toys.model("uniter"))
    restore_weights(model, newest_checkpoint(made.folder / "complete", "last"))
    weights = tensors(made.folder / "kept")
    for name, value in model_weights(model).items():
        np.testing.assert_array_equal(value, weights[f"weights/{name.replace('/', '.S')}/.ATTRIBUTES/VARIABLE_VALUE"])


def test_a_complete_run_is_left_as_it_is(made, tmp_path):
    """As where it was killed after that, before its summary."""
    shutil.copytree(made.folder / "complete", tmp_path / "run")
    before = files(tmp_path / "run")
    assert run(made.trainer, made.data, tmp_path / "run", evaluate=pytest.fail) == made.summary
    assert files(tmp_path / "run") == before


def test_a_complete_run_is_not_extended_without_its_optimizer(made, tmp_path):
    shutil.copytree(made.folder / "complete", tmp_path / "complete")
    shutil.copytree(made.folder / "kept", tmp_path / "kept")
    longer = new_trainer(STAGE.replace(total_steps=STEPS + 2))
    message = f"complete at step {STEPS}, where .* was removed, .* to {STEPS + 2} steps; .*--overwrite .*--keep_optimizer"
    with refused(message):
        run(longer, made.data, tmp_path / "complete")
    assert run(longer, made.data, tmp_path / "kept")["step"] == STEPS + 2


OPERATIONS = ((checkpoints.os, "replace"), (checkpoints.os, "unlink"), (checkpoints, "sync"), (checkpoints.shutil, "rmtree"))


@pytest.mark.parametrize("kept_before", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_killed_while_it_is_completed_ends_the_same(made, tmp_path, kept_before):
    """At each file operation, the one before the last state was written with its moments or not."""
    expected = files(made.folder / "complete")
    for number in itertools.count():
        folder = tmp_path / str(number)
        if kept_before:
            shutil.copytree(made.folder / "kept", folder)
        if not killed_while_completing(made, folder, number):
            break
        assert run(made.trainer, made.data, folder) == made.summary
        found = files(folder)
        assert found.keys() == expected.keys()
        assert found["metrics.jsonl"] == expected["metrics.jsonl"]
        assert found[f"last/ckpt-{STEPS}.data-00000-of-00001"] == expected[f"last/ckpt-{STEPS}.data-00000-of-00001"]
    assert number >= 8


def killed_while_completing(made, folder, number) -> bool:
    """Runs until the file operation with this number, from 0, of the completion; False where there are not so many."""
    state, calls = made.trainer.state, itertools.count()
    complete = state.complete

    def counted(function):
        def call(*arguments, **keywords):
            if next(calls) == number:
                raise Killed
            return function(*arguments, **keywords)

        return call

    def with_kill(*arguments):
        with pytest.MonkeyPatch.context() as patch:
            for module, name in OPERATIONS:
                patch.setattr(module, name, counted(getattr(module, name)))
            complete(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(state, "complete", with_kill)
        try:
            run(made.trainer, made.data, folder)
        except Killed:
            return True
    return False


def test_a_first_state_that_cannot_be_written_promises_nothing(made, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoints, "sync", full)
    message = r"ckpt-0 cannot be written: No space left on device\. Make room .*: it starts again, as no state is saved yet$"
    with pytest.raises(UserError, match=message):
        run(made.trainer, made.data, tmp_path / "run")


# --- space on the disk ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep_optimizer", [False, True])
def test_space_for_runs_is_what_their_tensors_take(made, keep_optimizer):
    """But for counters and states of dropout; the names in the files take a few kB more."""
    folder = made.folder / ("kept" if keep_optimizer else "complete")
    saved = sum(tensor.nbytes for kind in ("last", "best") for tensor in tensors(folder, kind).values())
    another = bytes_for_runs(made.trainer.state, 5, keep_optimizer) - bytes_for_runs(made.trainer.state, 4, keep_optimizer)
    assert another == pytest.approx(saved, abs=200)
    assert saved < bytes_there([folder]) < 1.5 * saved


def test_space_is_compared_before_anything_is_written(made, tmp_path, monkeypatch, console):
    needed = bytes_for_runs(made.trainer.state, 1, False)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=needed - 1))
    message = r"uniter: 0\.\d MB are needed for checkpoints of one run, 0\.\d MB are free; make room, or"
    with pytest.raises(UserError, match=message):
        require_space_for_runs(made.trainer.state, [tmp_path / "uniter" / "fold-00"], False)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=needed))
    require_space_for_runs(made.trainer.state, [tmp_path / "uniter" / "fold-00"], False)
    assert console.readouterr().out.startswith("disk: up to 0.")
    require_space_for_runs(made.trainer.state, [], False)


def test_what_a_run_has_written_is_not_asked_for_again(made, monkeypatch):
    folders = [made.folder / "complete"]
    needed = bytes_for_runs(made.trainer.state, 1, False) - bytes_there(folders)
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=needed))
    require_space_for_runs(made.trainer.state, folders, False)
    assert not Path(made.folder / "complete" / "summary.json").exists()

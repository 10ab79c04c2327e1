"""States that were damaged, cut off by a kill, or could not be written: what is restored, removed and said."""

import errno
import logging
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
import toys
from script_flags import refused

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.groups import grouped
from vsim_tf.runs import checkpoints
from vsim_tf.runs.checkpoint_files import BEST, LAST, newest_checkpoint, saved_checkpoints
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.stage import Selection
from vsim_tf.runs.weights import restore_weights


def make_state(name="uniter") -> TrainingState:
    model = build_network(toys.model(name), toys.tasks(name, "pretrain").values())
    return TrainingState(model, GroupAdam(grouped(model, toys.stage(of=(name, "pretrain")).groups), {}), Selection())


@pytest.fixture(scope="module")
def state():
    return make_state()


@pytest.fixture
def folder(tmp_path, state):
    """Steps 3 and 6 of a run, each the best so far; all weights are as large as the step."""
    state.reset()
    for step in (3, 6):
        fill(state, step)
        state.save_best(tmp_path)
        state.save_last(tmp_path)
    return tmp_path


def fill(state, step):
    for weight in state.weights.values():
        weight.assign(tf.fill(weight.shape, tf.cast(step, weight.dtype)))
    state.step.assign(step)
    state.evaluated.assign(step)
    state.best_value.assign(step / 10)
    state.best_step.assign(step)


def assert_restores(state, folder, step):
    state.reset()
    assert state.restore_last(folder)
    assert (int(state.step), int(state.best_step)) == (step, step)
    for name, weight in state.weights.items():
        assert (weight.numpy() == step).all(), name


def names(folder) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def data_file(checkpoint):
    return checkpoint.with_name(f"{checkpoint.name}.data-00000-of-00001")


def index_file(checkpoint):
    return checkpoint.with_name(f"{checkpoint.name}.index")


def flip(file, *places):
    content = bytearray(file.read_bytes())
    for place in {place % len(content) for place in places}:
        content[place] ^= 0x10
    file.write_bytes(content)


DAMAGES = {
    "data gone": lambda checkpoint: data_file(checkpoint).unlink(),
    "data empty": lambda checkpoint: data_file(checkpoint).write_bytes(b""),
    "data cut in half": lambda checkpoint: os.truncate(data_file(checkpoint), data_file(checkpoint).stat().st_size // 2),
    "bits of the data flipped": lambda checkpoint: flip(data_file(checkpoint), *range(0, 10**6, 101)),
    "index empty": lambda checkpoint: index_file(checkpoint).write_bytes(b""),
    "index cut in half": lambda checkpoint: os.truncate(index_file(checkpoint), index_file(checkpoint).stat().st_size // 2),
    "a bit of the index flipped": lambda checkpoint: flip(index_file(checkpoint), 100),
    "another file's index": lambda checkpoint: shutil.copy(index_file(checkpoint.with_name("ckpt-3")), index_file(checkpoint)),
    "index of zeros": lambda checkpoint: index_file(checkpoint).write_bytes(bytes(5000)),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_the_state_before_a_damaged_one_is_restored_and_that_is_said(folder, state, damage, caplog):
    damage(folder / LAST / "ckpt-6")
    with caplog.at_level(logging.WARNING):
        assert_restores(state, folder, 3)
    assert "last/ckpt-6 is damaged" in caplog.text
    assert "the run resumes from ckpt-3" in caplog.text
    assert [checkpoint.name for checkpoint in saved_checkpoints(folder, LAST)] == ["ckpt-3"]
    caplog.clear()
    assert_restores(state, folder, 3)
    assert not caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("file", [index_file, data_file])
def test_any_flipped_bit_is_noticed_or_changes_nothing(folder, state, file):
    """None of 300 is read as other numbers."""
    size, noticed = file(folder / LAST / "ckpt-6").stat().st_size, 0
    for place in np.random.default_rng(5).integers(0, size, 300):
        shutil.copytree(folder, damaged := folder.with_name(f"flipped-{place}"), dirs_exist_ok=True)
        flip(file(damaged / LAST / "ckpt-6"), place)
        assert state.restore_last(damaged)
        noticed += int(state.step) == 3
        assert_restores(state, damaged, int(state.step))
        shutil.rmtree(damaged)
    assert noticed > 250


def test_without_a_state_that_can_be_read_nothing_is_trained_anew_unasked(folder, state):
    for step in (3, 6):
        data_file(folder / LAST / f"ckpt-{step}").unlink()
    before = names(folder)
    with refused(r"no state of this run can be read .*ckpt-6: .*ckpt-3: .*--overwrite"):
        state.restore_last(folder)
    assert names(folder) == before


@pytest.mark.parametrize("content", [b"", b"\xff\x00 garbage", b'model_checkpoint_path: "ckpt-99"\n'])
def test_a_pointer_file_of_tensorflow_decides_nothing(folder, state, content):
    for kind in (LAST, BEST):
        (folder / kind / "checkpoint").write_bytes(content)
    assert_restores(state, folder, 6)
    assert newest_checkpoint(folder, BEST) == str(folder / BEST / "ckpt-6")


def test_what_a_killed_process_leaves_is_removed(folder, state):
    before = names(folder)
    for kind in (LAST, BEST):
        unfinished = folder / kind / checkpoints.UNFINISHED
        (unfinished / "ckpt-9_temp").mkdir(parents=True)
        (unfinished / "ckpt-9_temp" / "part-00000-of-00001.data-00000-of-00001").write_bytes(b"half")
        data_file(folder / kind / "ckpt-9").write_bytes(b"no index yet")
    state.step.assign(9)
    state.save_best(folder)  # the process was killed before the state that says that it is the best
    assert_restores(state, folder, 6)
    assert names(folder) == before


def test_what_a_run_leaves_that_was_killed_before_its_first_state_is_removed(tmp_path, state):
    fill(state, 0)
    state.save_best(tmp_path)
    (tmp_path / LAST / checkpoints.UNFINISHED).mkdir(parents=True)
    state.reset()
    assert not state.restore_last(tmp_path)
    assert names(tmp_path) == [BEST, LAST]


def fail(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fail_for_folders(path):
    if path.is_dir():
        fail()


@pytest.mark.parametrize(("call", "failing"), [("sync", fail), ("sync", fail_for_folders), ("os.replace", fail)])
def test_a_save_that_fails_leaves_the_state_before(folder, state, call, failing, monkeypatch):
    before = names(folder)
    fill(state, 9)
    with monkeypatch.context() as patch:
        patch.setattr(f"vsim_tf.runs.checkpoints.{call}", failing)
        with pytest.raises(UserError, match=r"last/ckpt-9 cannot be written: No space left on device\. .*from last/ckpt-[69]$"):
            state.save_last(folder)
    if failing is fail_for_folders:  # it is complete, but may not survive a crash of the machine
        assert_restores(state, folder, 9)
        return
    assert names(folder) == before
    assert_restores(state, folder, 6)
    fill(state, 9)
    state.save_last(folder)
    assert_restores(state, folder, 9)


def test_a_state_is_saved_over_one_of_the_same_step(folder, state):
    fill(state, 6)
    next(iter(state.slots.values())).assign_add(tf.ones_like(next(iter(state.slots.values()))))
    state.save_last(folder)
    assert_restores(state, folder, 6)
    assert next(iter(state.slots.values())).numpy().all()


def test_best_weights_stay_until_the_state_that_follows_them_is_saved(folder, state):
    fill(state, 9)
    state.save_best(folder)
    assert [checkpoint.name for checkpoint in saved_checkpoints(folder, BEST)] == ["ckpt-9", "ckpt-6"]
    state.save_last(folder)
    assert [checkpoint.name for checkpoint in saved_checkpoints(folder, BEST)] == ["ckpt-9"]


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damaged_weights_are_not_used_and_the_way_out_is_named(folder, damage):
    damage(folder / LAST / "ckpt-6")
    model = build_network(toys.model("uniter"))
    with pytest.raises(UserError, match=r"last/ckpt-6 is damaged: .*; remove .*summary.json and train this run again"):
        restore_weights(model, newest_checkpoint(folder, LAST))


def test_a_state_of_another_model_is_refused_with_both_names(folder):
    other = make_state("mix_nextvlad")
    with pytest.raises(UserError, match=r"last/ckpt-6 does not fit model mix_nextvlad: \d+ weights missing"):
        other.restore_last(folder)
    assert [checkpoint.name for checkpoint in saved_checkpoints(folder, LAST)] == ["ckpt-6", "ckpt-3"]

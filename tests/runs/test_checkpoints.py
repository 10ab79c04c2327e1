"""States saved as a whole, and weights restored only where all of them fit."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.groups import grouped
from vsim_tf.runs import checkpoints
from vsim_tf.runs.checkpoint_files import BEST, LAST, newest_checkpoint
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.stage import Selection
from vsim_tf.runs.weights import model_weights, random_states, restore_weights


def make_state(name="uniter", **overrides):
    model = build_network(toys.model(name, **overrides), toys.tasks(name, "pretrain").values())
    return model, TrainingState(model, GroupAdam(grouped(model, toys.stage(of=(name, "pretrain")).groups), {}), Selection())


@pytest.fixture
def saved(tmp_path):
    """A saved Uniter and the folder of its run."""
    model, state = make_state()
    state.step.assign(7)
    state.save_last(tmp_path)
    state.save_best(tmp_path)
    return model, tmp_path


def test_weights_go_by_the_names_of_their_layers():
    model, _ = make_state("mix_nextvlad")
    names = set(model_weights(model))
    assert {"encoder/block_0/attention/qkv/kernel", "fusion_1/se/reduce/kernel", "nextvlad_2/centres"} <= names
    assert {"gate_bn/moving_mean", "gate_bn/moving_variance"} <= names
    assert not [name for name in names if "seed" in name]
    assert len(names) == len([v for v in model.weights if "seed_generator" not in v.path])


def test_names_do_not_depend_on_what_else_the_process_has_built():
    assert model_weights(make_state()[0]).keys() == model_weights(make_state()[0]).keys()


@pytest.mark.parametrize("kind", [LAST, BEST])
def test_weights_come_back(saved, kind):
    model, folder = saved
    other, _ = make_state()
    assert newest_checkpoint(folder, kind) == str(folder / kind / "ckpt-7")
    restore_weights(other, newest_checkpoint(folder, kind))
    for name, value in model_weights(model).items():
        np.testing.assert_array_equal(model_weights(other)[name], value, err_msg=name)


def test_a_model_for_fine_tuning_leaves_the_word_head_out(saved):
    _, folder = saved
    model = build_network(toys.model("uniter"))
    assert not model.heads
    restore_weights(model, newest_checkpoint(folder, LAST))


def test_weights_that_the_checkpoint_lacks_are_named(saved):
    _, folder = saved
    other = build_network(toys.model("mix_nextvlad"))
    before = {name: value.numpy() for name, value in model_weights(other).items()}
    with pytest.raises(UserError) as caught:
        restore_weights(other, newest_checkpoint(folder, LAST))
    assert "does not fit model mix_nextvlad" in str(caught.value)
    assert "weights missing" in str(caught.value)
    assert "bert_map/kernel" in str(caught.value)
    for name, value in model_weights(other).items():  # nothing is half restored
        np.testing.assert_array_equal(value, before[name])


def test_weights_of_another_shape_are_named(saved):
    _, folder = saved
    other = build_network(toys.model("uniter", embedding_size=4))
    with pytest.raises(UserError, match=r"0 weights missing \[\], 2 of another shape .*fc/kernel: \[16, 8\].*\[16, 4\]"):
        restore_weights(other, newest_checkpoint(folder, LAST))


def test_a_checkpoint_that_is_not_there(tmp_path):
    model, _ = make_state()
    with pytest.raises(UserError, match=r"no checkpoint .*ckpt-3 .there is no file .*ckpt-3.index"):
        restore_weights(model, tmp_path / "ckpt-3")
    with pytest.raises(UserError, match="last holds no checkpoint: train this model first"):
        newest_checkpoint(tmp_path, LAST)


def test_the_whole_state_comes_back_random_states_and_moments_included(tmp_path):
    _, state = make_state()
    rng = np.random.default_rng(0)
    variables = state.weights | state.random_states | {f"slot {name}": slot for name, slot in state.slots.items()}
    for variable in variables.values():
        variable.assign(tf.cast(rng.integers(0, 1000, variable.shape), variable.dtype))
    state.step.assign(12)
    state.best_value.assign(0.1 + 0.2)  # not a float32
    state.best_step.assign(9)
    state.save_last(tmp_path)
    expected = {name: variable.numpy() for name, variable in variables.items()}

    _, other = make_state()
    assert other.restore_last(tmp_path)
    found = other.weights | other.random_states | {f"slot {name}": slot for name, slot in other.slots.items()}
    assert found.keys() == expected.keys()
    for name, variable in found.items():
        np.testing.assert_array_equal(variable, expected[name], err_msg=name)
    assert (int(other.step), float(other.best_value), int(other.best_step)) == (12, 0.1 + 0.2, 9)
    assert len(other.random_states) == 4  # attention, its output, the block's output, the embedding
    assert all(state.dtype.is_integer for state in random_states(make_state()[0]).values())


def test_a_folder_without_a_state_restores_nothing(tmp_path):
    _, state = make_state()
    assert state.restore_last(tmp_path) is False


def test_a_state_of_another_model_is_not_half_restored(saved):
    _, folder = saved
    _, other = make_state("mix_nextvlad")
    with pytest.raises((AssertionError, UserError)):
        other.restore_last(folder)


def test_reset_undoes_everything():
    _, state = make_state()
    variables = state.weights | state.random_states
    before = {name: variable.numpy() for name, variable in variables.items()}
    for variable in [*variables.values(), *state.slots.values(), state.step, state.best_step]:
        variable.assign(variable + tf.ones_like(variable))
    state.best_value.assign(0.9)
    state.reset()
    for name, variable in variables.items():
        np.testing.assert_array_equal(variable, before[name], err_msg=name)
    assert not any(slot.numpy().any() for slot in state.slots.values())
    assert (int(state.step), float(state.best_value), int(state.best_step)) == (0, float("-inf"), 0)


def test_only_the_newest_states_are_kept(tmp_path):
    _, state = make_state()
    for step in (1, 2, 3):
        state.step.assign(step)
        state.save_last(tmp_path)
        state.save_best(tmp_path)
    names = {kind: sorted(path.stem for path in (tmp_path / kind).glob("*.index")) for kind in (LAST, BEST)}
    assert names == {LAST: ["ckpt-2", "ckpt-3"], BEST: ["ckpt-3"]}


def test_a_restored_folder_keeps_the_newest_states_alone(tmp_path, monkeypatch):
    """A process that is killed after a save, before it removes what that makes superfluous, leaves one more."""
    _, state = make_state()
    with monkeypatch.context() as killed:
        killed.setattr(checkpoints, "_remove", lambda checkpoint: None)
        for step in (1, 2, 3):
            state.step.assign(step)
            state.save_last(tmp_path)
    assert len(list((tmp_path / LAST).glob("*.index"))) == 3
    state.restore_last(tmp_path)
    assert sorted(path.stem for path in (tmp_path / LAST).glob("*.index")) == ["ckpt-2", "ckpt-3"]


def test_a_best_checkpoint_holds_weights_alone(saved):
    _, folder = saved
    keys = tf.train.load_checkpoint(newest_checkpoint(folder, BEST)).get_variable_to_shape_map()
    assert not [key for key in keys if not key.startswith(("weights/", "save_counter", "_CHECKPOINTABLE"))]


def test_broken_weights_are_named():
    model, state = make_state()
    assert state.broken_weights() == []
    bias = model_weights(model)["fc/bias"]
    bias.assign(bias / 0)
    assert state.broken_weights() == ["fc/bias"]


class LastWeights(WeightAverage, name="test_last_weights"):
    def update(self, average, weight, step):
        return weight


def test_a_summary_tells_averages_apart():
    model = build_network(toys.model("uniter"), toys.tasks("uniter", "pretrain").values())
    optimizer = GroupAdam(grouped(model, toys.stage(of=("uniter", "pretrain")).groups), {})
    state = TrainingState(model, optimizer, Selection(), LastWeights())
    before = state.summary()
    assert state.summary() == before
    state.averages["fc/bias"].assign_add(tf.ones_like(state.averages["fc/bias"]))
    assert state.summary() != before

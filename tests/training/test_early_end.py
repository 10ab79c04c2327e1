"""Runs that end before their last step, and runs that keep an average of their weights: stopped anywhere they end the same."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.input.pipeline import TrainingData
from vsim_tf.models.build import build_network
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.run_folder import is_complete, write_summary
from vsim_tf.runs.weights import model_weights, restore_weights
from vsim_tf.training.pretraining import make_trainer

STEPS = 8
STAGE = toys.stage(STEPS, eval_every=2, patience=2).averaging(0.5)
ENDS_EARLY = (0.1, 0.5, 0.3, 0.5)
"""Spearman at steps 0, 2, 4 and 6: two evaluations in turn are not better than that of step 2."""
SUMMARY = {"step": 6, "spearman": 0.5, "best_spearman": 0.5, "best_step": 2, "of_steps": STEPS}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A trainer, its data, and the folder of a run that ended early, with the weights that its evaluations saw."""
    folder = tmp_path_factory.mktemp("runs")
    file = toys.write_records(folder / "records", toys.random_pairs(23))
    data = TrainingData([file], "pairs", toys.batch_format(), STAGE.batch_size, STAGE.seed)
    trainer, seen = make_trainer(toys.model("uniter"), STAGE, tf.distribute.get_strategy()), []
    assert run(trainer, data, folder / "whole", scripted(trainer, ENDS_EARLY, seen)) == SUMMARY
    return SimpleNamespace(trainer=trainer, data=data, folder=folder / "whole", seen=seen)


class Killed(Exception):
    """Stands for a kill."""


def run(trainer, data, folder, evaluate):
    return trainer.run(folder, data.batches, evaluate, lambda: None, "test")


def scripted(trainer, scores, seen):
    """An evaluation with given scores, which notes the weights that it sees."""
    values = iter(scores)

    def evaluate():
        seen.append({name: weight.numpy() for name, weight in trainer.state.weights.items()})
        return {"spearman": next(values)}

    return evaluate


def weights(folder, kind="last") -> dict[str, np.ndarray]:
    network = build_network(toys.model("uniter"))
    restore_weights(network, newest_checkpoint(folder, kind))
    return {name: weight.numpy() for name, weight in model_weights(network).items()}


def test_what_was_evaluated_is_what_is_kept(made):
    """The average, of which tests/optim/test_averaging.py says that it follows the weights."""
    for kind, evaluation in (("last", 3), ("best", 1)):
        for name, value in weights(made.folder, kind).items():
            np.testing.assert_array_equal(value, made.seen[evaluation][name], err_msg=name)
    assert len(made.seen) == 4


def test_a_run_that_ended_early_is_complete(made, tmp_path):
    """Killed before its summary, and rerun; for another number of steps it is not complete."""
    shutil.copytree(made.folder, tmp_path / "run")
    assert run(made.trainer, made.data, tmp_path / "run", pytest.fail) == SUMMARY
    write_summary(tmp_path / "run", SUMMARY)
    assert is_complete(tmp_path / "run", STEPS) and not is_complete(tmp_path / "run", 6)
    assert json.loads((tmp_path / "run" / "summary.json").read_text()) == SUMMARY


@pytest.mark.parametrize("steps", [3, 5])
def test_stopped_in_a_step_it_ends_the_same(made, tmp_path, monkeypatch, steps):
    left, train_step = iter(range(steps)), made.trainer.train_step

    def stopping(batch):
        if next(left, None) is None:
            raise Killed
        return train_step(batch)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(made.trainer, "train_step", stopping)
        run(made.trainer, made.data, tmp_path / "run", scripted(made.trainer, ENDS_EARLY, []))
    evaluations = steps // 2 + 1
    assert run(made.trainer, made.data, tmp_path / "run", scripted(made.trainer, ENDS_EARLY[evaluations:], [])) == SUMMARY
    for kind in ("last", "best"):
        expected = weights(made.folder, kind)
        for name, value in weights(tmp_path / "run", kind).items():
            np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == (made.folder / "metrics.jsonl").read_text()


def test_a_better_evaluation_in_time_lets_it_run_to_its_end(made, tmp_path):
    summary = run(made.trainer, made.data, tmp_path / "run", scripted(made.trainer, (0.1, 0.5, 0.3, 0.6, 0.5), []))
    assert summary == {"step": STEPS, "spearman": 0.5, "best_spearman": 0.6, "best_step": 6}

"""The table before a run."""

import re

import pytest
import tensorflow as tf
import toys

from vsim_tf.presets import registry
from vsim_tf.runs.run_folder import RunSettings
from vsim_tf.training.console import LAUNCHED, announce


@pytest.mark.parametrize(("name", "bucket", "expected"), [
    ("uniter", True, "examples of similar length, batches in random order"),
    ("uniter", False, "in random order"),
    ("uniter_roformer", True, "in random order"),
    ("mix_nextvlad", False, "in random order"),
    ("mix_nextvlad", True, r"examples of similar length.*; statistics and losses of a batch see that .--bucket_by_length."),
])  # fmt: skip
def test_the_order_of_examples_is_said(name, bucket, expected, console, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    settings = RunSettings("pair", toys.model(name), toys.stage(bucket_by_length=bucket), None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"runs": 1}, 40, tmp_path)
    (row,) = [line for line in console.readouterr().out.splitlines() if line.split()[1:2] == ["batches"]]
    assert re.fullmatch(expected, row.strip("│ ").removeprefix("batches").strip(" │"))


@pytest.mark.parametrize(("examples", "warned"), [(40, False), (4, True)])
def test_many_epochs_are_warned_of_and_the_curves_have_a_command(console, tmp_path, examples, warned):
    """300 steps of 4: 30 epochs of 40 examples, 300 of 4."""
    settings = RunSettings("pair", toys.model("uniter"), toys.stage(total_steps=300), None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"runs": 1}, examples, tmp_path)
    said = console.readouterr()
    assert f"300 steps of 4 ({1200 // examples} epochs)" in said.out
    assert said.out.endswith(f"-m tensorboard.main --logdir={tmp_path}\n")
    message = "warning: --total_steps=300 are 300 epochs of 4 examples, more than 200: the model will know them by heart; give"
    assert said.err == (f"{message} fewer, or --epochs=...\n" if warned else "")


def test_one_of_many_processes_leaves_the_curves_to_who_started_it(console, tmp_path, monkeypatch):
    monkeypatch.setenv(LAUNCHED, "1")
    settings = RunSettings("pair", toys.model("uniter"), toys.stage(), None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"runs": 1}, 40, tmp_path)
    assert "tensorboard" not in console.readouterr().out


def test_data_sets_that_follow_each_other_are_said(console, tmp_path):
    stage = registry.preset("qq_job5").pretrain
    settings = RunSettings("pretrain", toys.model("qq_job5"), stage, None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"videos": 1}, 40, tmp_path)
    assert "data sets in turn, each in random order" in console.readouterr().out

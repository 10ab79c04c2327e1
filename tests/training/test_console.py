"""The table before a run."""

import re

import pytest
import tensorflow as tf
import toys

from vsim_tf.presets import registry
from vsim_tf.runs.run_folder import RunSettings
from vsim_tf.training.console import announce


@pytest.mark.parametrize(("name", "bucket", "expected"), [
    ("uniter", True, "examples of similar length, batches in random order"),
    ("uniter", False, "in random order"),
    ("uniter_roformer", True, "in random order"),
    ("mix_nextvlad", False, "in random order"),
    ("mix_nextvlad", True, r"examples of similar length.*; batch statistics and negatives see that \(--bucket_by_length\)"),
])  # fmt: skip
def test_the_order_of_examples_is_said(name, bucket, expected, console, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    settings = RunSettings("pair", toys.model(name), toys.stage(bucket_by_length=bucket), None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"runs": 1}, 40, tmp_path)
    (row,) = [line for line in console.readouterr().out.splitlines() if line.split()[1:2] == ["batches"]]
    assert re.fullmatch(expected, row.strip("│ ").removeprefix("batches").strip(" │"))


def test_data_sets_that_follow_each_other_are_said(console, tmp_path):
    stage = registry.preset("qq_job5").pretrain
    settings = RunSettings("pretrain", toys.model("qq_job5"), stage, None, toys.TAGS, {})
    announce("label", settings, tf.distribute.get_strategy(), {"videos": 1}, 40, tmp_path)
    assert "data sets in turn, each in random order" in console.readouterr().out

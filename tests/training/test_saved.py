"""Checkpoints by their names."""

import pytest
import tensorflow as tf

from vsim_tf.training.saved import path_for_tensorflow


@pytest.mark.parametrize("name", ["plain", "a,b 'c'", "[ir]", "a*", "b?", "[[]"])
def test_tensorflow_reads_a_checkpoint_in_any_folder(tmp_path, monkeypatch, name):
    """Without a path of its own it would look for what `[ir]` matches."""
    monkeypatch.chdir(tmp_path)
    checkpoint, variable = f"{name}/last/ckpt-4", tf.Variable(3.0)
    (tmp_path / name / "last").mkdir(parents=True)
    tf.train.Checkpoint(value=variable).write(checkpoint)
    variable.assign(0.0)
    with path_for_tensorflow(checkpoint) as path:
        assert "value/.ATTRIBUTES/VARIABLE_VALUE" in tf.train.load_checkpoint(path).get_variable_to_shape_map()
        tf.train.Checkpoint(value=variable).read(path).assert_consumed()
    assert variable.numpy() == 3.0

"""Checkpoints by their names, and what is said of those that are not there."""

import pytest
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.runs.checkpoint_files import path_for_tensorflow, require_checkpoint, resuming_state
from vsim_tf.runs.checkpoints import MOMENTS_REMOVED, _is_whole
from vsim_tf.runs.extension import _has_moments


@pytest.fixture
def run(tmp_path):
    for name in ("last/ckpt-900", "last/ckpt-1000", "best/ckpt-900"):
        (tmp_path / "run" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "run" / f"{name}.index").touch()
    (tmp_path / "run/last/ckpt-1100.data-00000-of-00001").touch()  # no index: it was never complete
    return tmp_path / "run"


@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ("last/ckpt-3000", "2: RUN/last/ckpt-1000, RUN/last/ckpt-900"),
        ("last/ckpt-1100", "2: RUN/last/ckpt-1000, RUN/last/ckpt-900"),
        ("best/ckpt-1000.index", "1: RUN/best/ckpt-900"),
        ("lasst/ckpt-1000", "3: RUN/last/ckpt-1000, RUN/last/ckpt-900, RUN/best/ckpt-900"),
        ("ckpt-1000", "2: RUN/last/ckpt-1000, RUN/last/ckpt-900"),
    ],
)
def test_those_that_are_there_are_listed(run, asked, there):
    with pytest.raises(UserError) as caught:
        require_checkpoint(run / asked)
    assert str(caught.value).endswith(f"; there is {there.replace('RUN', str(run))}")


def test_a_checkpoint_that_is_there(run):
    require_checkpoint(run / "last/ckpt-900")


@pytest.mark.parametrize(("folder", "said"), [("empty", "holds no checkpoint"), ("none", "does not exist")])
def test_a_folder_without_any_points_to_the_document(tmp_path, folder, said):
    (tmp_path / "a" / "empty").mkdir(parents=True)
    with pytest.raises(UserError, match=f"{folder} {said}; docs/data.md, 'Run folders'"):
        require_checkpoint(tmp_path / "a" / folder / "ckpt-1")


def test_what_a_run_resumes_from(run, tmp_path):
    assert resuming_state(run) == "it resumes from last/ckpt-1000"
    assert resuming_state(tmp_path) == "it starts again, as no state is saved yet"


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


def test_moments_are_found_in_any_folder(tmp_path):
    """Whether a state is whole, and whether its run can be extended."""
    folder = tmp_path / "[ir] *" / "last"
    folder.mkdir(parents=True)
    tf.train.Checkpoint(slots={"m": tf.Variable(1.0)}).write(str(folder / "ckpt-1"))
    tf.train.Checkpoint(**{MOMENTS_REMOVED: tf.Variable(True)}).write(str(folder / "ckpt-2"))
    assert (_has_moments(folder / "ckpt-1"), _has_moments(folder / "ckpt-2")) == (True, False)
    assert (_is_whole(folder / "ckpt-1"), _is_whole(folder / "ckpt-2")) == (True, False)

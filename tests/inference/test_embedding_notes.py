"""Notes of embeddings, compared without TensorFlow."""

import json
import subprocess
import sys

import pytest

from vsim_tf.inference.embedding_notes import are_current, make_note, note_file, npz_file

CHECKPOINT = "last/ckpt-3"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "last").mkdir()
    (tmp_path / f"{CHECKPOINT}.index").write_bytes(b"index")
    (tmp_path / "test_x.tfrecords").write_bytes(b"records")
    return tmp_path


def note(run, precision, resolved=None):
    return make_note(str(run / CHECKPOINT), [str(run / "test_x.tfrecords")], precision, resolved)


@pytest.mark.parametrize(
    ("made", "wanted", "current"),
    [
        (("float32", "float32"), ("float32",), True),
        (("auto", "float32"), ("float32",), True),
        (("auto", "float32"), ("mixed_bfloat16",), False),
        (("auto", "float32"), ("auto", "float32"), True),
        (("auto", "float32"), ("auto", "mixed_bfloat16"), False),
        (("auto", "float32"), ("auto",), True),  # before TensorFlow has looked at the device
        (("float32", "float32"), ("auto",), False),
        (("float32", "float32"), ("auto", "float32"), True),
    ],
)
def test_precisions(run, made, wanted, current):
    npz = npz_file(run, "elsewhere/test_x.tfrecords")
    npz.parent.mkdir()
    npz.touch()
    note_file(npz).write_text(json.dumps(note(run, *made)))
    assert are_current(npz, note(run, *wanted)) == current


@pytest.mark.parametrize("content", [None, "", "{", "[1]", "{}", '{"precision": 3, "checkpoint": 1}'])
def test_a_note_that_is_missing_or_damaged_makes_nothing_current(run, content):
    npz = npz_file(run, "test_x.tfrecords")
    npz.parent.mkdir()
    npz.touch()
    if content is not None:
        note_file(npz).write_text(content)
    assert not are_current(npz, note(run, "float32"))


def test_a_note_of_a_version_without_precision_is_of_other_embeddings(run):
    npz = npz_file(run, "test_x.tfrecords")
    npz.parent.mkdir()
    npz.touch()
    older = note(run, "float32")
    del older["precision"]
    note_file(npz).write_text(json.dumps(older))
    assert not are_current(npz, note(run, "float32"))


def test_tensorflow_is_not_needed():
    program = "import sys, vsim_tf.inference.embedding_notes, vsim_tf.ensemble.run_report; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0

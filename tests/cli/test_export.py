"""Flags of vsim-tf export to what is refused before TensorFlow is loaded, and to one call of the library."""

import pytest
from script_flags import refused

import vsim_tf.ensemble.front
import vsim_tf.export.folder
from vsim_tf.cli import export
from vsim_tf.export.verification import Verified
from vsim_tf.launch.plan import flags_of


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Of the library, which neither loads nor exports."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "demo").mkdir()
    made = []
    monkeypatch.setattr(vsim_tf.ensemble.front, "load", lambda path, checkpoint: ("model", path, checkpoint))
    monkeypatch.setattr(vsim_tf.export.folder, "export_model", lambda *given: made.append(given) or Verified(12, 3.21e-7))
    return made


def run(*arguments: str) -> None:
    with flags_of(export.define_flags, ["vsim-tf export", *arguments]):
        export.main()


def test_a_model_is_exported(calls, console):
    run("--path=demo", "--output=out")
    run("--path=demo", "--output=out", "--format=savedmodel", "--checkpoint=best")
    assert calls == [(("model", "demo", None), "out", "savedmodel"), (("model", "demo", "best"), "out", "savedmodel")]
    said = console.readouterr().out
    assert "as savedmodel; of 12 random videos the largest difference from the checkpoints is 3.2e-07\n" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "a model and --output are needed: vsim-tf export output/demo --output=exported"),
        (["--path=demo"], "a model and --output are needed"),
        (["--path=other", "--output=out"], "other does not exist"),
        (["--path=demo", "--output=a[1]"], r"a\[1\]: TensorFlow takes \[ for a pattern; give a folder without"),
        (["--path=demo", "--output=full"], "full is there already; remove it, or give another folder"),
    ],
)
def test_what_is_refused(calls, tmp_path, arguments, said):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/a").touch()
    with refused(said):
        run(*arguments)
    assert not calls


def test_packages_are_looked_for_first(calls, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused("^--format=onnx: tf2onnx and onnxruntime not installed"):
        run("--path=demo", "--output=out", "--format=onnx")
    assert not calls

"""Exported models run in programs that do not import this package, to the numbers of the checkpoints."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toys
from tiers import slow_but
from toy_runs import make_classifier, make_run
from toy_short_videos import CATEGORIES

import vsim_tf
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.export import folder as export_folder
from vsim_tf.export import verification
from vsim_tf.export.formats import FORMATS, Onnx, SavedModel

ROOT = Path(__file__).parents[2]
RUNS = {
    "ensemble": ("mix_nextvlad/fold-00", "uniter/fold-00", "uniter/fold-01"),
    "vocabularies": ("uniter/fold-00", "uniter/fold-01", "uniter_roformer/fold-00"),
    "job": ("qq_job1/fold-00",),
    "svd": ("qq_job1/fold-00", "qq_job2/fold-00", "qq_job4/fold-00"),
    "uniter": ("uniter/fold-00",),
    "mix_nextvlad": ("mix_nextvlad/fold-00",),
}
MODELS = (*RUNS, "classifier")
TITLES, COUNTS = ("", "天地[SEP]玄黄", "宇宙日月" * 9, "A b", "天"), (0, 1, toys.FRAMES, toys.FRAMES + 1, 30)
ALONE = """
import json, sys
import numpy as np
from client import Client
inputs = Client(".").inputs(json.load(sys.stdin))
"""
TENSORFLOW = """
import tensorflow as tf
inputs = {name: tf.constant(value) for name, value in inputs.items()}
(result,) = tf.saved_model.load(".").signatures["serving_default"](**inputs).values()
np.save("result.npy", result.numpy())
"""
ONNXRUNTIME = """
import onnxruntime
(result,) = onnxruntime.InferenceSession("model.onnx").run(None, inputs)
np.save("result.npy", result)
assert "tensorflow" not in sys.modules
"""
NOT_IMPORTED = "assert not [name for name in sys.modules if name.startswith('vsim_tf')]"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models by name, made when they are asked for."""
    output, loaded = tmp_path_factory.mktemp("output"), {}

    def model(name: str) -> vsim_tf.Model:
        if name not in loaded:
            for number, run in enumerate(RUNS.get(name, ())):
                make_run(output / name / run, run.split("/")[0], number)
            if name == "classifier":
                for seed in range(2):
                    make_classifier(output / f"classifier/wbdc_1/fold-0{seed}", "wbdc_1", seed, pictures=False)
            loaded[name] = vsim_tf.load(output / name)
            if name == "svd":
                members = loaded[name].members
                projection = np.linalg.qr(np.random.default_rng(0).standard_normal((32, 32)))[0][:, :5]
                names, dims = (tuple(getattr(m.config, key) for m in members) for key in ("name", "dim"))
                basis = SvdBasis(names, dims, (0.5, 0.3, 0.2), projection[: sum(dims)], mean=np.linspace(-1, 1, sum(dims)))
                loaded[name] = vsim_tf.Model(members, name, basis)
        return loaded[name]

    return model


def videos(frame_dim: int) -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        {"title": title, "ocr": "日月", "asr": "", "frames": rng.standard_normal((count, frame_dim)).tolist()}
        for title, count in zip(TITLES, COUNTS, strict=True)
    ]


def assert_same_numbers(model: vsim_tf.Model, folder: Path, code: str) -> None:
    """Of a program in the folder of the exported model that cannot find this package."""
    items = videos(model.frame_dim)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", f"{ALONE}{code}{NOT_IMPORTED}"]
    done = subprocess.run(
        command, cwd=folder, env=environment, input=json.dumps(items), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    expected = model.predict(items).probabilities if model.classes else model.encode(items)
    found = np.load(folder / "result.npy")
    assert found.dtype == np.float32 and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-2  # videos differ, so that the wrong one would be seen


@pytest.mark.parametrize("name", slow_but(["vocabularies"], MODELS))
def test_tensorflow_alone(models, tmp_path, name):
    model = models(name)
    verified = vsim_tf.export_model(model, tmp_path / name)
    assert verified.videos == verification.VIDEOS and verified.largest_difference < 1e-5
    assert_same_numbers(model, tmp_path / name, TENSORFLOW)


@pytest.mark.parametrize("name", slow_but(["job"], MODELS))
def test_onnxruntime_alone(models, tmp_path, name):
    model = models(name)
    assert vsim_tf.export_model(model, tmp_path / name, "onnx").largest_difference < 1e-5
    assert_same_numbers(model, tmp_path / name, ONNXRUNTIME)


@pytest.mark.slow
@pytest.mark.parametrize("kind", FORMATS)
def test_the_example_of_the_card(models, tmp_path, kind):
    model = models("uniter")
    vsim_tf.export_model(model, tmp_path / "exported", kind)
    (code,) = re.findall(r"```python\n(.*?)```", (tmp_path / "exported/README.md").read_text(encoding="utf-8"), re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(result.tolist())"], cwd=tmp_path / "exported", capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    expected = model.encode([{"title": "天地玄黄", "frames": np.zeros((8, toys.DIM))}])
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=1e-5)


@pytest.mark.slow
def test_the_code_of_serving_md(models, tmp_path):
    """In a folder with the first runs of the demo, after the commands."""
    in_python, tensorflow, onnxruntime = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/serving.md").read_text(encoding="utf-8"), re.DOTALL
    )
    shutil.copytree(models("uniter").name, tmp_path / "output/demo")
    model = vsim_tf.load(tmp_path / "output/demo")
    vsim_tf.export_model(model, tmp_path / "exported")
    vsim_tf.export_model(model, tmp_path / "exported-onnx", "onnx")
    codes = {
        in_python: "",
        tensorflow: "assert embeddings.shape == (2, 8)",
        onnxruntime: "assert embeddings.shape == (1, 8)",
    }
    for code, check in codes.items():
        environment = os.environ | ({"PYTHONPATH": str(ROOT)} if code == in_python else {})
        command = [sys.executable, "-c", f"{code}\n{check}"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "exported-by-python/saved_model.pb").exists()


# --- what is written --------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch):
    """No graph is made; the exported model gives the numbers of the checkpoints, changed by a function."""

    def change_by(change):
        encode, expected = vsim_tf.Model.encode, []

        def recorded(model, videos):
            expected.append(encode(model, videos))
            return expected[-1]

        def run(inputs):
            rows = len(inputs["num_frames"])
            return change(expected[-1] if rows > 1 else expected[-1][next(alone)][None])

        alone = iter(range(3))
        monkeypatch.setattr(vsim_tf.Model, "encode", recorded)
        monkeypatch.setattr(export_folder, "_write", lambda *given: None)
        monkeypatch.setattr(SavedModel, "open", lambda *given: run)

    return change_by


def test_inputs_of_two_vocabularies(models, tmp_path, quick):
    quick(lambda numbers: numbers * (1 + 1e-5))
    vsim_tf.export_model(models("vocabularies"), tmp_path / "exported")
    said = json.loads((tmp_path / "exported/export.json").read_text(encoding="utf-8"))
    verified = said.pop("verified")
    assert verified == {"videos": 12, "largest_difference": pytest.approx(1e-5, rel=0.1)}
    texts = [
        {"input_ids": f"input_ids_{n}", "attention_mask": f"attention_mask_{n}", "tokenizer": f"tokenizer_{n}", "kind": kind,
         "max_length": toys.TEXT, "form": "single"}
        for n, kind in enumerate(("bert", "roformer"))
    ]  # fmt: skip
    assert said == {
        "format": "vsim_tf export", "version": 1, "kind": "savedmodel", "texts": texts, "frames": {"dim": toys.DIM},
        "output": {"name": "embedding", "dim": 8}, "classes": [],
    }  # fmt: skip
    assert sorted(os.listdir(tmp_path / "exported")) == ["README.md", "client.py", "export.json", "tokenizer_0", "tokenizer_1"]
    assert os.listdir(tmp_path) == ["exported"]
    with pytest.raises(vsim_tf.UserError, match="exported is an exported model, a graph for programs without vsim_tf"):
        vsim_tf.load(tmp_path / "exported")


@pytest.mark.parametrize("change", [lambda numbers: numbers * (1 + 2e-4), lambda numbers: numbers * np.nan])
def test_other_numbers_leave_nothing(models, tmp_path, quick, change):
    quick(change)
    with pytest.raises(vsim_tf.UserError, match=r"exported: the exported model differs from its checkpoints by (0.0002|nan)"):
        vsim_tf.export_model(models("vocabularies"), tmp_path / "exported")
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_classes_and_their_order(models, tmp_path):
    vsim_tf.export_model(models("classifier"), tmp_path / "exported")
    said = json.loads((tmp_path / "exported/export.json").read_text(encoding="utf-8"))
    assert said["classes"] == list(CATEGORIES) and said["output"] == {"name": "probabilities", "dim": 5}


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_folder_that_is_there(models, tmp_path):
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported/a").touch()
    with pytest.raises(vsim_tf.UserError, match="exported is there already"):
        vsim_tf.export_model(models("vocabularies"), tmp_path / "exported")


def test_a_model_of_pictures(tmp_path):
    model = SimpleNamespace(name="run", members=[SimpleNamespace(config=toys.model("wbdc_1"))])
    with pytest.raises(vsim_tf.UserError, match="run: wbdc_1 read pictures; models that read features can be exported"):
        vsim_tf.export_model(model, tmp_path / "exported")
    assert not os.listdir(tmp_path)


@pytest.mark.slow
def test_a_model_in_bfloat16(models, tmp_path):
    run = Path(models("uniter").name) / "uniter/fold-00"
    with pytest.raises(vsim_tf.UserError, match="uniter not in float32; load the model with precision='float32'"):
        vsim_tf.export_model(vsim_tf.load(run, precision="mixed_bfloat16"), tmp_path / "exported")


def test_a_format_that_is_none(models, tmp_path):
    with pytest.raises(vsim_tf.UserError, match="format='tflite': one of savedmodel, onnx is accepted"):
        vsim_tf.export_model(models("vocabularies"), tmp_path / "exported", "tflite")


def test_weights_that_no_onnx_file_holds():
    Onnx().require_size(2 * 10**9)
    with pytest.raises(vsim_tf.UserError, match=r"format=onnx: the weights have 2.2 GB, a file holds up to 2.1 GB; export fewer"):
        Onnx().require_size(2_200_000_000)


def test_packages_that_are_not_installed(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(vsim_tf.UserError, match="tf2onnx and onnxruntime not installed; `pip install tf2onnx onnxruntime`"):
        Onnx().require_installed()

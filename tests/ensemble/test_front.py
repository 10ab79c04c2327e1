"""Which checkpoints a path stands for, and what is said of a path that is none."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toy_towers
import toys
from toy_runs import make_run

import vsim_tf
from vsim_tf.ensemble.front import _tower, find_basis, find_parts
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.inference.products import PREDICTIONS
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.runs.tower_origin import tower_origin

ROOT = Path(__file__).parents[2]
RUNS = {"uniter": (0, 1), "mix_nextvlad_asl": (0,), "mix_nextvlad": (0, 10)}


def make_folder(folder: Path, model: str, checkpoints=("last/ckpt-7", "best/ckpt-3")) -> Path:
    """All of a run folder that is looked at before its weights are read."""
    for checkpoint in checkpoints:
        (folder / checkpoint).parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{checkpoint}.index").touch()
    parts = {"model": toys.model(model).to_dict(), "training": toys.stage().to_dict()}
    config = parts | {"tokenizer": {}, "tags": {}, "data": {}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "summary.json").write_text("{}")
    return folder


@pytest.fixture
def output(tmp_path):
    for model, folds in RUNS.items():
        for fold in folds:
            make_folder(tmp_path / model / f"fold-{fold:02d}", model)
        make_folder(tmp_path / model / "pretrain", model)
    (tmp_path / "folds").mkdir()
    return tmp_path


def names(parts, output):
    return [[str(Path(checkpoint).relative_to(output)) for checkpoint in part.checkpoints] for part in parts]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("uniter/fold-01/best/ckpt-3", ["uniter/fold-01/best/ckpt-3"]),
        ("uniter/fold-01", ["uniter/fold-01/last/ckpt-7"]),
        ("uniter/pretrain", ["uniter/pretrain/last/ckpt-7"]),
        ("mix_nextvlad", ["mix_nextvlad/fold-00/last/ckpt-7", "mix_nextvlad/fold-10/last/ckpt-7"]),
    ],
)
def test_one_model_counts_alone(output, path, expected):
    (part,) = parts = find_parts(output / path, "last")
    assert names(parts, output) == [expected]
    assert part.weight == 1


def test_the_best_checkpoints(output):
    assert names(find_parts(output / "uniter", "best"), output) == [["uniter/fold-00/best/ckpt-3", "uniter/fold-01/best/ckpt-3"]]


def test_models_of_a_folder_count_by_their_registered_weights(output):
    """0.17, 0.20 and 0.13 of those that are there, over their sum 0.50."""
    parts = find_parts(output, "last")
    assert [part.model for part in parts] == ["mix_nextvlad", "mix_nextvlad_asl", "uniter"]
    assert [part.weight for part in parts] == pytest.approx([0.34, 0.40, 0.26])
    assert [len(part.checkpoints) for part in parts] == [2, 1, 2]


def test_the_models_and_weights_of_a_basis(output):
    SvdBasis(("uniter", "mix_nextvlad"), (4, 4), (0.3, 0.7), np.eye(8, 5)).save(output / "result.basis.npz")
    parts = find_parts(output, "last", find_basis(output))
    assert [(part.model, part.weight, len(part.checkpoints)) for part in parts] == [("uniter", 0.3, 2), ("mix_nextvlad", 0.7, 2)]


def test_a_basis_of_models_that_are_not_there(output):
    SvdBasis(("uniter", "qq_job1"), (4, 4), (0.5, 0.5), np.eye(8, 5)).save(output / "result.basis.npz")
    with pytest.raises(UserError, match=r"result.basis.npz is of uniter, qq_job1; .* has no trained qq_job1"):
        vsim_tf.load(output)


def test_classifiers_count_by_their_registered_weights_and_have_a_run_on_all_videos(tmp_path):
    """1 and 0.7 over their sum; the run `full` is one of a model's runs."""
    for run in ("wbdc_1/full", "wbdc_1/fold-02", "wbdc_3/fold-00"):
        make_folder(tmp_path / run, run.split("/")[0])
    parts = find_parts(tmp_path, "last")
    assert names(parts, tmp_path) == [["wbdc_1/fold-02/last/ckpt-7", "wbdc_1/full/last/ckpt-7"], ["wbdc_3/fold-00/last/ckpt-7"]]
    assert [(part.model, part.weight) for part in parts] == [("wbdc_1", 1 / 1.7), ("wbdc_3", pytest.approx(0.7 / 1.7))]


def test_models_of_two_kinds(output):
    folder = make_folder(output / "wbdc_3/fold-00", "wbdc_3")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"classes": {"count": 5}}))
    with pytest.raises(UserError, match=r"classifiers: .*uniter \(embeddings\), wbdc_3 \(predictions\); load the folder of one"):
        vsim_tf.load(output)
    assert find_parts(output / "wbdc_3", "last")[0].product is PREDICTIONS


def test_a_folder_of_another_program(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(UserError, match=r"is no folder of vsim_tf: its config.json is of another program; accepted are"):
        vsim_tf.load(tmp_path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere", r"/nowhere does not exist; accepted are a folder of models \(output/demo\), of one model's folds"),
        ("folds", r"/folds holds no trained model; accepted are"),
        ("uniter/fold-00/last", r"/last holds no trained model; accepted are"),
        ("uniter/fold-00/last/ckpt-8", r"no checkpoint .*/ckpt-8 .*; there is 1: .*/fold-00/last/ckpt-7$"),
    ],
)
def test_what_holds_no_model_is_said_with_what_does(output, path, message):
    with pytest.raises(UserError, match=message):
        vsim_tf.load(output / path)


def test_a_run_that_is_not_complete(output):
    (output / "uniter/fold-01/summary.json").unlink()
    for path in ("uniter/fold-01", "uniter", "."):
        with pytest.raises(UserError, match=r"fold-01: training is not complete"):
            vsim_tf.load(output / path)
    assert find_parts(output / "uniter/fold-01/last/ckpt-7", "last")


def test_folds_of_different_models(output):
    make_folder(output / "uniter/fold-02", "uniter_asl")
    with pytest.raises(UserError, match=r"fold-02 holds another model or vocabulary than .*fold-00"):
        vsim_tf.load(output / "uniter")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "float16"}, "^precision='float16': one of auto, float32, mixed_bfloat16 is accepted$"),
        ({"checkpoint": "first"}, "^checkpoint='first': one of last, best is accepted$"),
    ],
)
def test_options_are_checked_before_anything_is_read(output, options, message):
    with pytest.raises(UserError, match=message):
        vsim_tf.load(output, **options)


def test_a_mistake_in_the_path_is_found_without_tensorflow(output):
    code = f"""
import sys, vsim_tf
try:
    vsim_tf.load({str(output / "folds")!r})
except vsim_tf.UserError:
    assert "tensorflow" not in sys.modules
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60, check=True)


def test_models_of_different_frames_make_no_ensemble(tmp_path):
    make_run(tmp_path / "uniter/fold-00", "uniter", 0)
    make_run(tmp_path / "uniter_asl/fold-00", "uniter_asl", 0, {"frames.dim": 2 * toys.DIM})
    sizes = r"\{'uniter': 6, 'uniter_asl': 12\}"
    with pytest.raises(UserError, match=rf"the models differ in frames.dim: {sizes}; load one of them alone"):
        vsim_tf.load(tmp_path)


def test_a_model_in_the_folder_of_another_does_not_get_its_weight(tmp_path):
    make_run(tmp_path / "uniter_asl/fold-00", "uniter", 0)
    with pytest.raises(UserError, match=r"fold-00 holds model uniter, .*uniter_asl was asked for"):
        vsim_tf.load(tmp_path)


def test_a_damaged_checkpoint_is_found_when_the_model_is_loaded(tmp_path):
    runs = [make_run(tmp_path / f"uniter/fold-0{fold}", "uniter", fold) for fold in range(2)]
    (data,) = (runs[1] / "last").glob("ckpt-0.data-*")
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"fold-01/last/ckpt-0 is damaged"):
        vsim_tf.load(tmp_path / "uniter")


def test_a_checkpoint_beside_the_working_folder(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", "uniter", 0)
    monkeypatch.chdir(run / "last")
    assert vsim_tf.load("ckpt-0").dim == 8


def test_a_tower_besides_that_of_the_training_features(tmp_path):
    first, second = (toy_towers.write_clip(tmp_path / str(seed), toy_towers.tensors(seed=seed)) for seed in (7, 8))
    run = RunFolder(tmp_path / "run", {"data": {"features_by": tower_origin(first).to_json()}})
    model = SimpleNamespace(frame_dim=toy_towers.HIDDEN, runs=[run])
    assert _tower(first, "float32", model).dim == toy_towers.HIDDEN
    with pytest.raises(UserError, match=r"the model of .*run has those of .*/7, clip_dir=.*/8 those of .*/8; make"):
        _tower(second, "float32", model)

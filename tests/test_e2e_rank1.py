"""The pipeline of the 1st place on tiny demo data: modulo folds, three data sets in turn, best weights, SVD and its basis."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toys
from test_e2e import DIM, SIZES, pretrain_options

import vsim_tf
from vsim_tf.demo.data import write_demo_data
from vsim_tf.ensemble.run_report import ensemble_and_report
from vsim_tf.inference.embed_files import embed_folds
from vsim_tf.io.paths import folds_folder, model_folder, pretrain_folder
from vsim_tf.presets import registry
from vsim_tf.records.embeddings import read_embeddings, read_submission
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.runs.run_folder import RunFolder, read_json
from vsim_tf.training.finetuning import finetune
from vsim_tf.training.pair_runs import fold_runs
from vsim_tf.training.pretraining import pretrain

pytestmark = pytest.mark.optimised_graphs
JOBS = ("qq_job2", "qq_job5")
"""Frames first and the mean, [CLS] first and attention; the second reads the test sets as well."""


def settings(root: Path) -> dict:
    return {
        "output_dir": root / "output",
        "data_dir": root / "data",
        "weights": dict.fromkeys(JOBS, 0.5),
        "folds": None,
        "test_name": "test_b",
        "labelled_test_name": "test_a",
        "output_zip": str(root / "output" / "result.zip"),
        "frame_embedding_size": DIM,
        "command": "the command",
        "method": "svd",
    }


def run_all(root: Path) -> None:
    data, output = root / "data", root / "output"
    folds = folds_folder(output, "modulo")
    write_folds(
        f"{data}/pairwise/*.tfrecords", f"{data}/pairwise/label.tsv", folds, split="modulo", num_folds=2, frame_embedding_size=DIM
    )
    for job in JOBS:
        stage = toys.stage(6, (job, "pretrain"), batch_size=16, val_batch_size=32, eval_every=2, val_videos=20)
        options = pretrain_options(root, job, training=stage)
        pretrain(options)
        training = toys.stage(4, (job, "finetune"), batch_size=8, val_batch_size=16, eval_every=2)
        runs = fold_runs(model_folder(output, job), folds, [0])
        finetune(job, pretrain_folder(output, job), runs, training)
        tests = [f"{data}/{name}/{name}.tfrecords" for name in ("test_a", "test_b")]
        embed_folds(job, [run.folder for run in runs], tests, "", 16, "float32")
    ensemble_and_report(**settings(root))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("rank1")
    write_demo_data(str(root / "data"), frame_embedding_size=DIM, **SIZES)
    run_all(root)
    return root


def test_the_zip_has_float16_numbers_of_the_concatenation(root):
    with zipfile.ZipFile(root / "output/result.zip") as archive:
        result = json.loads(archive.read("result.json"))
    values = np.array(list(result.values()))
    assert values.shape == (SIZES["num_test_videos"], sum(registry_size(job) for job in JOBS))
    np.testing.assert_array_equal(values, values.astype(np.float16))


def registry_size(job: str) -> int:
    return toys.model(job).embedding_size


def test_embeddings_of_the_jobs_have_unit_norm(root):
    for job in JOBS:
        values = read_embeddings(root / "output" / job / "fold-00/embeddings/test_a.npz").values
        np.testing.assert_allclose(np.linalg.norm(values, axis=1), 1, atol=1e-3)


def test_later_stages_take_the_best_checkpoint(root):
    pretrained, run = (RunFolder.open(root / "output/qq_job2" / name) for name in ("pretrain", "fold-00"))
    assert Path(pretrained.checkpoint()).parent.name == Path(run.checkpoint()).parent.name == "best"
    note = read_json(root / "output/qq_job2/fold-00/embeddings/test_a.json")
    assert note["checkpoint"].startswith("best/")


def test_the_settings_name_all_data_sets(root):
    data = RunFolder.open(root / "output/qq_job5/pretrain").config["data"]
    assert data.keys() == {"train", "pairwise", "test", "validation", "pairs"}
    assert [len(data[name]) for name in ("train", "pairwise", "test")] == [3, 1, 2]


def test_the_basis_gives_the_same_zip(root, tmp_path):
    output = str(tmp_path / "again.zip")
    ensemble_and_report(**settings(root) | {"output_zip": output, "svd_basis": str(root / "output/result.basis.npz")})
    results = [zipfile.ZipFile(path).read("result.json") for path in (root / "output/result.zip", output)]
    assert results[0] == results[1]


def test_the_library_opens_the_folder_as_the_ensemble_of_the_zip(root):
    """The scripts round each job's embeddings and the result to float16, which `encode` does not."""
    model = vsim_tf.load(root / "output")
    expected = read_submission(root / "output/result.zip")
    items = {item["id"]: item for item in map(item_of, tf.data.TFRecordDataset(f"{root}/data/test_b/test_b.tfrecords"))}
    assert model.dim == expected.values.shape[1]
    np.testing.assert_allclose(model.encode([items[video] for video in expected.ids]), expected.values, atol=2e-3)


def item_of(record: tf.Tensor) -> dict:
    feature = tf.train.Example.FromString(record.numpy()).features.feature
    frames = b"".join(feature["frame_feature"].bytes_list.value)
    texts = {key: feature[key].bytes_list.value[0].decode() for key in ("id", "title")}
    return texts | {"frames": np.frombuffer(frames, "<f2").reshape(-1, DIM)}


def test_the_report_has_errors_of_every_job(root):
    report = (root / "output/report.md").read_text()
    assert all(word in report for word in (*JOBS, "MSE", "folds, modulo"))


def test_the_library_opens_a_job(root):
    model = vsim_tf.load(root / "output/qq_job2")
    item = {"title": "天地", "frames": np.ones((3, DIM), np.float16)}
    assert np.linalg.norm(model.encode(item)) == pytest.approx(1, abs=1e-5)
    assert registry.preset("qq_job2").folds == "0"


def test_a_second_run_changes_nothing(root):
    files = {path: path.stat().st_mtime_ns for path in (root / "output").rglob("*") if path.is_file()}
    run_all(root)
    changed = {path.name for path, time in files.items() if path.exists() and path.stat().st_mtime_ns != time}
    assert changed <= {"result.zip", "result.basis.npz", "report.md", "report.png", "report.html", "timings.tsv"}

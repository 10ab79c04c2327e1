"""The whole pipeline on tiny demo data: folds, pre-training, fine-tuning, embeddings, ensemble, zip and report."""

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import toys
from html_pages import parsed
from script_flags import refused

from vsim_tf.cli import finetune as finetune_command
from vsim_tf.cli import flags
from vsim_tf.demo.data import write_demo_data
from vsim_tf.distributed import device
from vsim_tf.ensemble import run_report
from vsim_tf.ensemble.combine import fold_mean, svd_ensemble
from vsim_tf.ensemble.curves import validation_curve
from vsim_tf.ensemble.find import find_members
from vsim_tf.ensemble.labelled_set import frame_width, score_test_set
from vsim_tf.ensemble.note import announce_ensemble, note_sources
from vsim_tf.ensemble.page.pairs import NO_PAIRS
from vsim_tf.ensemble.run_report import ensemble_and_report
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.ensemble.scores import ModelScores, SetScores
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_rows, pair_spearman
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize
from vsim_tf.inference.embed_files import announce_embedded, embed_folds, embed_to_file
from vsim_tf.io.files import exclusive
from vsim_tf.io.paths import report_file, sources_file
from vsim_tf.launch.plan import flags_of
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.models.build import build_network
from vsim_tf.records.embeddings import Embeddings, read_embeddings, read_submission
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.labels import read_labels
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import parse_example, video_record
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.run_folder import RunFolder, checkpoint_fingerprint
from vsim_tf.runs.weights import restore_weights
from vsim_tf.training import finished, pretrain_inputs
from vsim_tf.training.finetuning import finetune
from vsim_tf.training.finished import announce_finetuned, announce_pretrained
from vsim_tf.training.pair_runs import fold_run, pattern_run
from vsim_tf.training.pretrain_inputs import PretrainOptions
from vsim_tf.training.pretraining import pretrain

pytestmark = pytest.mark.optimised_graphs
ROOT = Path(__file__).parents[1]
DIM, FOLDS = 16, (0, 2)
WEIGHTS = {"uniter": 0.75, "mix_nextvlad": 0.25}
SIZES = {"num_pointwise": 60, "num_pairwise_videos": 40, "num_pairs": 60, "num_test_videos": 30, "num_test_pairs": 40}
PRETRAINING = toys.stage(4, ("uniter", "pretrain"), batch_size=16, val_batch_size=32, eval_every=2)
FINETUNING = toys.stage(4, batch_size=8, val_batch_size=16, eval_every=2)


def pretrain_options(root: Path, name: str, **changes) -> PretrainOptions:
    data = root / "data"
    values = {
        "model": toys.model(name, {"frames.dim": DIM, "text.max_length": 12}, num_tags=0),
        "training": toys.stage(4, (name, "pretrain"), batch_size=16, val_batch_size=32, eval_every=2),
        "train_records": f"{data}/pointwise/*.tfrecords",
        "val_records": f"{data}/pairwise/*.tfrecords",
        "test_records": f"{data}/test_*/*.tfrecords",
        "label_file": f"{data}/pairwise/label.tsv",
        "tag_file": f"{data}/tag_list.txt",
        "hub_dir": "",
        "vocab": "",
        "folder": root / "output" / name / "pretrain",
    }
    return PretrainOptions(**values | changes)


def runs(root: Path, model: str, folds=FOLDS):
    return [fold_run(root / "output" / model, root / "output" / "folds", fold) for fold in folds]


def run_all(root: Path):
    """What run.sh does, in one process."""
    data, output = root / "data", root / "output"
    write_folds(
        f"{data}/pairwise/*.tfrecords", f"{data}/pairwise/label.tsv", output / "folds", num_folds=3, frame_embedding_size=DIM
    )
    for model in WEIGHTS:
        pretrain(pretrain_options(root, model))
        finetune(model, output / model / "pretrain", runs(root, model), FINETUNING)
        tests = [f"{data}/{name}/{name}.tfrecords" for name in ("test_a", "test_b")]
        embed_folds(model, [run.folder for run in runs(root, model)], tests, "last", 16, "float32")
    ensemble(root)


def ensemble_settings(root: Path) -> dict:
    return {
        "output_dir": root / "output",
        "data_dir": root / "data",
        "weights": WEIGHTS,
        "folds": FOLDS,
        "test_name": "test_b",
        "labelled_test_name": "test_a",
        "output_zip": str(root / "output" / "result.zip"),
        "frame_embedding_size": DIM,
    }


def ensemble(root: Path, **changes):
    ensemble_and_report(**ensemble_settings(root) | {"command": "the command"} | changes)


def no_socket(*_, **__):
    pytest.fail("nothing may ask for a network")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The result of a whole run below a path with blanks and Chinese characters, while no socket can be made."""
    root = tmp_path_factory.mktemp("视频 and blanks")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("socket", "create_connection", "getaddrinfo", "gethostbyname"):
            patch.setattr(socket, name, no_socket)
        write_demo_data(str(root / "data"), frame_embedding_size=DIM, **SIZES)
        run_all(root)
    return root


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(p): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


def ids_of(root, name) -> list[str]:
    form = RunFolder.open(root / "output/uniter/pretrain").batch_format()
    batches = toys.evaluation_batches([str(root / "data" / name / f"{name}.tfrecords")], "videos", form, 50)
    return [video_id.decode() for batch in batches for video_id in batch.ids.numpy()]


def test_the_zip_is_what_the_contest_asks_for(root):
    with zipfile.ZipFile(root / "output" / "result.zip") as archive:
        assert archive.namelist() == ["result.json"]
        result = json.loads(archive.read("result.json"))
    assert list(result) == ids_of(root, "test_b")
    values = np.array(list(result.values()))
    assert values.shape == (SIZES["num_test_videos"], 8)
    assert np.isfinite(values).all()
    assert np.ptp(values, axis=0).any()


def test_the_zip_holds_the_weighted_sum_of_the_fold_means(root):
    expected = 0
    for model, weight in WEIGHTS.items():
        members = [read_embeddings(root / "output" / model / f"fold-{fold:02d}/embeddings/test_b.npz") for fold in FOLDS]
        expected = expected + weight * np.mean([member.values.astype(np.float64) for member in members], axis=0)
    np.testing.assert_allclose(read_submission(root / "output" / "result.zip").values, expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("combination", "words"),
    [
        ({"normalize": True}, "| ensemble | weighted sum of unit-norm embeddings |"),
        ({"method": "svd"}, "| ensemble | SVD of unit-norm embeddings, concatenated |"),
    ],
)
def test_zip_and_report_are_of_the_ensemble_asked_for(root, tmp_path, combination, words):
    for name in ("folds", *WEIGHTS):
        (tmp_path / name).symlink_to(root / "output" / name)
    ensemble(root, output_dir=tmp_path, output_zip=f"{tmp_path}/result.zip", **combination)
    report, plain = ((folder / "report.md").read_text() for folder in (tmp_path, root / "output"))
    assert words in report
    assert "| ensemble | weighted sum of embeddings |" in plain
    scores = {}
    for name in ("test_a", "test_b"):
        result = ensemble_run(find_members(tmp_path, dict.fromkeys(WEIGHTS, FOLDS), name), WEIGHTS, **combination)
        scores[name] = result.embeddings
    rounded = scores["test_b"].values.astype("float16" if "method" in combination else "float64")
    np.testing.assert_allclose(read_submission(tmp_path / "result.zip").values, rounded, rtol=1e-12)
    score = pair_spearman(scores["test_a"], read_labels(root / "data/test_a/label.tsv"))
    assert f"| ensemble |  |  | 1 | {score:.4f} |" in report


def test_a_report_is_next_to_the_zip_it_describes(root, tmp_path):
    """With the basis of an SVD. And that of the training run stays."""
    before = {name: (root / "output" / name).read_bytes() for name in ("report.md", "report.png", "report.html", "result.zip")}
    ensemble(root, output_zip=f"{tmp_path}/by svd.zip", method="svd")
    endings = (".basis.npz", ".report.html", ".report.md", ".report.png", ".zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"by svd{ending}" for ending in endings]
    assert "SVD of unit-norm embeddings" in (tmp_path / "by svd.report.md").read_text()
    assert "(by%20svd.report.png)" in (tmp_path / "by svd.report.md").read_text()
    assert {name: (root / "output" / name).read_bytes() for name in before} == before
    assert report_file("here/result.zip", Path("here")) == Path("here/report.md")
    assert report_file("./result.zip", Path("here")) == Path("result.report.md")


def test_the_frames_width_of_the_baseline_is_that_of_the_runs(root, tmp_path):
    ensemble(root, output_zip=f"{tmp_path}/a.zip", frame_embedding_size=None)
    assert frame_width(root / "output/uniter/fold-00") == DIM
    baselines = [
        [line for line in report.read_text().splitlines() if line.startswith("| baseline")]
        for report in (tmp_path / "a.report.md", root / "output/report.md")
    ]
    assert len(baselines[0]) == 3
    assert baselines[0] == baselines[1]


def test_the_report_of_an_svd_has_the_errors_of_models_concatenation_and_svd(root, tmp_path):
    """Spearman and mean squared error of the cosine to the rank of the label, scaled to 0 to 1."""
    ensemble(root, output_zip=f"{tmp_path}/a.zip", method="svd")
    pairs = read_labels(root / "data/test_a/label.tsv")
    target = rank_normalized(np.array([pair.similarity for pair in pairs]))
    means = {m: fold_mean(find_members(root / "output", {m: FOLDS}, "test_a")[m]) for m in WEIGHTS}
    concatenation = np.concatenate([np.sqrt(WEIGHTS[model]) * l2_normalize(mean.values) for model, mean in means.items()], axis=1)
    rows = means | {
        "concatenation": Embeddings(means["uniter"].ids, concatenation),
        "SVD": svd_ensemble(means.values(), list(WEIGHTS.values())),
    }
    table = (tmp_path / "a.report.md").read_text().split("| fold mean |")[1].splitlines()[2:6]
    for line, (name, embeddings) in zip(table, rows.items(), strict=True):
        first, second, _ = pair_rows(embeddings.ids, pairs)
        error = np.mean((cosine_similarity(embeddings.values[first], embeddings.values[second]) - target) ** 2)
        assert line == f"| {name} | {pair_spearman(embeddings, pairs):.4f} | {error:.6f} |"
    assert "MSE" not in (root / "output/report.md").read_text()


def test_a_basis_is_applied_instead_of_fitting_one(root, tmp_path):
    """To the fitted videos with the same result, and to others; the report says so. A zip has its basis next to it."""
    ensemble(root, output_zip=f"{tmp_path}/a.zip", method="svd")
    basis = f"{tmp_path}/a.basis.npz"
    turned = dict(reversed(WEIGHTS.items()))
    ensemble(root, output_zip=f"{tmp_path}/b.zip", method="svd", svd_basis=basis, weights=turned)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert f"SVD of unit-norm embeddings, concatenated, by the basis {basis}" in (tmp_path / "b.report.md").read_text()
    np.testing.assert_array_equal(SvdBasis.load(tmp_path / "b.basis.npz").projection, SvdBasis.load(basis).projection)
    ensemble(root, output_zip=f"{tmp_path}/c.zip", method="svd", svd_basis=basis, test_name="test_a")
    members = find_members(root / "output", dict.fromkeys(WEIGHTS, FOLDS), "test_a")
    expected = SvdBasis.load(basis).project({model: fold_mean(files).values for model, files in members.items()})
    np.testing.assert_array_equal(read_submission(tmp_path / "c.zip").values, expected.astype("float16"))
    ensemble(root, output_zip=f"{tmp_path}/b.zip")
    assert not (tmp_path / "b.basis.npz").exists()


def test_a_basis_of_files_counts_them_by_their_place(root, tmp_path):
    files = [str(root / f"output/{model}/fold-00/embeddings/test_b.npz") for model in WEIGHTS]
    given = {"folds": None, "are_files": True, "method": "svd", "weights": dict.fromkeys(files, 0.5)}
    ensemble(root, output_zip=f"{tmp_path}/a.zip", **given)
    assert SvdBasis.load(tmp_path / "a.basis.npz").names == ("member 1", "member 2")
    copies = [str(shutil.copy(file, tmp_path / f"{number}.npz")) for number, file in enumerate(files)]
    given |= {"weights": dict.fromkeys(copies, 0.5), "svd_basis": f"{tmp_path}/a.basis.npz"}
    ensemble(root, output_zip=f"{tmp_path}/b.zip", **given)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with pytest.raises(UserError, match=r"a.basis.npz is of another ensemble: .*/0.npz .*, member 2 .*; embeddings are of"):
        ensemble(root, output_zip=f"{tmp_path}/c.zip", **given | {"weights": {copies[0]: 0.5}})
    with pytest.raises(UserError, match=r"another ensemble: member 1 .*; embeddings are of uniter .*, mix_nextvlad"):
        ensemble(root, output_zip=f"{tmp_path}/c.zip", method="svd", svd_basis=given["svd_basis"])
    assert not list(tmp_path.glob("c.*"))


def test_models_of_different_folds(root, tmp_path, console):
    """Each has those that are embedded; a fold without embeddings of the zip's set is left out, and said."""
    for name in ("folds", "uniter"):
        (tmp_path / name).symlink_to(root / "output" / name)
    shutil.copytree(root / "output/mix_nextvlad", tmp_path / "mix_nextvlad")
    for name in ("test_b.npz", "test_b.json"):
        (tmp_path / "mix_nextvlad/fold-02/embeddings" / name).unlink()
    ensemble(root, output_dir=tmp_path, output_zip=f"{tmp_path}/result.zip", folds=None)
    assert "mix_nextvlad: left out are folds without embeddings of test_b: 2" in console.readouterr().out
    report = (tmp_path / "report.md").read_text()
    assert "| model | folds | one fold (mean) | fold mean | weight | ensemble |" in report
    assert "| uniter | 2 |" in report and "| mix_nextvlad | 1 |" in report
    folds = {"uniter": FOLDS, "mix_nextvlad": FOLDS[:1]}
    means = {model: fold_mean(files).values for model, files in find_members(tmp_path, folds, "test_b").items()}
    expected = sum(WEIGHTS[model] * means[model] for model in WEIGHTS)
    np.testing.assert_allclose(read_submission(tmp_path / "result.zip").values, expected, rtol=1e-12)
    with pytest.raises(UserError, match=r"no embeddings of test_b for 1: mix_nextvlad/fold-02; there are those of"):
        ensemble(root, output_dir=tmp_path, output_zip=f"{tmp_path}/b.zip")


def test_without_training_records_the_ridge_baseline_alone_is_missing(root, tmp_path, caplog):
    """With a part of them it is there."""
    for name in ("test_a", "pairwise"):
        shutil.copytree(root / "data" / name, tmp_path / "data" / name)
    ensemble(root, data_dir=tmp_path / "data", output_zip=f"{tmp_path}/a.zip")
    assert "baseline: ridge to tags | " in (tmp_path / "a.report.md").read_text()
    assert "baseline" not in caplog.text
    shutil.rmtree(tmp_path / "data/pairwise")
    ensemble(root, data_dir=tmp_path / "data", output_zip=f"{tmp_path}/b.zip")
    assert "The report has no baseline 'ridge to tags': " in caplog.text and "matches no file" in caplog.text
    report = (tmp_path / "b.report.md").read_text()
    assert "baseline: mean frame cosine" in report and "ridge" not in report


@pytest.mark.parametrize("spoil", ["width", "records", "config"])
def test_a_baseline_that_fails_is_a_warning(root, tmp_path, caplog, spoil):
    data, output, width = tmp_path / "data", tmp_path / "output", None
    shutil.copytree(root / "data/test_a", data / "test_a")
    shutil.copytree(root / "output", output)
    if spoil == "width":
        width = DIM + 1
    elif spoil == "records":
        (data / "test_a/test_a.tfrecords").unlink()
    else:
        (output / "uniter/fold-00/config.json").write_text("{}")
    ensemble(root, data_dir=data, output_dir=output, output_zip=f"{tmp_path}/a.zip", frame_embedding_size=width)
    words = {"width": "frame 0 has 32 bytes", "records": "matches no file", "config": "to retrain it"}
    assert f"The report has no baselines: {tmp_path}" in caplog.text.replace("'", "")
    assert words[spoil] in caplog.text
    assert (tmp_path / "a.zip").read_bytes() == (root / "output/result.zip").read_bytes()
    report, whole = ((tmp_path / "a.report.md").read_text(), (root / "output/report.md").read_text())
    assert "baseline" not in report.split("##")[1]
    assert next(line for line in whole.splitlines() if line.startswith("| ensemble |  ")) in report


def test_a_labelled_set_without_embeddings_is_no_report_and_bad_labels_are_no_zip(root, tmp_path, console):
    data = tmp_path / "data"
    shutil.copytree(root / "data", data)
    shutil.copytree(data / "test_a", data / "test_c")
    ensemble(root, data_dir=data, labelled_test_name="test_c", output_zip=f"{tmp_path}/a.zip")
    said = console.readouterr().out
    assert "no report: " in said
    assert "no embeddings of test_c for 4: " in said
    assert "there are those of test_a (4 runs), test_b (4 runs)" in said
    (data / "test_a/label.tsv").write_text("1\t2\n")
    with pytest.raises(UserError, match=r"label.tsv, line 1"):
        ensemble(root, data_dir=data, output_zip=f"{tmp_path}/b.zip")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.report.html", "a.zip"]
    page = parsed((tmp_path / "a.report.html").read_text(encoding="utf-8"))
    assert any(text.startswith("There are no scores: ") and "no embeddings of test_c" in text for text in page.texts)
    assert page.tags["article"] == 20 and NO_PAIRS not in page.texts and "Fine-tuning, a line for each run:" in page.texts


def test_an_ensemble_below_its_best_model_is_said(root, tmp_path, monkeypatch, console):
    models = [ModelScores("uniter", 0.5, [0.7], 0.7), ModelScores("mix_nextvlad", 0.5, [0.2], 0.2)]
    monkeypatch.setattr(
        run_report, "score_test_set", lambda *asked: (SetScores("test_a", models, 0.6, {}, 30, 40), score_test_set(*asked)[1])
    )
    ensemble(root, output_zip=f"{tmp_path}/a.zip")
    assert "The ensemble scores 0.6000 on test_a, below 0.7000 of uniter alone: " in console.readouterr().out


def test_the_script_takes_models_weights_and_width_from_the_runs(root, tmp_path):
    """Two of the six models are there, with two folds: their weights are scaled to sum to 1, without a warning."""
    command = [sys.executable, "ensemble_final.py", f"--data_dir={root}/data", f"--output_dir={root}/output"]
    ended = subprocess.run([*command, f"--output_zip={tmp_path}/a.zip"], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stderr) == (0, "")
    members = {model: fold_mean(find_members(root / "output", {model: FOLDS}, "test_b")[model]).values for model in WEIGHTS}
    expected = (0.17 * members["mix_nextvlad"] + 0.13 * members["uniter"]) / 0.3
    np.testing.assert_allclose(read_submission(tmp_path / "a.zip").values, expected, rtol=1e-12)
    report = (tmp_path / "a.report.md").read_text()
    assert "baseline: mean frame cosine" in report
    assert report.index("| mix_nextvlad |") < report.index("| uniter |")


def test_scores_that_are_not_defined_are_read(tmp_path):
    """null, and NaN in files of older versions."""
    (tmp_path / "a").write_text('{"validation/spearman": null}\n{"loss": 1}\n{"validation/spearman": 0.5}\n')
    (tmp_path / "b").write_text('{"validation/spearman": NaN}\n')
    assert [str(value) for value in validation_curve(tmp_path / "a")] == ["nan", "0.5"]
    assert [str(value) for value in validation_curve(tmp_path / "b")] == ["nan"]


def test_the_report_scores_every_model_on_the_labelled_set(root):
    report = (root / "output" / "report.md").read_text()
    assert all(model in report for model in WEIGHTS)
    assert "the command" in report
    assert "test_a" in report


def test_the_page_has_scores_curves_and_titles(root):
    text = (root / "output" / "report.html").read_text(encoding="utf-8")
    page = parsed(text)
    assert len(text) < 3e6 and page.tags["svg"] >= 3 + 4 * len(WEIGHTS)
    line, *_ = [line for line in (root / "output/report.md").read_text().splitlines() if line.startswith("| ensemble |")]
    assert {line.split(" | ")[-1].removesuffix(" |"), "the command", *WEIGHTS} <= set(page.texts)
    videos = [
        parse_example(data, "")["title"].bytes_list.value[0] for _, data in read_records(root / "data/test_a/test_a.tfrecords")
    ]
    assert len({title.decode() for title in videos} & set(page.texts)) >= 20
    assert not any(text.startswith("Left out: ") for text in page.texts if "run.sh" not in text)


def test_each_run_holds_all_that_inference_needs(root):
    for model in WEIGHTS:
        for run in ("pretrain", *(f"fold-{fold:02d}" for fold in FOLDS)):
            folder = root / "output" / model / run
            names = {path.name for path in folder.iterdir()}
            assert {"config.json", "metrics.jsonl", "tag_list.txt", "tokenizer", "last", "events", "summary.json"} <= names
            assert RunFolder.open(folder).config["model"]["name"] == model
            assert json.loads((folder / "summary.json").read_text())["step"] == 4
            assert newest_checkpoint(folder, "last").endswith("ckpt-4")


def test_one_checkpoint_gives_the_same_embeddings_as_all_in_one_pass(root, tmp_path):
    """Also after its folder has been moved away from everything else."""
    shutil.copytree(root / "output/uniter/fold-02", tmp_path / "moved")
    checkpoint = newest_checkpoint(tmp_path / "moved", "last")
    embed_to_file(checkpoint, [f"{root}/data/test_b/test_b.tfrecords"], f"{tmp_path}/one.zip", 7, "float32", "uniter")
    one = read_submission(tmp_path / "one.zip")
    other = read_embeddings(root / "output/uniter/fold-02/embeddings/test_b.npz")
    assert one.ids == list(other.ids) == ids_of(root, "test_b")
    np.testing.assert_allclose(one.values, other.values, atol=2e-3)  # both are float16


def test_fine_tuning_of_the_4th_place_starts_from_the_last_weights(root):
    """Those of the 1st place from the best: training/test_rank1_stages.py."""
    for model in WEIGHTS:
        pretrained = root / "output" / model / "pretrain"
        prints = {kind: checkpoint_fingerprint(newest_checkpoint(pretrained, kind)) for kind in ("last", "best")}
        found = RunFolder.open(root / "output" / model / "fold-00").config["data"]["pretrained"]
        assert found == prints["last"] != prints["best"]


def test_folds_start_from_the_same_weights_and_end_elsewhere(root):
    first, second = (read_embeddings(root / f"output/uniter/fold-0{fold}/embeddings/test_a.npz").values for fold in FOLDS)
    assert not np.array_equal(first, second)
    curves = []
    for fold in FOLDS:
        lines = (root / f"output/uniter/fold-0{fold}/metrics.jsonl").read_text().splitlines()
        curves.append([json.loads(line) for line in lines])
    assert [line["step"] for line in curves[0]] == [0, 2, 2, 4, 4]


def test_a_second_run_of_everything_changes_nothing(root, console):
    before = contents(root / "output")
    run_all(root)
    after = contents(root / "output")
    redone = {path for path in after if before.get(path) != after[path]}
    assert {Path(path).name for path in redone} <= {"result.zip", "report.md", "report.png", "report.html"}
    assert before.keys() == after.keys()
    zips = [contents[str(root / "output/result.zip")][1] for contents in (before, after)]
    assert zips[0] == zips[1]
    said = console.readouterr().out
    assert "nothing to do" in said
    assert said.count(": complete at step 4") == 2 * (1 + len(FOLDS))
    assert said.count("embeddings by 2 checkpoints are there already") == 4


FINISHED = """
import sys
from pathlib import PosixPath

from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.models.architectures import FrameInput, SingleStream, TextInput
from vsim_tf.models.frame_embeddings import DenseFrames
from vsim_tf.models.layouts import TextFirst
from vsim_tf.models.pooling import MeanPooling
from vsim_tf.models.projections import ProjectedStates
from vsim_tf.models.tag_heads import EmbeddingTags
from vsim_tf.optim.groups import Group
from vsim_tf.optim.schedules import LinearSchedule
from vsim_tf.optim.settings import Adam
from vsim_tf.runs.stage import Selection, Stage
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.pair_similarity import SimilarityDivergence, SquaredError
from vsim_tf.tasks.tags import Tags
from vsim_tf.training.pretrain_inputs import PretrainOptions
from vsim_tf.ensemble.note import announce_ensemble
from vsim_tf.inference.embed_files import announce_embedded
from vsim_tf.training.finished import announce_finetuned, announce_pretrained
from vsim_tf.training.pair_runs import PairRun

assert announce_pretrained({options})
assert announce_finetuned("uniter", {pretrained}, {runs}, {training}, False)
assert announce_embedded("uniter", {folders}, {tests}, "last", "float32")
assert announce_ensemble({settings})
assert not {{"tensorflow", "keras"}} & set(sys.modules)
"""


def test_finished_stages_are_recognised_without_tensorflow(root, tmp_path):
    """Pre-training, fine-tuning, embedding and ensemble; settings that differ, or a file that is gone, are seen all the same."""
    data, output = root / "data", root / "output"
    settings = ensemble_settings(root)
    note_sources(settings, [output / "result.zip", output / "report.md"])
    values = {
        "options": pretrain_options(root, "uniter"), "pretrained": output / "uniter/pretrain", "runs": runs(root, "uniter"),
        "training": FINETUNING, "folders": [run.folder for run in runs(root, "uniter")], "settings": settings,
        "tests": [f"{data}/{name}/{name}.tfrecords" for name in ("test_a", "test_b")],
    }  # fmt: skip
    (tmp_path / "finished.py").write_text(FINISHED.format(**{name: repr(value) for name, value in values.items()}))
    command = [sys.executable, str(tmp_path / "finished.py")]
    subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=60)
    sources_file(settings["output_zip"]).unlink()  # other tests take the folder as run_all left it


def test_what_is_not_finished_is_not_announced(root, tmp_path, console):
    output = root / "output"
    shutil.copytree(output / "uniter", tmp_path / "uniter")
    options = pretrain_options(root, "uniter", folder=tmp_path / "uniter/pretrain")
    pair_runs = [fold_run(tmp_path / "uniter", output / "folds", fold) for fold in FOLDS]
    tests = [f"{root}/data/test_a/test_a.tfrecords"]
    assert not announce_pretrained(pretrain_options(root, "uniter", overwrite=True))
    assert not announce_finetuned("uniter", options.folder, pair_runs, FINETUNING, overwrite=True)
    for folder in (options.folder, pair_runs[1].folder):
        (folder / "summary.json").unlink()
    assert not announce_pretrained(options)
    assert not announce_embedded("uniter", [run.folder for run in pair_runs], tests, "last", "float32")
    shutil.copy(output / "uniter/pretrain/summary.json", options.folder)
    assert not announce_finetuned("uniter", options.folder, pair_runs, FINETUNING, overwrite=False)
    assert console.readouterr().out == ""


def test_a_finished_run_of_other_settings_is_refused_without_tensorflow_too(root):
    with refused(r"--seed: 42 there, 43 asked for"):
        announce_pretrained(pretrain_options(root, "uniter", training=PRETRAINING.replace(seed=43)))
    with refused(r"--seed: 42 there, 43 asked for"):
        announce_finetuned("uniter", root / "output/uniter/pretrain", runs(root, "uniter"), FINETUNING.replace(seed=43), False)


@pytest.mark.parametrize(("found", "decided"), [("float32", True), ("mixed_bfloat16", False)])
def test_where_auto_is_another_precision_than_the_run_has_the_stage_decides(root, monkeypatch, found, decided):
    monkeypatch.setattr(finished, "likely_precision", lambda wanted: found if wanted == "auto" else wanted)
    options = pretrain_options(root, "uniter", training=PRETRAINING.replace(precision="auto"))
    assert announce_pretrained(options) == decided


def test_several_machines_decide_together(root, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}')
    assert not announce_pretrained(pretrain_options(root, "uniter"))


def test_titles_are_read_once(root, tmp_path, monkeypatch):
    """A vocabulary is taken from the run folder as long as it was built from the same files."""
    options = pretrain_options(root, "uniter")
    monkeypatch.setattr(pretrain_inputs, "read_texts", lambda files, keys: pytest.fail("titles are read again"))
    pretrain(options)
    (root / "output/uniter/pretrain/tokenizer/source.json").rename(tmp_path / "note")
    with pytest.raises(pytest.fail.Exception, match="titles are read again"):
        announce_pretrained(options)
    monkeypatch.undo()
    assert announce_pretrained(options)
    assert (root / "output/uniter/pretrain/tokenizer/source.json").read_bytes() == (tmp_path / "note").read_bytes()


def test_titles_of_changed_files_are_read_again(root, tmp_path):
    shutil.copytree(root / "data", tmp_path / "data")
    shutil.copytree(root / "output/uniter/pretrain", tmp_path / "output/uniter/pretrain")
    options = pretrain_options(tmp_path, "uniter")
    assert announce_pretrained(options)
    file = tmp_path / "data/pointwise/pretrain_0.tfrecords"
    toys.write_records(file, [video_record("1", "夕夕夕", np.zeros((1, DIM)), tags=[1])])
    with pytest.raises(UserError, match="tokenizer.sha256|data.train"):
        announce_pretrained(options)


@pytest.mark.parametrize("change", ["zip", "report", "labels", "embeddings", "basis", "fold", "weights", "damaged note"])
def test_zip_and_report_are_made_again_when_something_changed(root, tmp_path, change):
    shutil.copytree(root / "data", tmp_path / "data")
    shutil.copytree(root / "output", tmp_path / "output")
    settings = ensemble_settings(tmp_path) | {"folds": None, "svd_basis": str(tmp_path / "a.npz")}
    (tmp_path / "a.npz").touch()
    outputs = [tmp_path / "output/result.zip", tmp_path / "output/report.md"]
    note_sources(settings, outputs)
    assert announce_ensemble(settings)
    touched = {
        "zip": outputs[0], "report": outputs[1], "labels": tmp_path / "data/test_a/label.tsv",
        "embeddings": tmp_path / "output/uniter/fold-02/embeddings/test_b.npz", "basis": tmp_path / "a.npz",
    }  # fmt: skip
    if change in touched:
        os.utime(touched[change])
    elif change == "weights":
        settings["weights"] = {"uniter": 0.5, "mix_nextvlad": 0.5}
    elif change == "fold":
        shutil.copytree(tmp_path / "output/uniter/fold-02", tmp_path / "output/uniter/fold-01")
    else:
        sources_file(settings["output_zip"]).write_text("{")
    assert not announce_ensemble(settings)


def test_a_folder_that_another_process_writes_is_left_alone_also_with_overwrite(root, tmp_path):
    shutil.copytree(root / "output/uniter", tmp_path / "uniter")
    folder, run = tmp_path / "uniter/pretrain", fold_run(tmp_path / "uniter", root / "output/folds", 0)
    before = contents(tmp_path)
    tests = [f"{root}/data/test_a/test_a.tfrecords"]
    with exclusive(folder), pytest.raises(UserError, match="uniter/pretrain: another process is writing into it"):
        pretrain(pretrain_options(root, "uniter", folder=folder, overwrite=True))
    with exclusive(run.folder), pytest.raises(UserError, match="uniter/fold-00: another process is writing into it"):
        finetune("uniter", folder, [run], FINETUNING, overwrite=True)
    with exclusive(run.folder), pytest.raises(UserError, match="uniter/fold-00: another process is writing into it"):
        embed_folds("uniter", [run.folder], tests, "last", 8, "float32")
    assert contents(tmp_path) == before


def test_overwrite_trains_again(root, tmp_path, console):
    folder = tmp_path / "pretrain"
    shutil.copytree(root / "output/uniter/pretrain", folder)
    before = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text("")
    pretrain(pretrain_options(root, "uniter", folder=folder, overwrite=True))
    assert (folder / "metrics.jsonl").read_text() == before  # bit for bit, in another place


def test_a_run_that_was_killed_before_its_summary_is_completed(root, tmp_path):
    folder = tmp_path / "pretrain"
    shutil.copytree(root / "output/uniter/pretrain", folder)
    summary = (folder / "summary.json").read_text()
    log = (folder / "metrics.jsonl").read_text()
    (folder / "summary.json").unlink()
    pretrain(pretrain_options(root, "uniter", folder=folder))
    assert (folder / "summary.json").read_text() == summary
    assert (folder / "metrics.jsonl").read_text() == log


@pytest.mark.slow
def test_more_steps_extend_a_finished_run(root, tmp_path, console):
    """Its rates are constant, so that those of the completed updates stay; the moments of Adam must be there."""
    folder = tmp_path / "pretrain"
    pretrain(pretrain_options(root, "uniter", folder=folder, keep_optimizer=True))
    console.readouterr()
    before = (folder / "metrics.jsonl").read_text()
    longer = pretrain_options(root, "uniter", folder=folder, training=PRETRAINING.replace(total_steps=6))
    pretrain(longer)
    assert json.loads((folder / "summary.json").read_text())["step"] == 6
    assert RunFolder.open(folder).config["training"]["total_steps"] == 6
    assert (folder / "metrics.jsonl").read_text().startswith(before)
    assert newest_checkpoint(folder, "last").endswith("ckpt-6")
    said = console.readouterr().out
    assert "complete at step 6" in said and "random weights" not in said
    pretrain(longer)
    assert "traces" not in console.readouterr().out  # nothing was left to do


def test_other_settings_are_refused(root):
    folder = root / "output/uniter/pretrain"
    with refused(r"--seed: 42 there, 43 asked for.*--overwrite"):
        pretrain(pretrain_options(root, "uniter", training=PRETRAINING.replace(seed=43)))
    with pytest.raises(UserError, match=r"other settings. data.pairs: "):
        labels = root / "fewer.tsv"
        labels.write_text("".join((root / "data/pairwise/label.tsv").read_text().splitlines(keepends=True)[:-1]))
        pretrain(pretrain_options(root, "uniter", label_file=str(labels)))
    assert json.loads((folder / "summary.json").read_text())["step"] == 4


def test_another_model_than_asked_for_is_refused_with_both_names(root, tmp_path):
    output = root / "output"
    with refused("uniter/pretrain holds model uniter, --model=uniter_asl was asked for"):
        finetune("uniter_asl", output / "uniter/pretrain", runs(root, "uniter"), FINETUNING)
    checkpoint = newest_checkpoint(output / "uniter/fold-00", "last")
    with refused("fold-00 holds model uniter, --model=mix_nextvlad was asked for"):
        embed_to_file(checkpoint, [f"{root}/data/test_a/test_a.tfrecords"], f"{tmp_path}/a.zip", 8, "float32", "mix_nextvlad")
    assert not (tmp_path / "a.zip").exists()


def test_unfinished_stages_are_refused(root, tmp_path):
    folder = tmp_path / "pretrain"
    shutil.copytree(root / "output/uniter/pretrain", folder)
    (folder / "summary.json").unlink()
    with pytest.raises(UserError, match=r"pre-training is not complete; pre-train uniter first"):
        finetune("uniter", folder, runs(root, "uniter"), FINETUNING)
    with pytest.raises(UserError, match=r"fold 3 is not in .*; its folds are 0 to 2"):
        runs(root, "uniter", [3])
    with pytest.raises(UserError, match=r"training is not complete; train this run first"):
        embed_folds("uniter", [root / "output/uniter/fold-01"], [], "last", 8, "float32")
    with pytest.raises(UserError, match="fold-01"):
        ensemble(root, folds=(0, 1))


def linear_weights(run: RunFolder) -> dict[str, np.ndarray]:
    network = build_network(run.model)
    restore_weights(network, run.checkpoint())
    return {weight.name: np.asarray(weight) for weight in network.linear.weights}


@pytest.mark.slow
def test_fine_tuning_takes_the_recipe_of_the_pretraining_and_flags_win(root, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(device, "use_deterministic_kernels", lambda wanted: None)  # it would hold for the tests that follow
    linear = LinearConfig(buckets=101, metric=False)  # with a metric, pairs change it
    model = pretrain_options(root, "uniter").model.without_padding().replace(recipe="plus", linear=linear)
    with caplog.at_level(logging.INFO):
        pretrain(pretrain_options(root, "uniter", folder=tmp_path / "uniter/pretrain", model=model))
    assert "labelled pairs best" in caplog.text  # which chose the exponent of the linear embedding
    steps = ["--batch_size=8", "--total_steps=2", "--warmup_steps=1", "--bert_total_steps=2", "--bert_warmup_steps=1"]
    command = ["train_pair.py", "--model=uniter", f"--output_dir={tmp_path}", f"--folds_dir={root}/output/folds", "--folds=0"]
    with flags_of(finetune_command.define_flags, [*command, *steps]):
        finetune_command.main()
    run = RunFolder.open(tmp_path / "uniter/fold-00")
    assert run.model.recipe == "plus"
    fitted, kept = (linear_weights(RunFolder.open(tmp_path / "uniter" / name)) for name in ("pretrain", "fold-00"))
    assert all(np.abs(values).max() > 0 for values in fitted.values())
    assert all(np.array_equal(kept[name], values) for name, values in fitted.items())
    assert (run.training.clip_norm, run.training.labels) == (1.0, "rank")
    with flags_of(finetune_command.define_flags, [*command, *steps, "--clip_norm=0", "--labels=scores"]):
        stage = flags.finetune_stage(run.model.recipe)
    assert (stage.clip_norm, stage.labels) == (0.0, "scores")


@pytest.mark.slow
def test_labels_by_rank(root, tmp_path):
    """Ranked among the pairs of all folds; the validated error is of ranks too, Spearman does not see it."""
    run = fold_run(tmp_path, root / "output/folds", 0)
    assert run.ranked_files == sorted([*run.train_files, *run.val_files])
    finetune("uniter", root / "output/uniter/pretrain", [run], FINETUNING.replace(labels="rank"))
    plain, ranked = (
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in (root / "output/uniter/fold-00", tmp_path / "fold-00")
    )
    assert plain[0]["validation/spearman"] == ranked[0]["validation/spearman"]
    assert plain[0]["validation/mse"] != ranked[0]["validation/mse"]
    assert plain[1]["mse"] != ranked[1]["mse"]
    assert RunFolder.open(tmp_path / "fold-00").config["training"]["labels"] == "rank"


@pytest.mark.slow
def test_files_of_pairs_by_pattern(root, tmp_path):
    """As for files in the layout of 2021."""
    folds = root / "output/folds"
    train = f"{folds}/fold-01*,{folds}/fold-02*,{folds}/always-train.tfrecord"
    run = pattern_run(tmp_path, "pair", train, f"{folds}/fold-00*")
    assert run.ranked_files == sorted([*run.train_files, *run.val_files])
    finetune("uniter", root / "output/uniter/pretrain", [run], FINETUNING)
    summaries = [
        json.loads((folder / "summary.json").read_text()) for folder in (tmp_path / "pair", root / "output/uniter/fold-00")
    ]
    assert summaries[0].keys() == summaries[1].keys()
    data = [RunFolder.open(folder).config["data"] for folder in (tmp_path / "pair", root / "output/uniter/fold-00")]
    assert data[0]["validation"] == data[1]["validation"]
    assert sorted(file["name"] for file in data[0]["train"]) == sorted(file["name"] for file in data[1]["train"])


def test_embeddings_are_made_again_when_the_test_file_is_another(root, tmp_path):
    folder = tmp_path / "fold-00"
    shutil.copytree(root / "output/uniter/fold-00", folder)
    test_file = tmp_path / "test_a.tfrecords"
    shutil.copy(root / "data/test_b/test_b.tfrecords", test_file)
    embed_folds("uniter", [folder], [str(test_file)], "last", 8, "float32")
    assert list(read_embeddings(folder / "embeddings/test_a.npz").ids) == ids_of(root, "test_b")


def test_labelled_pairs_of_the_test_set_are_all_embedded(root):
    ids = set(read_embeddings(root / "output/uniter/fold-00/embeddings/test_a.npz").ids)
    assert {video for pair in read_labels(root / "data/test_a/label.tsv") for video in pair[:2]} <= ids


def test_the_zip_is_refused_unless_it_holds_exactly_the_test_set(root, tmp_path):
    """Embeddings that were made before the test file got another video, and lost one."""
    data, output_zip = tmp_path / "data", tmp_path / "result.zip"
    shutil.copytree(root / "data/test_b", data / "test_b")
    ensemble(root, data_dir=data, output_zip=str(output_zip))
    whole = output_zip.read_bytes()
    records = [record for _, record in read_records(data / "test_b/test_b.tfrecords")]
    toys.write_records(data / "test_b/test_b.tfrecords", [*records[1:], toys.random_videos(1)[0]])
    message = rf"result.zip: ids differ from those of the test set; missing 1: v0; extra 1: {ids_of(root, 'test_b')[0]}$"
    with pytest.raises(UserError, match=message):
        ensemble(root, data_dir=data, output_zip=str(output_zip))
    assert output_zip.read_bytes() == whole
    (data / "test_b/test_b.tfrecords").write_bytes(whole)
    with pytest.raises(UserError, match=r"test_b.tfrecords, record 0 .*no valid record"):
        ensemble(root, data_dir=data, output_zip=str(output_zip))


def test_a_zip_without_the_records_of_its_test_set_says_so(root, tmp_path, console):
    ensemble(root, data_dir=tmp_path, output_zip=str(tmp_path / "result.zip"))
    assert f"ids are not compared with a test set: there is no {tmp_path}/test_b/*.tfrecords" in console.readouterr().out
    assert (tmp_path / "result.zip").read_bytes() == (root / "output/result.zip").read_bytes()


@pytest.mark.parametrize("name", ["metrics.jsonl", "summary.json", "config.json"])
def test_a_damaged_file_of_a_run_is_named(root, tmp_path, name):
    shutil.copytree(root / "output", tmp_path / "output")
    folder = tmp_path / "output/uniter/pretrain"
    (folder / name).write_bytes((folder / name).read_bytes()[:20] + b"\n" + b"}" * 20)
    with pytest.raises(UserError, match=f"{folder / name}.*: not JSON"):
        if name == "metrics.jsonl":
            ensemble(root, output_dir=tmp_path / "output", output_zip=str(tmp_path / "result.zip"))
        else:
            finetune("uniter", folder, runs(root, "uniter"), FINETUNING)


NO_TENSORFLOW = """
import sys

def refuse(event, arguments):
    if event == "import" and arguments[0] == "tensorflow":
        raise RuntimeError("TensorFlow is loaded")

sys.addaudithook(refuse)
"""


@pytest.mark.slow
def test_run_sh_from_demo_data_to_result(tmp_path):
    command = [
        "sh", "run.sh", f"--output_dir={tmp_path}/output", "--models=uniter mix_nextvlad", "--folds=0-1",
        "--ensemble_flags=--normalize --weights=1,1",
        "--pretrain_flags=--total_steps=4 --warmup_steps=1 --bert_total_steps=4 --bert_warmup_steps=1 --eval_freq=2",
        "--finetune_flags=--total_steps=4 --warmup_steps=1 --bert_total_steps=4 --bert_warmup_steps=1 --eval_freq=2",
    ]  # fmt: skip
    first = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    assert first.returncode == 0, first.stderr[-2000:]
    assert len(read_submission(tmp_path / "output/result.zip").ids) > 100
    report = (tmp_path / "output/report.md").read_text()
    assert "uniter" in report
    assert "weighted sum of unit-norm embeddings" in report
    times = (tmp_path / "output/timings.tsv").read_text()
    (tmp_path / "sitecustomize.py").write_text(NO_TENSORFLOW)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    second = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert second.returncode == 0, second.stderr[-2000:]
    assert second.stdout.count("complete at step 4") == 6
    assert (tmp_path / "output/timings.tsv").read_text() == times

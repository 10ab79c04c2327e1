"""The linear model as a member of an ensemble: fitted once, in sums and SVD, in what is loaded, saved and exported."""

import json
from pathlib import Path

import numpy as np
import pytest
import toys
from script_flags import refused
from toy_runs import make_run

import vsim_tf
from vsim_tf.ensemble.fitted_weights import fit_ensemble
from vsim_tf.ensemble.linear_embeddings import embed_by_linear
from vsim_tf.ensemble.run_report import ensemble_and_report
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.ensemble.training_basis import training_basis
from vsim_tf.evaluation.linear_fit import cross_fitted, fit_linear
from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.export.interface import Interface
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.embed_files import embed_folds
from vsim_tf.inference.linear_model import LinearModel
from vsim_tf.io.paths import basis_file, embeddings_file, fold_folder, linear_file, set_records
from vsim_tf.records.embeddings import read_embeddings, read_submission
from vsim_tf.records.fold_writer import write_folds

VIDEOS = 16
DIM = 8
WEIGHTS = {"linear": 0.4, "uniter": 0.6}
FOLDS = {"linear": ["full"], "uniter": [0, 1]}
TESTS = ("test_a", "test_b")


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Data of a few videos, and two folds of a model that have embedded the test sets."""
    root = tmp_path_factory.mktemp("linear")
    data, output = root / "data", root / "output"
    for seed, name in enumerate(("pairwise", *TESTS)):
        (data / name).mkdir(parents=True)
        toys.write_records(set_records(data, name), toys.random_videos(VIDEOS, seed))
    labels = "".join(f"v{row}\tv{row + 1}\t{row / 20}\n" for row in range(VIDEOS - 1))
    for name in ("pairwise", "test_a"):
        (data / name / "label.tsv").write_text(labels)
    pattern, labels_file = str(data / "pairwise/*.tfrecords"), str(data / "pairwise/label.tsv")
    write_folds(pattern, labels_file, output / "folds", num_folds=2, frame_embedding_size=toys.DIM)
    runs = [make_run(fold_folder(output, "uniter", fold), "uniter", seed=fold) for fold in range(2)]
    embed_folds("uniter", runs, [str(set_records(data, name)) for name in TESTS], "last", 4, "float32")
    return root


def ensemble(root, name, **changes):
    """Makes an ensemble into `output`; the zip's embeddings."""
    settings = {
        "output_dir": root / "output", "data_dir": root / "data", "weights": WEIGHTS, "folds": None, "test_name": "test_b",
        "labelled_test_name": "test_a", "output_zip": str(root / "output" / name), "command": "the command",
    }  # fmt: skip
    ensemble_and_report(**settings | changes)
    return read_submission(root / "output" / name)


def videos(root, name):
    return sample_raw_videos([str(set_records(root / "data", name))], toys.DIM)


def embedded(root, name):
    return read_embeddings(embeddings_file(fold_folder(root / "output", "linear", "full"), name))


def test_it_is_fitted_once_and_again_where_its_files_change(root, tmp_path, console):
    data, output = tmp_path / "data", tmp_path / "output"
    for name in ("pairwise", "test_a"):
        (data / name).mkdir(parents=True)
        set_records(data, name).write_bytes(set_records(root / "data", name).read_bytes())
    run = fold_folder(root / "output", "uniter", 0)

    def said() -> str:
        embed_by_linear(output, data, run, ["test_a", "pairwise"])
        return console.readouterr().out

    assert f"linear: {VIDEOS} videos, {len(toys.TAGS)} tags; {DIM} numbers hold 100.00% of the predictions" in said()
    first = embedded(tmp_path, "test_a").values
    assert said().splitlines() == ["linear test_a: embeddings are there already", "linear pairwise: embeddings are there already"]
    note = linear_file(fold_folder(output, "linear", "full")).with_suffix(".json")
    note.write_text(json.dumps(json.loads(note.read_text()) | {"revision": 0}))
    assert "linear: 16 videos" in said()
    toys.write_records(set_records(data, "pairwise"), toys.random_videos(VIDEOS, 9))
    assert "linear test_a: 16 videos" in said()
    assert np.abs(first - embedded(tmp_path, "test_a").values).max() > 1e-3


def test_pairs_are_embedded_by_models_of_other_videos_and_test_sets_by_the_model(root):
    embed_by_linear(root / "output", root / "data", fold_folder(root / "output", "uniter", 0), ["pairwise", "test_b"])
    training, test = videos(root, "pairwise"), videos(root, "test_b")
    model, basis = fit_linear(training, toys.TAGS, DIM)
    stored = LinearModel.load(linear_file(fold_folder(root / "output", "linear", "full")))
    np.testing.assert_array_equal(stored.projection, model.projection)
    found = embedded(root, "test_b")
    assert found.ids == test.ids
    np.testing.assert_allclose(found.values, model.embed(test.titles, test.mean_frames), atol=1e-3)
    expected = cross_fitted(training, toys.TAGS, basis, training)
    np.testing.assert_allclose(embedded(root, "pairwise").values, expected, atol=1e-3)
    assert cosine_similarity(expected, model.embed(training.titles, training.mean_frames)).min() < 0.99


def test_a_sum_with_it_is_what_is_loaded(root):
    """With the registered weight, the mean of the others', of which there is one here; its row stands in the report."""
    found = ensemble(root, "result.zip", weights={"uniter": 0.5, "linear": 0.5})
    expected = 0.5 * embedded(root, "test_b").values.astype(float)
    expected += 0.25 * sum(
        read_embeddings(embeddings_file(fold_folder(root / "output", "uniter", fold), "test_b")).values.astype(float)
        for fold in range(2)
    )
    np.testing.assert_allclose(found.values, expected, atol=1e-12)
    report = (root / "output/report.md").read_text()
    assert "| linear | 1 | " in report and "baseline: ridge to tags" in report
    loaded = vsim_tf.load(root / "output")
    np.testing.assert_allclose(loaded.encode(str(set_records(root / "data", "test_b"))), expected, atol=2e-3)


@pytest.mark.parametrize(("center", "of_training"), [(False, False), (True, False), (True, True)])
def test_svd_with_it_is_what_is_loaded_and_saved(root, tmp_path, center, of_training):
    asked = root / "output", root / "data", FOLDS, WEIGHTS, center
    basis = training_basis(*asked) if of_training else None
    found = ensemble(root, "result.zip", method="svd", center=center, basis=basis)
    stored = SvdBasis.load(basis_file(root / "output/result.zip"))
    assert (stored.names, stored.mean is not None) == (("linear", "uniter"), center)
    source = "pairwise" if of_training else "test_b"
    linear = embedded(root, source).values.mean(axis=0, dtype=float)
    np.testing.assert_allclose(stored.means()["linear"], linear * center, atol=1e-12)
    said = f"SVD of {'centred ' * center}unit-norm embeddings, concatenated{', by a basis of training videos' * of_training} "
    assert said in (root / "output/report.md").read_text()
    model, records = vsim_tf.load(root / "output"), str(set_records(root / "data", "test_b"))
    values = model.encode(records)
    np.testing.assert_allclose(values, found.values, atol=5e-3)
    model.save(tmp_path / "saved")
    np.testing.assert_allclose(vsim_tf.load(tmp_path / "saved").encode(records), values, atol=1e-6)
    card = (tmp_path / "saved/README.md").read_text()
    assert "| linear | ridge to tags | TF-IDF of " in card and ("Embeddings are centred, scaled to unit norm" in card) == center
    with refused(r"linear counts characters of titles, which a graph cannot; make an ensemble without it to export"):
        Interface.of(model)
    basis_file(root / "output/result.zip").unlink()


def test_it_is_loaded_alone(root, tmp_path):
    embed_by_linear(root / "output", root / "data", fold_folder(root / "output", "uniter", 0), ["test_b"])
    items = [{"title": toys.CHARACTERS[:5], "frames": np.ones((3, toys.DIM))}, {"title": "", "frames": []}]
    for path in ("linear", "linear/full"):
        model = vsim_tf.load(root / "output" / path)
        assert (model.dim, model.frame_dim, [member.name for member in model.members]) == (DIM, toys.DIM, ["linear"])
        expected = model.members[0].model.embed([items[0]["title"], ""], np.stack([np.ones(toys.DIM), np.zeros(toys.DIM)]))
        np.testing.assert_allclose(model.encode(items), expected, atol=1e-6)
    model.save(tmp_path / "alone")
    np.testing.assert_array_equal(vsim_tf.load(tmp_path / "alone").encode(items), model.encode(items))


def test_weights_are_fitted_with_it(root, console):
    fitted = fit_ensemble(root / "output", root / "data", FOLDS, "svd", False, True)
    assert fitted.weights.keys() == FOLDS.keys() and sum(fitted.weights.values()) == pytest.approx(1)
    assert all(f"{name} " in fitted.facts["out-of-fold Spearman"] for name in FOLDS)
    left_out = fitted.facts["models left out"]
    assert left_out == "none" or "without it)" in left_out
    assert f"models left out: {left_out}" in console.readouterr().out


def test_it_may_be_all_that_is_left(root):
    weights = {"linear": 1.0, "uniter": 0.0}
    basis = training_basis(root / "output", root / "data", FOLDS, weights)
    assert basis.names == ("linear",)
    found = ensemble(root, "result.zip", method="svd", weights=weights, basis=basis)
    loaded = vsim_tf.load(root / "output")
    assert [member.name for member in loaded.members] == ["linear"]
    np.testing.assert_allclose(loaded.encode(str(set_records(root / "data", "test_b"))), found.values, atol=5e-3)
    basis_file(root / "output/result.zip").unlink()

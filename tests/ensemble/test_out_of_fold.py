"""Each labelled pair as the run embeds it that validated on it."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import toy_runs
import toys
from script_flags import refused

from vsim_tf.ensemble import out_of_fold as module
from vsim_tf.ensemble.find import trained_folds
from vsim_tf.ensemble.fitted_weights import fit_ensemble
from vsim_tf.ensemble.out_of_fold import out_of_fold, validation_pairs
from vsim_tf.io.paths import PAIRWISE, embeddings_file, fold_folder
from vsim_tf.records.embeddings import Embeddings, write_embeddings
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.runs.run_folder import data_files

CONTENTS = 8
VIDEOS = 2 * CONTENTS
FOLDS = {"uniter": [0, 1], "uniter_asl": [1, 2]}


@pytest.fixture
def folder(tmp_path) -> Path:
    """Sixteen pairs in three folds of five, one of which trains always; two pairs are the same, the other way round.

    Videos of the same content have the similarity 1, and others less, so that untrained models rank them well.
    """
    (tmp_path / "data/pairwise").mkdir(parents=True)
    contents = [toys.random_video(f"v{number}", np.random.default_rng(number % CONTENTS)) for number in range(VIDEOS)]
    toys.write_records(tmp_path / "data/pairwise/videos.tfrecords", contents)
    lines = [f"v{i}\tv{i + 1}\t{i / 20}\n" for i in range(CONTENTS - 1)]
    lines += [f"v{i}\tv{i + CONTENTS}\t1\n" for i in range(CONTENTS)]
    (tmp_path / "data/pairwise/label.tsv").write_text("".join([*lines, "v1\tv0\t0.9\n"]))
    write_folds(
        str(tmp_path / "data/pairwise/*.tfrecords"), str(tmp_path / "data/pairwise/label.tsv"), tmp_path / "output/folds",
        num_folds=3, frame_embedding_size=toys.DIM,
    )  # fmt: skip
    return tmp_path


def embed(folder: Path):
    """Embeddings of every video by every run that say which model, fold and video they are of."""
    for model, folds in FOLDS.items():
        for fold in folds:
            values = np.array([[len(model), fold, video] for video in range(VIDEOS)], np.float16)
            embeddings = Embeddings([f"v{video}" for video in range(VIDEOS)], values)
            write_embeddings(embeddings_file(fold_folder(folder / "output", model, fold), PAIRWISE), embeddings)


def test_pairs_that_occur_twice_are_left_out(folder):
    of_folds = validation_pairs(folder / "output/folds")
    pairs = {pair[:2] for pairs in of_folds.values() for pair in pairs}
    assert len(of_folds) == 3
    assert not pairs & {("v0", "v1"), ("v1", "v0")}
    assert 13 <= len(pairs) <= 14  # of which one may train always


def test_the_folds_of_a_run_are_those_that_it_says(folder):
    """A job of the 1st place on shuffled folds; without its run, its own split counts."""
    output = folder / "output"
    assert trained_folds(output, "qq_job1", 1) == output / "folds_modulo"
    run = output / "qq_job1/fold-01"
    toy_runs.make_run(run, "qq_job1", seed=0)
    config = json.loads((run / "config.json").read_text())
    config["data"]["validation"] = data_files([str(output / "folds/fold-01-of-03.tfrecord")])
    (run / "config.json").write_text(json.dumps(config))
    assert trained_folds(output, "qq_job1", 1) == output / "folds"


def test_each_pair_is_that_of_the_run_that_validated_on_it(folder, monkeypatch):
    monkeypatch.setattr(module, "_embed", lambda *_: None)
    embed(folder)
    expected = validation_pairs(folder / "output/folds")[1]  # the only fold that both models have
    found = out_of_fold(folder / "output", folder / "data", FOLDS)
    assert found.names == list(FOLDS)
    assert found.fold.tolist() == [1] * len(expected)
    np.testing.assert_array_equal(found.similarity, [pair.similarity for pair in expected])
    for model in FOLDS:
        for side, values in enumerate((found.first[model], found.second[model])):
            assert values.tolist() == [[len(model), 1, int(pair[side][1:])] for pair in expected]


def test_runs_without_a_common_fold(folder):
    with refused("no labelled pair is in the validation of a run of each of uniter, uniter_asl"):
        out_of_fold(folder / "output", folder / "data", {"uniter": [0], "uniter_asl": [2]})


def test_runs_embed_what_is_missing_and_weights_are_fitted(folder, console):
    for model, folds in FOLDS.items():
        for fold in folds:
            toy_runs.make_run(fold_folder(folder / "output", model, fold), model, seed=fold + len(model))
    fitted = fit_ensemble(folder / "output", folder / "data", {"uniter": [0, 1]}, "svd", False)
    assert fitted.weights == {"uniter": 1.0}
    assert "uniter alone, out-of-fold Spearman" in fitted.facts["to deploy"]
    assert "vsim_tf.load(" in fitted.facts["to deploy"]
    said = console.readouterr()
    assert said.out.splitlines()[-1].startswith("to deploy: uniter alone")
    assert re.search(r"warning: --weights=fit: \d+ out-of-fold pairs are few to fit weights on; train more folds", said.err)
    fit_ensemble(folder / "output", folder / "data", {"uniter": [0, 1]}, "svd", False)
    assert "embeddings by 2 checkpoints are there already" in console.readouterr().out

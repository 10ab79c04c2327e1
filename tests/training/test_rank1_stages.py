"""Both stages of a job of the 1st place on demo data: what they read, evaluate on and start from."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import toys
from scipy.stats import rankdata

from vsim_tf import losses
from vsim_tf.demo.data import write_demo_data
from vsim_tf.evaluation.metrics import pair_spearman
from vsim_tf.inference.embed_files import load_embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.models.build import build_network
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.labels import read_labels
from vsim_tf.records.rank_labels import read_similarities
from vsim_tf.records.videos import read_ids
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.run_folder import RunFolder, checkpoint_fingerprint
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.forward import call_network
from vsim_tf.training.console import announce_finished
from vsim_tf.training.finetuning import finetune
from vsim_tf.training.pair_runs import fold_run, pattern_run
from vsim_tf.training.pretrain_inputs import PretrainOptions, read_inputs
from vsim_tf.training.pretraining import pretrain

pytestmark = pytest.mark.slow  # test_e2e_rank1.py trains this job too
DIM, VAL_VIDEOS = 16, 14
SIZES = {"num_pointwise": 24, "num_pairwise_videos": 30, "num_pairs": 40, "num_test_videos": 20, "num_test_pairs": 10}


def options(root: Path, name: str, **changes) -> PretrainOptions:
    data = root / "data"
    fields = {"batch_size": 8, "eval_every": 2, "val_videos": VAL_VIDEOS} | changes
    return PretrainOptions(
        model=toys.model(name, {"frames.dim": DIM, "text.max_length": 12}, num_tags=0),
        training=toys.stage(6, (name, "pretrain"), **fields),
        train_records=f"{data}/pointwise/*.tfrecords",
        val_records=f"{data}/pairwise/*.tfrecords",
        test_records=f"{data}/test_*/*.tfrecords",
        label_file=f"{data}/pairwise/label.tsv",
        tag_file=f"{data}/tag_list.txt",
        hub_dir="",
        vocab="",
        folder=root / "output" / name / "pretrain",
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Pre-training and fine-tuning of job 5."""
    root = tmp_path_factory.mktemp("job5")
    write_demo_data(str(root / "data"), frame_embedding_size=DIM, **SIZES)
    write_folds(
        f"{root}/data/pairwise/*.tfrecords", f"{root}/data/pairwise/label.tsv", root / "output/folds", num_folds=3,
        frame_embedding_size=DIM,
    )  # fmt: skip
    pretrain(options(root, "qq_job5"))
    run = fold_run(root / "output/qq_job5", root / "output/folds", 0)
    stage = toys.stage(2, ("qq_job5", "finetune"), batch_size=8, eval_every=2)
    finetune("qq_job5", root / "output/qq_job5/pretrain", [run], stage)
    return SimpleNamespace(root=root, pretrained=RunFolder.open(root / "output/qq_job5/pretrain"), run=run)


def metrics(folder: Path, step: int) -> dict[str, float]:
    found = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    (line,) = [line for line in found if line["step"] == step and "validation/spearman" in line]
    return {name.removeprefix("validation/"): value for name, value in line.items()}


def embedder_of(folder: Path, kind: str):
    embedder, form = load_embedder(folder, "float32")
    restore_weights(embedder.model, newest_checkpoint(folder, kind))
    return embedder, form


def test_pretraining_reads_all_sets_and_the_test_sets_have_no_tags(trained):
    """One after the other, in every epoch."""
    config = json.loads((trained.pretrained.path / "config.json").read_text())
    assert config["data"].keys() == {"train", "pairwise", "test", "validation", "pairs"}
    assert [file["name"] for file in config["data"]["test"]] == ["test_a.tfrecords", "test_b.tfrecords"]
    inputs = read_inputs(options(trained.root, "qq_job5"))
    (start, parts), *others = inputs.phases(trained.pretrained.training)
    assert start == 0 and not others
    folders = [{Path(file).parent.name for file in part} for part in parts]
    assert folders == [{"pointwise"}, {"pairwise"}, {"test_a", "test_b"}]
    assert {Path(file).parent.name for file in inputs.tagged_files} == {"pointwise", "pairwise"}


def test_validation_is_on_the_first_videos_and_the_pairs_among_them(trained):
    """By the best weights, next to what the log says of their step."""
    folder, root = trained.pretrained.path, trained.root
    best = int(newest_checkpoint(folder, "best").split("-")[-1])
    (file,) = map(str, (root / "data/pairwise").glob("*.tfrecords"))
    embedder, form = load_embedder(folder, "float32")
    network = build_network(embedder.model.config, trained.pretrained.training.tasks.values())
    restore_weights(network, newest_checkpoint(folder, "best"))
    ids, vectors, entropies = [], [], []
    for _, batch in numbered_batches([file], "videos", form, 100, limit=VAL_VIDEOS):
        output = call_network(network, batch, training=False)
        ids += [video.decode() for video in batch.ids.numpy()]
        vectors.append(output.embedding)
        entropies.append(losses.bce_from_logits(output.logits["tags"], batch.targets["tags"]))
    logged = metrics(folder, best)
    assert ids == read_ids([file])[:VAL_VIDEOS]
    tags = embedder.model.config.num_tags
    assert logged["tag_loss"] == pytest.approx(np.concatenate(entropies).mean() / tags, rel=1e-4)
    pairs = [pair for pair in read_labels(root / "data/pairwise/label.tsv") if {pair.id_1, pair.id_2} <= set(ids)]
    assert len(pairs) > 2
    assert logged["spearman"] == pytest.approx(pair_spearman(Embeddings(ids, np.concatenate(vectors)), pairs), abs=1e-3)


def test_fine_tuning_starts_from_the_best_weights(trained):
    config = json.loads((trained.run.folder / "config.json").read_text())
    prints = {kind: checkpoint_fingerprint(newest_checkpoint(trained.pretrained.path, kind)) for kind in ("best", "last")}
    assert config["data"]["pretrained"] == prints["best"] != prints["last"]
    embedder, form = embedder_of(trained.pretrained.path, "best")
    predicted, target = embedder.similarities(numbered_batches(trained.run.val_files, "pairs", form, 100))
    expected = np.mean((predicted - ranked(trained.run, target)) ** 2)
    assert metrics(trained.run.folder, 0)["mse"] == pytest.approx(expected, rel=1e-4)


def ranked(run, similarities):
    """Mean ranks among training and validation pairs together, from 0 to 1."""
    together = read_similarities((*run.train_files, *run.val_files))
    ranks = rankdata(together)
    of_value = dict(zip(together.tolist(), ((ranks - ranks.min()) / (ranks.max() - ranks.min())).tolist(), strict=True))
    return np.array([of_value[value] for value in similarities.tolist()])


def test_the_best_fine_tuned_weights_are_embedded_by(trained):
    run = RunFolder.open(trained.run.folder)
    assert run.checkpoint() == newest_checkpoint(trained.run.folder, "best")
    assert run.checkpoint("last") == newest_checkpoint(trained.run.folder, "last")


def test_the_metric_that_was_selected_by_is_said(trained, console):
    announce_finished("pretrain", trained.pretrained.summary, trained.pretrained.path)
    announce_finished("fine-tune", RunFolder.open(trained.run.folder).summary, trained.run.folder)
    said = console.readouterr().out
    assert "pretrain: complete at step 6, Tag loss 0." in said and "fine-tune: complete at step 2, Mse 0." in said


def test_the_squared_error_of_the_end_is_on_rank_labels_too(trained):
    embedder, form = embedder_of(trained.run.folder, "last")
    predicted, target = embedder.similarities(numbered_batches(trained.run.val_files, "pairs", form, 100))
    logged = metrics(trained.run.folder, 2)
    on_ranks, on_scores = (np.mean((predicted - labels) ** 2) for labels in (ranked(trained.run, target), target))
    assert logged["mse"] == pytest.approx(on_ranks, rel=1e-4)
    assert abs(on_ranks - on_scores) > 1e-3
    assert json.loads((trained.run.folder / "summary.json").read_text())["mse"] == logged["mse"]


def test_runs_of_patterns_rank_training_and_validation_pairs(trained, tmp_path):
    train, val = trained.run.train_files, trained.run.val_files
    run = pattern_run(tmp_path, "mine", ",".join(train), ",".join(val))
    assert set(run.ranked_files) == {*train, *val}

"""Saved models: the same numbers from one folder that holds what embedding needs, and nothing of the machine."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toy_towers
import toys
from toy_runs import make_classifier, make_run
from toy_short_videos import CATEGORIES

import vsim_tf
from vsim_tf.ensemble.front import Part, find_parts
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.inference import saving
from vsim_tf.runs.run_folder import RunFolder, read_json, write_json
from vsim_tf.runs.weights import model_weights

ROOT = Path(__file__).parents[2]
ITEMS = [
    {"title": toys.random_title(rng), "frames": rng.standard_normal((rng.integers(0, 8), toys.DIM))}
    for rng in map(np.random.default_rng, range(7))
]
FOLDS = {"uniter": (0, 2), "mix_nextvlad": (1,)}


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    output = tmp_path_factory.mktemp("here") / "output"
    for model, folds in FOLDS.items():
        for fold in folds:
            make_run(output / model / f"fold-{fold:02d}", model, fold)
    return output


@pytest.fixture(scope="module")
def model(output):
    return vsim_tf.load(output)


@pytest.fixture(scope="module")
def saved(output, model):
    folder = output.parent / "saved"
    model.save(folder)
    return folder


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def assert_same_model(found, expected):
    """The same configurations, weights in the ensemble, and weights of all checkpoints, to the bit."""
    for member, other in zip(found.members, expected.members, strict=True):
        assert (member.config, member.weight, member.classes) == (other.config, other.weight, other.classes)
        assert member.format.tokenizer.vocabulary == other.format.tokenizer.vocabulary
        for checkpoints in zip(member.checkpoints, other.checkpoints, strict=True):
            weights = []
            for of, checkpoint in zip((member, other), checkpoints, strict=True):
                of._weights.put(checkpoint)
                weights.append({name: value.numpy() for name, value in model_weights(of._network).items()})
            np.testing.assert_equal(*weights)


def printed_by(code: str) -> str:
    """What code prints in a process of its own, in the working folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_the_example_of_the_card_opens_a_folder_that_has_moved_to_the_same_numbers(saved, model, tmp_path, monkeypatch):
    shutil.copytree(saved, tmp_path / "saved")
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"```python\n(.*?)```", Path("saved/README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) == 5
    assert printed_by(f"{code}\nprint(embedding.shape)") == "(8,)\n"
    again = vsim_tf.load("saved")
    np.testing.assert_array_equal(again.encode(ITEMS), model.encode(ITEMS))
    assert_same_model(again, model)
    again.save("second")
    assert files(Path("second")) == files(saved)
    assert sorted(os.listdir()) == ["saved", "second"]


@pytest.mark.parametrize("path", ["uniter/fold-02/last/ckpt-0", "uniter"])
def test_a_checkpoint_and_the_folds_of_a_model(output, tmp_path, path):
    model = vsim_tf.load(output / path)
    model.save(tmp_path / "saved")
    assert_same_model(vsim_tf.load(tmp_path / "saved"), model)


def test_parts_of_a_saved_model_open_alone(saved):
    assert find_parts(saved / "uniter", "") == [Part([str(saved / f"uniter/fold-0{fold}/last/ckpt-0") for fold in (0, 2)])]
    assert find_parts(saved / "uniter/fold-02", "") == [Part([str(saved / "uniter/fold-02/last/ckpt-0")])]


def test_an_ensemble_with_a_basis(model, tmp_path):
    projection = np.linalg.qr(np.random.default_rng(0).standard_normal((16, 16)))[0][:, :5]
    weights = tuple(member.weight for member in model.members)
    reduced = vsim_tf.Model(model.members, "reduced", SvdBasis(("mix_nextvlad", "uniter"), (8, 8), weights, projection))
    reduced.save(tmp_path / "saved")
    again = vsim_tf.load(tmp_path / "saved")
    assert_same_model(again, reduced)
    assert (again.dim, again.projection.names, again.projection.weights) == (5, ("mix_nextvlad", "uniter"), weights)
    np.testing.assert_array_equal(again.projection.projection, projection)
    assert "reduced by the basis" in (tmp_path / "saved/README.md").read_text(encoding="utf-8")
    (tmp_path / "saved/result.basis.npz").unlink()
    with pytest.raises(vsim_tf.UserError, match="result.basis.npz: not a readable basis"):
        vsim_tf.load(tmp_path / "saved")


def test_a_classifier(tmp_path):
    make_classifier(tmp_path / "output/wbdc_1/full", "wbdc_1", 3, pictures=False)
    model = vsim_tf.load(tmp_path / "output")
    model.save(tmp_path / "saved")
    again = vsim_tf.load(tmp_path / "saved")
    assert_same_model(again, model)
    assert again.classes == model.classes == CATEGORIES
    assert {"wbdc_1/full/category_ids.txt", "wbdc_1/full/best/ckpt-0.index"} <= set(files(tmp_path / "saved"))


PICTURES = [{"title": "天地", "pictures": [np.random.default_rng(0).integers(0, 256, (9, 9, 3), np.uint8)]}]


def test_a_tower_that_was_given_is_part_of_it(output, tmp_path):
    """Without another clip_dir, and saved again."""
    model = vsim_tf.load(output / "mix_nextvlad", clip_dir=toy_towers.write_clip(tmp_path / "clip"))
    expected = model.encode(PICTURES)
    assert "made by the vision tower in `tower`" in card_of(model, tmp_path / "saved")
    again = vsim_tf.load(tmp_path / "saved")
    assert_same_model(again, model)
    np.testing.assert_array_equal(again.encode(PICTURES), expected)
    again.save(tmp_path / "second")
    assert files(tmp_path / "second") == files(tmp_path / "saved")
    other = toy_towers.write_clip(tmp_path / "other", toy_towers.tensors(seed=8))
    assert np.abs(vsim_tf.load(tmp_path / "saved", clip_dir=other).encode(PICTURES) - expected).max() > 1e-6
    (tmp_path / "saved/tower/model.safetensors").unlink()
    with pytest.raises(vsim_tf.UserError, match=r"no weights: .*saved/tower holds 1: config.json"):
        vsim_tf.load(tmp_path / "saved")


def test_a_tower_that_is_a_function_is_left_out_and_the_card_says_so(output, tmp_path):
    class Function:
        picture_size, dim = 8, toys.DIM

        def __call__(self, pictures):
            return pictures.mean((1, 2)).repeat(2, axis=1)

    model = vsim_tf.load(output / "mix_nextvlad")
    model.tower = Function()
    assert model.encode(PICTURES).shape == (1, 8)
    assert "need the tower that made them: `vsim_tf.load(folder, clip_dir=...)`" in card_of(model, tmp_path / "saved")
    with pytest.raises(vsim_tf.UserError, match=r"the key 'frames' is missing; .*clip_dir=...\) takes a tower"):
        vsim_tf.load(tmp_path / "saved").encode(PICTURES)


def card_of(model, folder: Path) -> str:
    """The card in the folder that a model is saved into."""
    model.save(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_the_folder_holds_weights_and_little_else(output, saved):
    """Float32 weights without tag heads, and no state of an optimizer."""
    run = "fold-00/last/ckpt-0"
    assert files(saved / "uniter") == sorted(
        f"{fold}/{name}"
        for fold in ("fold-00", "fold-02")
        for name in (
            "config.json", "last/ckpt-0.data-00000-of-00001", "last/ckpt-0.index", "summary.json", "tag_list.txt",
            "tokenizer/tokenizer_config.json", "tokenizer/vocab.txt",
        )
    )  # fmt: skip
    shapes = tf.train.load_checkpoint(str(saved / "uniter" / run)).get_variable_to_shape_map()
    weights = [shape for name, shape in shapes.items() if name.startswith("weights/")]
    assert len(weights) == len(shapes) - 1  # and the object graph
    needed = 4 * sum(int(np.prod(shape)) for shape in weights)
    graph = tf.train.load_checkpoint(str(saved / "uniter" / run)).get_tensor("_CHECKPOINTABLE_OBJECT_GRAPH")
    assert (saved / f"uniter/{run}.data-00000-of-00001").stat().st_size < needed + len(graph) + 100
    assert not [name for name in shapes if "tag" in name]


def test_nothing_of_the_machine_is_in_it(output, tmp_path):
    run = tmp_path / "uniter/fold-00"
    shutil.copytree(output / "uniter/fold-00", run)
    config = read_json(run / "config.json")
    write_json(run / "config.json", config | {"data": {"vocabulary": str(tmp_path / "vocab.txt"), "train": [str(tmp_path)]}})
    vsim_tf.load(run).save(tmp_path / "saved")
    texts = [path.read_bytes() for path in (tmp_path / "saved").rglob("*") if path.is_file()]
    for outside in (tmp_path, output, ROOT, Path.home()):
        assert not any(os.fsencode(outside) in text for text in texts)
    assert RunFolder.open(tmp_path / "saved/uniter/fold-00").config["data"]["vocabulary"] == "vocab.txt"


# --- the card ---------------------------------------------------------------------------------------------------------


def test_the_card_says_what_the_runs_say(output, saved, model):
    card = (saved / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# saved\n\nMakes an embedding of 8 numbers of a video, by 3 checkpoints of 2 models.")
    for run in ("uniter/fold-00", "uniter/fold-02", "mix_nextvlad/fold-01"):
        summary = RunFolder.open(output / run).summary
        assert f"| {run} | {summary['step']} | {summary['spearman']:.4f} |" in card
    parameters = model.members[1].parameters
    assert f"| uniter | single_stream | bert, 1 layers of 16 | 2021 | {parameters:,} | 2 | 0.4333 |" in card
    assert f"title: {toys.TEXT} tokens" in card and f"{toys.DIM} numbers each, at most {toys.FRAMES}" in card


# --- complete or not at all -------------------------------------------------------------------------------------------


def test_a_folder_that_is_there_is_left_alone(saved, model, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in saved.rglob("*")}
    with pytest.raises(vsim_tf.UserError, match=r"saved is there already; remove it, or give another folder"):
        model.save(saved)
    assert before == {path: path.stat().st_mtime_ns for path in saved.rglob("*")}
    (tmp_path / "empty").mkdir()
    model.save(tmp_path / "empty")
    assert files(tmp_path / "empty") == files(saved)


def test_a_save_that_fails_leaves_nothing(model, tmp_path, monkeypatch):
    def fail(*given, **named):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(saving, "model_card", fail)
    with pytest.raises(vsim_tf.UserError, match=r"/saved/README.md: cannot be written: No space left on device"):
        model.save(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


def test_a_run_that_is_gone(output, tmp_path):
    shutil.copytree(output / "uniter/fold-00", tmp_path / "run")
    model = vsim_tf.load(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(vsim_tf.UserError, match=r"run/config.json does not exist"):
        model.save(tmp_path / "saved")
    assert not list(tmp_path.iterdir())


# --- folders of other kinds -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "layers-model"}, r"model.json: not a saved model of vsim_tf"),
        ({"version": 2}, r"model.json: saved in version 2, this vsim_tf reads 1; take a newer vsim_tf"),
        ({"members": []}, r"model.json: damaged; save the model again"),
        ({"has_tower": "yes"}, r"model.json: damaged; save the model again"),
        ({"members": [{"model": "uniter", "weight": 1}]}, r"model.json: damaged"),
        ({"members": [{"model": "uniter", "weight": "1", "checkpoints": ["a"]}]}, r"model.json: damaged"),
        ({"members": [{"model": "uniter", "weight": 1, "checkpoints": ["../a"]}]}, r"model.json: damaged"),
        ({"members": [{"model": "uniter", "weight": 1, "checkpoints": ["/a"]}]}, r"model.json: damaged"),
        ({"members": [{"model": "uniter", "weight": 1, "checkpoints": ["a/last/ckpt-0"]}]}, r"no checkpoint .*a/last/ckpt-0"),
    ],
)
def test_what_is_no_saved_model(saved, tmp_path, changes, message):
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "model.json").write_text(json.dumps(read_json(saved / "model.json") | changes))
    with pytest.raises(vsim_tf.UserError, match=message):
        vsim_tf.load(folder)


def test_a_damaged_checkpoint_of_a_saved_model(saved, tmp_path):
    folder = Path(shutil.copytree(saved, tmp_path / "copy"))
    data = folder / "uniter/fold-02/last/ckpt-0.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-100])
    with pytest.raises(vsim_tf.UserError, match=r"fold-02/last/ckpt-0 is damaged"):
        vsim_tf.load(folder)


def test_golden_checkpoints_of_an_earlier_version(tmp_path):
    """Their config.json has the first form."""
    run = tmp_path / "fold-00"
    shutil.copytree(ROOT / "tests/golden/checkpoints/uniter", run)
    model = vsim_tf.load(run / "best/ckpt-0")
    model.save(tmp_path / "saved")
    assert_same_model(vsim_tf.load(tmp_path / "saved"), model)

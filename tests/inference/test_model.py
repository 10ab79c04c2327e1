"""The model that `vsim_tf.load` opens: the numbers of the scripts, for videos given as dicts."""

import contextlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import toys
from toy_runs import make_run

import vsim_tf
from vsim_tf.ensemble.run_report import ensemble_and_report
from vsim_tf.evaluation.metrics import cosine_similarity
from vsim_tf.inference import products
from vsim_tf.inference.embed_files import embed_folds, embed_to_file
from vsim_tf.records.embeddings import read_embeddings, read_submission, write_embeddings
from vsim_tf.records.videos import video_record
from vsim_tf.runs import held_weights

ROOT = Path(__file__).parents[2]
RUNS = {"uniter": (0, 2), "mix_nextvlad": (0, 1, 2)}
WEIGHTS = {"uniter": 0.13 / 0.30, "mix_nextvlad": 0.17 / 0.30}
"""The registered weights, 0.13 and 0.17, over their sum."""
HALF_ULP = 2.0**-11
"""Largest relative error of a number rounded to float16, as the scripts write those of single checkpoints."""


def random_items(count: int, seed: int = 0) -> list[dict]:
    """Videos with 0 to 7 frames, 0 to 10 characters, and keys that nobody reads."""
    rng = np.random.default_rng(seed)
    return [
        {
            "id": f"v{i}",
            "title": toys.random_title(rng),
            "frames": rng.standard_normal((rng.integers(0, 8), toys.DIM)),
            "tags": [3],
        }
        for i in range(count)
    ]


ITEMS = random_items(13)


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """Runs of two models, and what inference_pair.py and ensemble_final.py write of a test set of `ITEMS`.

    `exact` has the embeddings of each run folder as the script computed them, before they were rounded to float16.
    """
    root, exact = tmp_path_factory.mktemp("runs"), {}
    data, output = root / "data", root / "output"
    (data / "test_x").mkdir(parents=True)
    records = [video_record(item["id"], item["title"], item["frames"], tags=item["tags"]) for item in ITEMS]
    test_file = toys.write_records(data / "test_x" / "test_x.tfrecords", records)

    def write(path, embeddings):
        exact[path.parents[1]] = embeddings.values
        write_embeddings(path, embeddings)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "write_embeddings", write)
        for model, folds in RUNS.items():
            runs = [make_run(output / model / f"fold-{fold:02d}", model, seed=fold) for fold in folds]
            embed_folds(model, runs, [test_file], "last", 4, "float32")
    embed_to_file(str(output / "uniter/fold-00/last/ckpt-0"), [test_file], str(root / "one.zip"), 4, "float32")
    for name, weights, folds in (("result", WEIGHTS, (0, 2)), ("mean", {"mix_nextvlad": 1.0}, RUNS["mix_nextvlad"])):
        ensemble_and_report(
            output_dir=output, data_dir=data, weights=weights, folds=folds, test_name="test_x", labelled_test_name="test_x",
            output_zip=str(root / f"{name}.zip"), command="the command",
        )  # fmt: skip
    return SimpleNamespace(root=root, output=output, exact=exact)


@pytest.fixture(scope="module")
def both(scripts, tmp_path_factory):
    """An output folder with the folds that both models have."""
    output = tmp_path_factory.mktemp("both")
    for model in RUNS:
        for fold in (0, 2):
            (output / model).mkdir(exist_ok=True)
            (output / model / f"fold-{fold:02d}").symlink_to(scripts.output / model / f"fold-{fold:02d}")
    return output


@pytest.fixture(scope="module")
def model(both):
    return vsim_tf.load(both)


@pytest.fixture(scope="module")
def single(scripts):
    return vsim_tf.load(scripts.output / "uniter" / "fold-00")


def fold_mean(scripts, model: str, folds) -> np.ndarray:
    return np.mean([scripts.exact[scripts.output / model / f"fold-{fold:02d}"].astype(np.float64) for fold in folds], axis=0)


def assert_same(values: np.ndarray, expected: np.ndarray):
    """Equal to float32 rounding of sums over a network."""
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def assert_rounded(values: np.ndarray, written: np.ndarray):
    """Equal but for float16 rounding of each checkpoint's numbers, of at most the size of the largest."""
    np.testing.assert_allclose(values, written, rtol=0, atol=HALF_ULP * np.abs(values).max() + 1e-6)


# --- the numbers of the scripts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["uniter/fold-00", "uniter/fold-00/last/ckpt-0"])
def test_a_run_and_its_checkpoint_embed_as_inference_pair(scripts, path):
    values = vsim_tf.load(scripts.output / path).encode(ITEMS)
    assert values.dtype == np.float32
    folder = scripts.output / "uniter/fold-00"
    assert_same(values, scripts.exact[folder])
    assert_rounded(values, read_embeddings(folder / "embeddings/test_x.npz").values)
    assert_rounded(values, read_submission(scripts.root / "one.zip").values)


def test_a_folder_of_folds_embeds_as_their_mean(scripts):
    model = vsim_tf.load(scripts.output / "mix_nextvlad")
    values, expected = model.encode(ITEMS), fold_mean(scripts, "mix_nextvlad", RUNS["mix_nextvlad"])
    assert_same(values, expected)
    assert_rounded(values, read_submission(scripts.root / "mean.zip").values)
    first = scripts.exact[scripts.output / "mix_nextvlad/fold-00"]
    assert np.abs(first - expected).max() > 0.1 * np.abs(expected).max(), "folds must differ for this to be a test"


def test_models_of_different_folds_embed_as_ensemble_final(scripts, tmp_path):
    """By default each model is the mean of the folds that it has."""
    assert len(set(map(len, RUNS.values()))) > 1, "numbers of folds must differ for this to be a test"
    ensemble_and_report(
        output_dir=scripts.output, data_dir=scripts.root / "data", weights=WEIGHTS, folds=None, test_name="test_x",
        labelled_test_name="test_x", output_zip=str(tmp_path / "a.zip"), command="the command",
    )  # fmt: skip
    values = vsim_tf.load(scripts.output).encode(ITEMS)
    assert_same(values, sum(weight * fold_mean(scripts, name, RUNS[name]) for name, weight in WEIGHTS.items()))
    assert_rounded(values, read_submission(tmp_path / "a.zip").values)


def test_a_folder_of_models_embeds_as_ensemble_final(scripts, model):
    values = model.encode(ITEMS)
    expected = sum(weight * fold_mean(scripts, name, (0, 2)) for name, weight in WEIGHTS.items())
    assert_same(values, expected)
    assert_rounded(values, read_submission(scripts.root / "result.zip").values)


@pytest.mark.parametrize("name", ["mix_nextvlad_roformer", "uniter_roformer"])
def test_committed_checkpoints_embed_as_when_they_were_written(name):
    from vsim_tf.records.tfrecords import read_records
    from vsim_tf.records.videos import parse_example

    golden, items = ROOT / "tests/golden/checkpoints", []
    for _, data in read_records(str(golden / "videos.tfrecords")):
        feature = parse_example(data, "")
        frames = [np.frombuffer(frame, np.float16) for frame in feature["frame_feature"].bytes_list.value]
        items.append({"title": feature["title"].bytes_list.value[0].decode(), "frames": frames})
    values = vsim_tf.load(golden / name / "best" / "ckpt-0").encode(items)
    np.testing.assert_allclose(values, np.load(golden / name / "embeddings.npy", allow_pickle=False), rtol=0, atol=1e-5)


# --- encode -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 5, np.int64(64)])
def test_an_item_has_the_same_embedding_in_any_batch_and_at_any_place(model, batch_size):
    order = np.random.default_rng(1).permutation(len(ITEMS))
    values = model.encode([ITEMS[row] for row in order], batch_size=batch_size)
    np.testing.assert_allclose(values, model.encode(ITEMS)[order], rtol=0, atol=1e-5)


def test_one_item_gives_one_vector_and_no_items_no_rows(model):
    vector, none = model.encode(ITEMS[3]), model.encode([])
    assert (vector.shape, vector.dtype) == ((model.dim,), np.float32)
    np.testing.assert_allclose(vector, model.encode(ITEMS)[3], rtol=0, atol=1e-5)
    assert (none.shape, none.dtype) == ((0, model.dim), np.float32)
    assert model.encode([], normalize=True).shape == (0, model.dim)


def test_normalized_embeddings_are_the_others_over_their_norm(model):
    values, unit = model.encode(ITEMS), model.encode(ITEMS, normalize=True)
    np.testing.assert_allclose(unit, values / np.sqrt((values**2).sum(axis=1, keepdims=True)), atol=1e-6)
    assert unit.dtype == np.float32


@pytest.mark.parametrize("type_", [np.float16, np.float32, np.float64])
def test_frames_are_rounded_as_in_records(single, type_):
    given = [item | {"frames": item["frames"].astype(np.float16).astype(type_)} for item in ITEMS]
    np.testing.assert_allclose(single.encode(given), single.encode(ITEMS), rtol=0, atol=1e-6)


def test_truncated_quantized_embeddings(model):
    """The first numbers, scaled, and then rounded."""
    values = model.encode(ITEMS)[:, :5]
    unit = values / np.linalg.norm(values, axis=1, keepdims=True)
    np.testing.assert_allclose(model.encode(ITEMS, truncate_dim=5, normalize=True), unit, atol=1e-6)
    ranges = np.stack([unit.min(axis=0), unit.max(axis=0)])
    expected = np.rint((unit - ranges[0]) / (ranges[1] - ranges[0]) * 255) - 128
    options = {"truncate_dim": 5, "normalize": True, "precision": "int8"}
    np.testing.assert_allclose(model.encode(ITEMS, **options), expected, atol=1)
    one = model.encode(ITEMS[3], ranges=ranges, **options)
    assert (one.shape, one.dtype) == ((5,), np.int8)
    bits = np.unpackbits(model.encode(ITEMS, truncate_dim=5, precision="binary"), axis=1)
    np.testing.assert_array_equal(bits[:, :5], values > 0)


def test_records_are_encoded_in_their_order(scripts, single):
    path = scripts.root / "data/test_x/test_x.tfrecords"
    np.testing.assert_allclose(single.encode(path), single.encode(ITEMS), rtol=0, atol=1e-6)
    np.testing.assert_allclose(single.encode(str(path), batch_size=3), single.encode(ITEMS), rtol=0, atol=1e-5)


def test_a_bar_is_shown_where_it_is_asked_for(model, capsys):
    model.encode(ITEMS, progress=True)
    assert f"{len(ITEMS) * 4}/{len(ITEMS) * 4}" in capsys.readouterr().err
    model.encode(ITEMS)
    assert capsys.readouterr() == ("", "")


def test_more_items_than_are_held_at_a_time_and_weights_that_do_not_fit(both, model, monkeypatch):
    monkeypatch.setattr(held_weights, "VIDEOS_AT_A_TIME", 1)
    monkeypatch.setattr(held_weights, "available_memory", lambda: 0)
    restoring = vsim_tf.load(both)
    np.testing.assert_allclose(restoring.encode(ITEMS, batch_size=4), model.encode(ITEMS), rtol=0, atol=1e-5)


def test_threads_may_share_a_model(model):
    """Checkpoints take turns in one network: two threads in it would mix them."""
    expected, found = model.encode(ITEMS), {}
    threads = [threading.Thread(target=lambda i=i: found.update({i: model.encode(ITEMS, batch_size=2)})) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        np.testing.assert_allclose(found[i], expected, rtol=0, atol=1e-5)


def test_each_worker_embeds_its_own_items(scripts, single, monkeypatch):
    """Also where TF_CONFIG names others: nothing waits for them."""
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 1}}')
    alone = vsim_tf.load(scripts.output / "uniter" / "fold-00")
    np.testing.assert_allclose(alone.encode(ITEMS), single.encode(ITEMS), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda model: model.encode([ITEMS[0], {"title": "天"}]), r"^items\[1\]: the key 'frames' is missing"),
        (lambda model: model.encode({"title": "天"}), r"^item: the key 'frames' is missing"),
        (lambda model: model.encode(item for item in ITEMS), r"^items is of type generator; accepted is a list$"),
        (lambda model: model.encode("天地"), r"^'天地' matches no file; give a file, a pattern"),
        (lambda model: model.encode(ITEMS, batch_size=0), r"^batch_size=0: an integer of at least 1 is accepted$"),
        (lambda model: model.encode(ITEMS, batch_size=2.0), r"^batch_size=2.0: an integer"),
        (lambda model: model.encode(ITEMS, truncate_dim=9), r"^truncate_dim=9: an integer from 1 to 8"),
        (lambda model: model.encode(ITEMS, precision="int4"), r"^precision='int4': one of float32, float16, int8, binary"),
        (lambda model: model.encode(ITEMS[0], precision="int8"), r"^precision='int8': one embedding has no range"),
        (lambda model: model.predict(ITEMS), r"uniter/fold-00: a model of embeddings predicts no classes; load a classifier$"),
        (lambda model: model.similarity(ITEMS, ITEMS[:2]), r"^a has 13 items, b has 2; accepted are two items, or two equally"),
        (lambda model: model.similarity(ITEMS[0], ITEMS), r"^a or b is one item, the other is not"),
        (lambda model: model.similarity(ITEMS[0], {}), r"^b: the key 'title' is missing"),
        (lambda model: model.similarity(ITEMS[:2], [ITEMS[0], {}]), r"^b\[1\]: the key 'title' is missing"),
        (lambda model: model.rank_pairs([(ITEMS[0], ITEMS[1]), ITEMS[2]]), r"^pairs\[1\] is no pair; accepted are two items"),
        (lambda model: model.rank_pairs([ITEMS[:2], (ITEMS[0], {})]), r"^pairs\[1\]\[1\]: the key 'title' is missing"),
        (lambda model: model.rank_pairs(ITEMS[0]), r"^pairs is of type dict; accepted is a list$"),
    ],
)
def test_what_cannot_be_used_is_said_by_its_place(single, call, message):
    with pytest.raises(vsim_tf.UserError, match=message):
        call(single)


# --- similarity -------------------------------------------------------------------------------------------------------


def test_similarity_is_the_cosine_of_the_embeddings(model):
    values = model.encode(ITEMS)
    found = model.similarity(ITEMS[:5], ITEMS[5:10])
    np.testing.assert_allclose(found, cosine_similarity(values[:5], values[5:10]), rtol=0, atol=1e-6)
    one = model.similarity(ITEMS[0], ITEMS[5])
    assert isinstance(one, float)
    assert one == pytest.approx(found[0], abs=1e-6)
    assert model.similarity(ITEMS[0], ITEMS[0]) == pytest.approx(1)
    assert model.similarity([], []).shape == (0,)


def test_pairs_are_ranked_by_falling_similarity_and_each_object_is_embedded_once(model, monkeypatch):
    values, embedded = model.encode(ITEMS), []
    embed = model._embed
    monkeypatch.setattr(model, "_embed", lambda items, *rest: embedded.append(items) or embed(items, *rest))
    pairs = [(ITEMS[0], item) for item in ITEMS[:6]] + [(ITEMS[2], ITEMS[0])]
    ranked = model.rank_pairs(pairs)
    cosines = {(id(ITEMS[0]), id(ITEMS[row])): cosine_similarity(values[0], values[row]) for row in range(6)}
    cosines[id(ITEMS[2]), id(ITEMS[0])] = cosine_similarity(values[2], values[0])
    assert {(id(first), id(second)): similarity for first, second, similarity in ranked} == pytest.approx(cosines, abs=1e-5)
    similarities = [pair.similarity for pair in ranked]
    assert similarities == sorted(similarities, reverse=True)
    assert ranked[0].second is ITEMS[0]
    assert [len(items) for items in embedded] == [6]
    assert model.rank_pairs([]) == []


# --- a good guest -----------------------------------------------------------------------------------------------------


def test_what_a_model_says_of_itself(both, model, single):
    assert (model.dim, model.frame_dim, model.max_frames) == (8, toys.DIM, toys.FRAMES)
    text = f"Model('{both}', dim=8, frame_dim=6, max_frames=4, members=2, checkpoints=4)"
    assert repr(model) == text
    assert repr(single).endswith("members=1, checkpoints=1)")
    assert isinstance(model, vsim_tf.Model)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_the_users_dtype_policy_stays_and_takes_no_part(scripts, single, policy):
    keras.config.set_dtype_policy(policy)
    model = vsim_tf.load(scripts.output / "uniter" / "fold-00")
    assert keras.config.dtype_policy().name == policy
    assert keras.layers.Dense(1).dtype_policy.name == policy
    np.testing.assert_array_equal(model.encode(ITEMS), single.encode(ITEMS))
    with contextlib.suppress(vsim_tf.UserError):
        vsim_tf.load(scripts.root / "no-such-folder")
    assert keras.config.dtype_policy().name == policy


def test_models_live_side_by_side(scripts, single):
    """Of other weights, another architecture and another precision."""
    before = single.encode(ITEMS)
    others = [
        vsim_tf.load(scripts.output / "uniter" / "fold-02"),
        vsim_tf.load(scripts.output / "mix_nextvlad"),
        vsim_tf.load(scripts.output / "uniter" / "fold-00", precision="mixed_bfloat16"),
    ]
    for other in others:
        assert np.abs(other.encode(ITEMS) - before).max() > 1e-4
        np.testing.assert_array_equal(single.encode(ITEMS), before)
    np.testing.assert_allclose(others[2].encode(ITEMS), before, rtol=0.1, atol=0.1)


CODE = """
import sys, vsim_tf
assert not {"tensorflow", "keras", "numpy"} & sys.modules.keys(), "loaded too early"
assert {"load", "Model", "UserError", "__version__"} <= set(dir(vsim_tf))
model = vsim_tf.load("uniter")
assert "tensorflow" in sys.modules and "vsim_tf.cli" not in sys.modules
assert model.encode([{"title": "", "frames": []}]).shape == (1, model.dim)
"""


def test_nothing_is_written_and_nothing_said(scripts):
    def files():
        return {path: path.stat().st_mtime_ns for path in scripts.output.rglob("*")}

    before = files()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("TF_")} | {"PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", CODE], cwd=scripts.output, env=environment, capture_output=True, text=True, timeout=300
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert files() == before

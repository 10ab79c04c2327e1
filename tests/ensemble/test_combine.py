import logging
import math
import weakref
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.ensemble.combine import (
    check_weights,
    ensemble_run,
    find_members,
    fold_mean,
    load_member,
    models_present,
    normalized_weights,
    svd_ensemble,
    weighted_sum,
)
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import l2_normalize, pair_spearman
from vsim_tf.records.embeddings import Embeddings, read_embeddings, read_submission, write_embeddings, write_submission
from vsim_tf.records.labels import Pair


def random_members(count=3, videos=6, dim=4, seed=5):
    """Members with the same ids, each in an order of its own, and their float64 values in the order of the first."""
    rng = np.random.default_rng(seed)
    members, values = [], []
    for member in range(count):
        rows = np.sort(rng.permutation(videos)) if member == 0 else rng.permutation(videos)
        value = rng.normal(size=(videos, dim)).astype(np.float16)
        members.append(Embeddings([f"v{row}" for row in rows], value[rows]))
        values.append(value.astype(np.float64))
    return members, np.array(values)


def cosines(values):
    unit = l2_normalize(values)
    return unit @ unit.T


def test_svd_with_all_columns_keeps_the_weighted_cosines():
    members, values = random_members(3, videos=20)
    weights = [0.5, 0.2, 0.3]
    result = svd_ensemble(members, weights, 12)
    expected = sum(weight * cosines(value) for weight, value in zip(weights, values, strict=True))
    np.testing.assert_allclose(result.values @ result.values.T, expected, atol=1e-12)
    x = np.concatenate([math.sqrt(weight) * l2_normalize(value) for weight, value in zip(weights, values, strict=True)], axis=1)
    basis = np.linalg.lstsq(x, result.values)[0]
    assert (basis.max(axis=0) >= -basis.min(axis=0) - 1e-9).all(), "signs not by the largest entry"
    shorter = svd_ensemble([members[0], members[1]._replace(values=members[1].values[:, :2])], [1, 1], 6)
    assert shorter.values.shape == (20, 6)
    assert svd_ensemble(members, weights).values.shape == (20, 12)  # 256 where there are so many
    for dim in (0, 13):
        with pytest.raises(UserError, match=f"{dim} dimensions asked .* accepted are 1 to 12"):
            svd_ensemble(members, weights, dim)


@settings(max_examples=30, deadline=None)
@given(count=st.integers(1, 5), videos=st.integers(1, 6), seed=st.integers(0, 99), normalize=st.booleans())
def test_mean_and_sum_equal_numpy_whatever_the_order_of_ids(count, videos, seed, normalize):
    members, values = random_members(count, videos, seed=seed)
    weights = np.random.default_rng(seed).uniform(0.1, 1, count)
    np.testing.assert_allclose(fold_mean(members).values, values.mean(axis=0), atol=1e-12)
    total = weighted_sum(iter(members), weights, normalize)
    assert total.ids == members[0].ids
    assert total.values.dtype == np.float64
    scaled = l2_normalize(values) if normalize else values
    np.testing.assert_allclose(total.values, np.tensordot(weights, scaled, 1), atol=1e-12)
    turned = weighted_sum(members[::-1], weights[::-1], normalize)
    rows = [turned.ids.index(video) for video in total.ids]
    np.testing.assert_allclose(turned.values[rows], total.values, atol=1e-12)


def test_members_are_not_changed():
    members, _ = random_members(2)
    members = [member._replace(values=member.values.astype(np.float64)) for member in members]
    before = [member.values.copy() for member in members]
    for result in (fold_mean(members), fold_mean(members[:1]), weighted_sum(members, [0.5, 0.5], normalize=True)):
        result.values[:] = 0
    for member, values in zip(members, before, strict=True):
        np.testing.assert_array_equal(member.values, values)


def test_a_sum_holds_two_members_at_most():
    made, most = [], 0

    def stream():
        nonlocal most
        for row in range(6):
            values = np.full((3, 2), row, dtype=np.float16)
            made.append(weakref.ref(values))
            most = max(most, sum(reference() is not None for reference in made))
            yield Embeddings(["a", "b", "c"], values)
            del values

    np.testing.assert_array_equal(weighted_sum(stream(), [1 / 6] * 6).values, np.full((3, 2), 2.5))
    np.testing.assert_array_equal(fold_mean(stream()).values, np.full((3, 2), 2.5))
    assert most == 2


def test_files_and_memory_mix_and_weight_0_is_not_read(tmp_path):
    members, values = random_members(2)
    write_embeddings(tmp_path / "a.npz", members[0])
    write_submission(tmp_path / "b.zip", members[1])
    result = weighted_sum([tmp_path / "a.npz", "gone.npz", str(tmp_path / "b.zip")], [0.25, 0, 0.75])
    np.testing.assert_allclose(result.values, 0.25 * values[0] + 0.75 * values[1], atol=1e-15)
    assert load_member(members[0]) is members[0]
    with pytest.raises(UserError, match="a.json: not a file of embeddings; accepted are .npz and .zip"):
        load_member("a.json")


@pytest.mark.parametrize(
    "combine",
    [fold_mean, lambda members: weighted_sum(members, [1 / 3] * 3), lambda members: svd_ensemble(members, [1 / 3] * 3, 2)],
)
def test_a_member_with_other_ids_is_named(combine):
    members, _ = random_members(3)
    members[2] = Embeddings([*members[2].ids[:-1], "other"], members[2].values)
    with pytest.raises(UserError, match="^member 2: ids differ from .* first member; missing 1: .*extra 1: other$"):
        combine(members)


def test_a_member_of_another_size_is_named():
    members, _ = random_members(2)
    with pytest.raises(UserError, match="^b: 3 dimensions, members before it 4"):
        fold_mean([members[0], members[1]._replace(values=members[1].values[:, :3])], names=["a", "b"])
    with pytest.raises(UserError, match="no members"):
        fold_mean([])


@pytest.mark.parametrize(
    "weights, message",
    [
        ([0.5, -0.5], "at least 0"),
        ([math.nan, 1], "finite"),
        ([math.inf, 1], "finite"),
        ([1e308, 1e308], "finite sum"),
        ([0, 0], "above 0"),
        ([], "above 0"),
        ([1], "1 weights for more members"),
        ([0.5, 0.25, 0.25], "3 weights for fewer members"),
    ],
)
def test_unusable_weights(weights, message):
    members, _ = random_members(2)
    for combine in (weighted_sum, svd_ensemble):
        with pytest.raises(UserError, match=message):
            combine(members, weights)


def test_a_sum_other_than_1_is_logged(caplog):
    with caplog.at_level(logging.WARNING):
        check_weights([0.17, 0.20, 0.13, 0.13, 0.20, 0.17])
        assert not caplog.records
        assert check_weights([1, 2]) == [1.0, 2.0]
    assert "sum to 3, not to 1" in caplog.text


PAIRS = [Pair("v0", "v1", 1.0), Pair("v1", "v2", 0.3), Pair("v3", "v4", 0.0), Pair("v5", "v0", 0.7)]


def write_run(folder, models=("one", "two"), folds=(0, 10)):
    """Writes one embeddings file per model and fold and returns them."""
    members, _ = random_members(len(models) * len(folds))
    written = {}
    for model in models:
        for fold in folds:
            path = folder / model / f"fold-{fold:02d}" / "embeddings" / "test_a.npz"
            written.setdefault(model, []).append(members.pop())
            write_embeddings(path, written[model][-1])
    return written


@pytest.mark.parametrize("method", ["sum", "svd"])
def test_run_over_models_and_folds(tmp_path, method):
    written = write_run(tmp_path)
    members = find_members(tmp_path, ["one", "two"], [0, 10], "test_a")
    result = ensemble_run(members, {"one": 0.4, "two": 0.6}, PAIRS, method, dim=3)
    means = {model: fold_mean(folds) for model, folds in written.items()}
    assert [(model.name, model.weight) for model in result.models] == [("one", 0.4), ("two", 0.6)]
    for model in result.models:
        assert model.fold_scores == [pair_spearman(fold, PAIRS) for fold in written[model.name]]
        assert model.mean_score == pair_spearman(means[model.name], PAIRS)
    combine = {"sum": weighted_sum, "svd": lambda *given: svd_ensemble(*given, dim=3)}[method]
    np.testing.assert_array_equal(result.embeddings.values, combine(list(means.values()), [0.4, 0.6]).values)
    assert result.score == pair_spearman(result.embeddings, PAIRS)


def test_run_without_labels_with_normalising_and_a_model_left_out(tmp_path):
    written = write_run(tmp_path)
    members = find_members(tmp_path, ["one", "two"], [0, 10], "test_a")
    result = ensemble_run(members, {"one": 0, "two": 1}, normalize=True)
    np.testing.assert_array_equal(result.embeddings.values, l2_normalize(fold_mean(written["two"]).values))
    assert math.isnan(result.score)
    assert [model.fold_scores for model in result.models] == [[], []]
    scored = ensemble_run(members, {"one": 0, "two": 1}, PAIRS)
    assert not math.isnan(scored.models[0].mean_score)


def test_run_of_a_list_of_files(tmp_path):
    members, values = random_members(2)
    write_submission(tmp_path / "a.zip", members[0])
    write_embeddings(tmp_path / "b.npz", members[1])
    files = {path.name: [path] for path in (tmp_path / "a.zip", tmp_path / "b.npz")}
    result = ensemble_run(files, dict.fromkeys(files, 0.5), PAIRS)
    np.testing.assert_allclose(result.embeddings.values, values.mean(axis=0), atol=1e-15)
    assert read_submission(tmp_path / "a.zip").ids == result.embeddings.ids
    assert read_embeddings(tmp_path / "b.npz").ids != result.embeddings.ids


def test_run_names_what_is_missing_or_does_not_fit(tmp_path):
    write_run(tmp_path)
    with pytest.raises(UserError, match="no embeddings of test_a for 3: one/fold-01, two/fold-01, three/fold-01;"):
        find_members(tmp_path, ["one", "two", "three"], [1], "test_a")
    with pytest.raises(UserError, match=r"no embeddings of test_b for 2: .*; there are those of test_a \(2 runs\); run "):
        find_members(tmp_path, ["one", "two"], [0], "test_b")
    with pytest.raises(UserError, match=r"; these runs have none of any test set; .*docs/data.md"):
        find_members(tmp_path, ["three"], [0], "test_b")
    members = find_members(tmp_path, ["one", "two"], [0, 10], "test_a")
    with pytest.raises(UserError, match=r"weights are given for \['one'\], members for \['one', 'two'\]"):
        ensemble_run(members, {"one": 1})
    with pytest.raises(UserError, match="ensemble method 'pca'; accepted are sum, svd"):
        ensemble_run(members, {"one": 1, "two": 1}, method="pca")
    write_embeddings(members["two"][1], Embeddings(["v0"], np.ones((1, 4))))
    with pytest.raises(UserError, match="two/fold-10/embeddings/test_a.npz: ids differ .* missing 5: "):
        ensemble_run(members, {"one": 1, "two": 1})
    write_embeddings(members["two"][0], Embeddings(["v0"], np.ones((1, 4))))
    with pytest.raises(UserError, match="^two: ids differ"):
        ensemble_run(members, {"one": 0.5, "two": 0.5})


def test_models_are_those_that_have_runs(tmp_path):
    for name in ("b/fold-03", "a/fold-00", "c/pretrain", "d/fold-00", "other/fold-00"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "config.json").touch()
    (tmp_path / "d/fold-00/config.json").unlink()
    assert models_present(tmp_path, ["a", "b", "c", "d"]) == ["a", "b"]
    with pytest.raises(UserError, match=f"^{tmp_path}: no model has a run fold-XX; train one by train_pair.py"):
        models_present(tmp_path, ["c", "d"])


def test_weights_of_some_models_are_scaled_to_sum_1():
    assert normalized_weights([0.17, 0.20, 0.13, 0.13, 0.20, 0.17]) == [0.17, 0.20, 0.13, 0.13, 0.20, 0.17]
    assert normalized_weights([0.13, 0.20]) == [0.13 / 0.33, 0.20 / 0.33]
    assert normalized_weights([0.17]) == [1]
    assert normalized_weights([0.0]) == [0.0]


def test_one_member_is_itself_and_a_member_of_weight_0_is_not_even_read(tmp_path):
    (member,), values = random_members(1)
    for result in (fold_mean([member]), weighted_sum([member], [1]), weighted_sum([member, tmp_path / "gone.npz"], [1, 0])):
        assert result.ids == member.ids
        np.testing.assert_array_equal(result.values, values[0])


def test_order_of_members_changes_nothing_but_rounding():
    members, _ = random_members(5)
    weights = [0.3, 0.1, 0.2, 0.25, 0.15]
    first = weighted_sum(members, weights)
    for order in ([4, 3, 2, 1, 0], [2, 0, 4, 1, 3]):
        turned = weighted_sum([members[i] for i in order], [weights[i] for i in order])
        rows = [turned.ids.index(video) for video in first.ids]
        np.testing.assert_allclose(turned.values[rows], first.values, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.zip", b"PK"), ("a.npz", b"PK"), ("a.txt", b""), ("a.zip", None), ("a.npz", None),
        ("a.zip", b'{"v0": [NaN]}'), ("a.zip", b'{"v0": [0.5], "v0": [0.5]}'), ("a.zip", b'{"v0": [0.5'),
    ],
)  # fmt: skip
def test_a_damaged_member_is_named(tmp_path, name, content):
    if content and content.startswith(b"{"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("result.json", content)
    elif content is not None:
        (tmp_path / name).write_bytes(content)
    members, _ = random_members(1)
    with pytest.raises(UserError, match=f"^{tmp_path / name}: "):
        weighted_sum([*members, tmp_path / name], [0.5, 0.5])

import logging
import math
import weakref
import zipfile

import numpy as np
import pytest
from ensemble_members import random_members
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.ensemble.combine import (
    check_weights,
    fold_mean,
    load_member,
    normalized_weights,
    svd_ensemble,
    weighted_sum,
)
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import l2_normalize
from vsim_tf.records.embeddings import Embeddings, write_embeddings, write_submission


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

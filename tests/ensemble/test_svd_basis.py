import io
import zipfile

import numpy as np
import pytest
from ensemble_members import random_members

from vsim_tf.ensemble import svd_basis
from vsim_tf.ensemble.combine import svd_ensemble
from vsim_tf.ensemble.svd_basis import KEYS, SvdBasis, concatenated, means_of
from vsim_tf.errors import UserError
from vsim_tf.inference.cosine import l2_normalize

WEIGHTS = {"a": 0.25, "b": 0.75}


def embeddings(videos=40, seed=1):
    """Two models of different dimensions, whose embeddings of the same videos are alike."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(videos, 3))
    mixing = np.random.default_rng(9)
    return {
        name: hidden @ mixing.normal(size=(3, dim)) + 0.1 * rng.normal(size=(videos, dim)) for name, dim in (("a", 5), ("b", 4))
    }


def test_fit_is_the_truncated_svd_of_scaled_unit_rows():
    """X = [sqrt(1/4) a/|a|, sqrt(3/4) b/|b|] = U S V^T: the projection is V's first columns, the result U S."""
    members = embeddings()
    x = np.concatenate([0.5 * l2_normalize(members["a"]), np.sqrt(0.75) * l2_normalize(members["b"])], axis=1)
    np.testing.assert_allclose(concatenated(members, WEIGHTS, slice(None), means_of(members, False)), x, atol=1e-15)
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    basis = SvdBasis.fit(members, WEIGHTS, 3)
    assert (basis.names, basis.dims, basis.weights, basis.projection.shape) == (("a", "b"), (5, 4), (0.25, 0.75), (9, 3))
    signs = np.sign(np.sum(vt[:3].T * basis.projection, axis=0))
    np.testing.assert_allclose(basis.projection, vt[:3].T * signs, atol=1e-12)
    np.testing.assert_allclose(basis.project(members), (u * s)[:, :3] * signs, atol=1e-12)


def test_centred_members_by_hand():
    """Means (2, 1) and (0, 3) leave (3, 4), (-3, -4) and (0, -2), (0, 2): unit rows (0.6, 0.8, 0, -1) and minus that.

    X is that row and its opposite, times sqrt(1/2) each: one direction, (0.6, 0.8, 0, -1) / sqrt(2), where the rows are 1 and -1.
    """
    members = {"a": np.array([[5.0, 5.0], [-1.0, -3.0]]), "b": np.array([[0.0, 1.0], [0.0, 5.0]])}
    basis = SvdBasis.fit(members, {"a": 0.5, "b": 0.5}, 1, center=True)
    np.testing.assert_allclose(basis.mean, [2, 1, 0, 3])
    np.testing.assert_allclose(basis.projection[:, 0], -np.array([0.6, 0.8, 0, -1]) / np.sqrt(2), atol=1e-12)
    np.testing.assert_allclose(basis.project(members), [[-1], [1]], atol=1e-12)
    new = {"a": np.array([[2.0, 2.0]]), "b": np.array([[1.0, 3.0]])}  # (0, 1) and (1, 0): -0.8 / sqrt(2) * sqrt(1/2)
    np.testing.assert_allclose(basis.project(new), [[-0.4]], atol=1e-12)


def test_a_centred_basis_is_stored_with_its_means(tmp_path):
    members = embeddings()
    basis, plain = (SvdBasis.fit(members, WEIGHTS, 3, center) for center in (True, False))
    assert plain.mean is None and not any(mean.any() for mean in plain.means().values())
    for each in (basis, plain):
        each.save(tmp_path / "a.npz")
        again = SvdBasis.load(tmp_path / "a.npz")
        np.testing.assert_array_equal(again.project(members), each.project(members))
        assert again.means().keys() == members.keys()
        assert np.load(tmp_path / "a.npz")["version"] == (2 if each is basis else 1)
    for name, mean in basis.means().items():
        np.testing.assert_allclose(mean, members[name].mean(axis=0))


@pytest.mark.parametrize("mean", [np.zeros(8), np.zeros(9, np.float32), np.full(9, np.nan), None])
def test_means_that_are_none_are_refused(tmp_path, mean):
    (tmp_path / "a.npz").write_bytes(saved(version=2, mean=mean))
    with pytest.raises(UserError, match=r"its mean is no finite number for each dimension|not a readable basis .*mean"):
        SvdBasis.load(tmp_path / "a.npz")


@pytest.mark.parametrize("center", [False, True])
def test_the_projection_is_a_sum_over_members(center):
    members = embeddings()
    basis = SvdBasis.fit(members, WEIGHTS, 3, center)
    means = basis.means()
    total = sum(l2_normalize(members[name] - means[name]) @ matrix for name, matrix in basis.matrices().items())
    np.testing.assert_allclose(total, basis.project(members), atol=1e-14)


def test_a_saved_basis_gives_the_joint_fit_and_takes_new_videos(tmp_path):
    """New videos are near those that they resemble, which a fit of their own would not give."""
    fitted, new = embeddings(), embeddings(10, seed=2)
    basis = SvdBasis.fit(fitted, WEIGHTS, 3)
    basis.save(tmp_path / "a.basis.npz")
    again = SvdBasis.load(tmp_path / "a.basis.npz")
    assert (again.names, again.dims, again.weights) == (basis.names, basis.dims, basis.weights)
    np.testing.assert_array_equal(again.projection, basis.projection)
    np.testing.assert_allclose(again.project(fitted), basis.project(fitted), rtol=0, atol=1e-12)
    turned = {name: fitted[name] for name in reversed(fitted)}
    np.testing.assert_array_equal(again.project(turned), basis.project(fitted))
    both = {name: np.concatenate([fitted[name], new[name]]) for name in fitted}
    np.testing.assert_allclose(again.project(both)[40:], again.project(new), atol=1e-12)
    projected, whole = (
        l2_normalize(values) for values in (again.project(both), concatenated(both, WEIGHTS, slice(None), basis.means()))
    )
    np.testing.assert_allclose(projected @ projected.T, whole @ whole.T, atol=0.1)


def test_parts_of_the_videos_make_no_difference(monkeypatch):
    members = embeddings()
    whole = SvdBasis.fit(members, WEIGHTS, 4)
    monkeypatch.setattr(svd_basis, "ROWS_AT_ONCE", 7)
    parts = SvdBasis.fit(members, WEIGHTS, 4)
    np.testing.assert_allclose(parts.projection, whole.projection, atol=1e-12)
    np.testing.assert_allclose(parts.project(members), whole.project(members), atol=1e-12)


def test_the_ensemble_is_its_basis():
    members, values = random_members(2, videos=9)
    basis = SvdBasis.fit({"x": values[0], "y": values[1]}, {"x": 0.5, "y": 0.5}, 2)
    rows = [int(video[1:]) for video in members[0].ids]
    expected = basis.project({"x": values[0][rows], "y": values[1][rows]})
    np.testing.assert_allclose(svd_ensemble(members, [0.5, 0.5], 2).values, expected, atol=1e-12)


BASIS = SvdBasis(("a", "b"), (5, 4), (0.25, 0.75), np.eye(9, 3))


@pytest.mark.parametrize(
    ("dims", "weights"),
    [
        ({"a": 5}, {"a": 0.25}),
        ({"a": 5, "c": 4}, {"a": 0.25, "c": 0.75}),
        ({"a": 5, "b": 4, "c": 1}, {"a": 0.25, "b": 0.75, "c": 1}),
        ({"a": 5, "b": 3}, WEIGHTS),
        ({"a": 5, "b": 4}, {"a": 0.75, "b": 0.25}),
        ({"a": 5, "b": 4}, {"a": 0.25, "b": 0.7500001}),
    ],
)
def test_a_basis_of_another_ensemble_is_refused(dims, weights):
    BASIS.require({"b": 4, "a": 5}, WEIGHTS)
    with pytest.raises(
        UserError, match=r"^the basis is of another ensemble: a \(5 dimensions, weight 0.25\), b \(4 .*; embeddings are"
    ):
        BASIS.require(dims, weights)


def saved(**changes) -> bytes:
    file = io.BytesIO()
    arrays = {
        "format": svd_basis.FORMAT, "version": 1, "names": np.array(["a", "b"]), "dims": np.array([5, 4]),
        "weights": np.array([0.25, 0.75]), "projection": np.eye(9, 3),
    }  # fmt: skip
    np.savez(file, **{name: value for name, value in (arrays | changes).items() if value is not None})
    return file.getvalue()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"format": "another"}, "its format is not 'vsim_tf SVD basis'"),
        ({"format": np.zeros(10**5)}, "its format is not"),
        ({"version": 3}, "its version is not 1 or 2; a newer vsim_tf"),
        ({"names": np.array(["a", "a"])}, "or a name is repeated"),
        ({"names": np.array([1, 2])}, "are int64, int64, float64 and float64"),
        ({"names": np.array(["a"])}, "have the shapes"),
        ({"dims": np.array([5.0, 4.0])}, "are <U1, float64, float64 and float64"),
        ({"dims": np.array([5, 5])}, r"has the shape \[9, 3\] for dimensions \[5, 5\]"),
        ({"dims": np.array([9, 0])}, "not above 0"),
        ({"weights": np.array([1.0, 0.0])}, "not above 0"),
        ({"weights": np.array([1.0, np.nan])}, "not finite"),
        ({"projection": np.full((9, 3), np.inf)}, "not finite"),
        ({"projection": np.zeros((9, 3), np.float32)}, "and float32"),
        ({"projection": np.zeros((9, 10))}, r"has the shape \[9, 10\]"),
        ({"projection": None}, r"not a readable basis of an SVD ensemble \(npz\): .*projection"),
        ({"weights": np.array([0.25, None], object)}, r"not a readable basis .*allow_pickle"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path, changes, reason):
    path = tmp_path / "a.npz"
    path.write_bytes(saved())
    assert SvdBasis.load(path).names == ("a", "b")
    path.write_bytes(saved(**changes))
    with pytest.raises(UserError, match=reason) as error:
        SvdBasis.load(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value) and len(str(error.value)) < 300


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04", saved()[:-100], b"\x80\x05K\x01.", b"\x93NUMPY"])
def test_a_damaged_file_is_refused(tmp_path, content):
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(UserError, match=f"^{tmp_path}/a.npz: not a readable basis"):
        SvdBasis.load(tmp_path / "a.npz")


def test_members_that_are_no_arrays_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        for key in KEYS:
            archive.writestr(key, b"1")
    with pytest.raises(UserError, match="its format is not"):
        SvdBasis.load(tmp_path / "a.npz")


def test_an_impossible_dimension_is_refused():
    for dim in (0, 10):
        with pytest.raises(UserError, match=f"{dim} dimensions asked .* accepted are 1 to 9"):
            SvdBasis.fit(embeddings(), WEIGHTS, dim)

"""Exact and approximate search against products in NumPy, and the recall that is measured."""

import sys

import numpy as np
import pytest
from vectors import clustered, on_circle

from vsim_tf.errors import UserError
from vsim_tf.search.nearest import VectorIndex, description


@pytest.fixture(scope="module")
def faiss():
    return pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def approximate(faiss):
    return VectorIndex.build_approximate(clustered(3000, 16))


def nearest_rows(vectors: np.ndarray, queries: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :k]


def test_an_exact_index_finds_what_numpy_finds(faiss):
    vectors, queries = clustered(200, 8), clustered(5, 8, seed=1)
    index = VectorIndex.build_exact(vectors)
    found = index.search(queries, 7)
    assert index.is_exact and index.clusters == (1, 1) and index.recall() == 1
    assert found.rows.tolist() == nearest_rows(vectors, queries, 7).tolist()
    assert np.allclose(found.products, np.take_along_axis(queries @ vectors.T, found.rows, 1), atol=1e-6)
    assert np.array_equal(index.vectors, vectors)


def test_more_neighbours_than_vectors(faiss):
    assert VectorIndex.build_exact(on_circle(0, 60)).search(on_circle(0), 3).rows.tolist() == [[0, 1, -1]]


def test_an_approximate_index_compares_its_candidates_exactly(approximate):
    vectors, queries = clustered(3000, 16), clustered(20, 16, seed=1)
    found = approximate.search(queries, 10)
    looked_into, clusters = approximate.clusters
    assert not approximate.is_exact and looked_into < clusters == 76  # 3000 / 39, which is less than 4 * sqrt(3000)
    assert np.allclose(found.products, np.take_along_axis(queries @ vectors.T, found.rows, 1), atol=1e-6)
    expected = nearest_rows(vectors, queries, 10)
    assert np.mean([len(set(a) & set(b)) / 10 for a, b in zip(found.rows.tolist(), expected.tolist(), strict=True)]) > 0.95
    assert np.array_equal(approximate.vectors, vectors)


def test_the_recall_is_the_share_of_the_ten_nearest_others(approximate, faiss):
    vectors = clustered(3000, 16)
    base = faiss.extract_index_ivf(approximate._index)
    tuned, base.nprobe = base.nprobe, 1
    try:
        rows = np.random.default_rng(0).choice(3000, 1000, replace=False)
        expected, found = nearest_rows(vectors, vectors[rows], 11), approximate.search(vectors[rows], 11).rows
        shares = [
            len(set(a) & set(b) - {row}) / 10 for a, b, row in zip(found.tolist(), expected.tolist(), rows.tolist(), strict=True)
        ]
        assert approximate.recall() == pytest.approx(np.mean(shares), abs=1e-3)
        assert np.mean(shares) < 0.95
    finally:
        base.nprobe = tuned
    assert approximate.recall() >= 0.99


def test_of_equally_near_vectors_any_is_found(faiss):
    vectors = np.repeat(clustered(20, 8), 20, axis=0)
    assert VectorIndex.build_approximate(vectors).recall() == 1


@pytest.mark.parametrize("build", ["exact", "approximate"])
def test_what_is_written_is_read(faiss, tmp_path, build):
    vectors, queries = clustered(300, 8), clustered(5, 8, seed=1)
    index = getattr(VectorIndex, f"build_{build}")(vectors)
    for name in ("a", "b"):
        index.write(tmp_path / name)
    again = VectorIndex.read(tmp_path / "a")
    assert (again.is_exact, again.clusters) == (index.is_exact, index.clusters)
    assert all(np.array_equal(a, b) for a, b in zip(again.search(queries, 5), index.search(queries, 5), strict=True))
    assert np.array_equal(again.vectors, vectors)
    getattr(VectorIndex, f"build_{build}")(vectors).write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_other_files_are_refused(faiss, tmp_path):
    (tmp_path / "a").write_bytes(b"no index")
    with pytest.raises(UserError, match="a: not a readable index of faiss: "):
        VectorIndex.read(tmp_path / "a")
    faiss.write_index(faiss.IndexFlatL2(8), str(tmp_path / "b"))
    with pytest.raises(UserError, match="b: holds an IndexFlatL2 of faiss"):
        VectorIndex.read(tmp_path / "b")


def test_a_file_that_cannot_be_written(faiss, tmp_path):
    with pytest.raises(OSError):
        VectorIndex.build_exact(on_circle(0)).write(tmp_path / "none/a")


@pytest.mark.parametrize(
    ("vectors", "dim", "parts"),
    [
        (256, 8, "IVF6,PQ2x8np"),
        (1_000_000, 256, "IVF4000,PQ64x8np"),
        (10_000, 7, "IVF256,PQ1x8np"),
        (10_000, 30, "IVF256,PQ6x8np"),
    ],
)
def test_clusters_and_codes(vectors, dim, parts):
    """4 * sqrt(vectors) clusters of at least 39 vectors; a byte for four dimensions, or as many as divide them."""
    assert description(vectors, dim) == parts


def test_faiss_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(UserError, match="faiss is not installed; `pip install faiss-cpu` brings it"):
        VectorIndex.build_exact(on_circle(0))

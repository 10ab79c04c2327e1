"""An index in Python: ids, titles, models that are refused, and errors."""

import logging

import numpy as np
import pytest
from vectors import clustered, on_circle

import vsim_tf
from vsim_tf.errors import UserError
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.search.index import Index

pytest.importorskip("faiss")
IDS, TITLES = ["a", "b", "c", "d"], ["天", "地", None, "天"]


class FakeModel:
    """Embeds by a matrix of its seed."""

    frame_dim = 6

    def __init__(self, seed: int, dim: int = 2, noise: float = 0):
        self.name, self.dim = f"model {seed}", dim
        self.matrix = np.random.default_rng(seed).normal(size=(18, dim)) + noise

    def encode(self, items, normalize: bool):
        assert normalize
        values = np.stack([item["frames"].ravel() @ self.matrix for item in items])
        return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.fixture
def index():
    return Index.build(Embeddings(IDS, 3 * on_circle(0, 60, 90, 1)), TITLES)


def test_the_nearest_with_their_titles(index):
    (found,) = index.search(on_circle(0), 3)
    assert [(video.id, video.title) for video in found] == [("a", "天"), ("d", "天"), ("b", "地")]
    assert [video.similarity for video in found] == pytest.approx([1, np.cos(np.deg2rad(1)), 0.5], abs=1e-6)
    assert len(index) == 4 and repr(index) == "Index(4 videos, 2 dimensions, exact)"
    assert vsim_tf.Index is Index


def test_a_video_does_not_find_itself(index):
    assert [video.id for video in index.similar("a", 2)] == ["d", "b"]
    assert [video.id for video in index.similar("c")] == ["b", "d", "a"]
    found = index.search(on_circle(0, 90), 1, ["a", None])
    assert [[video.id for video in neighbours] for neighbours in found] == [["d"], ["c"]]


def test_videos_by_title(index):
    assert index.with_title("天") == ["a", "d"]
    assert np.allclose(index.vectors(["c", "a"]), [[0, 1], [1, 0]], atol=1e-6)
    assert index.title("b") == "地" and index.title("c") is None


def test_groups_of_duplicates(index):
    ((first, second),) = index.duplicates(0.99)
    assert (first.id, second.id, second.title) == ("a", "d", "天")
    assert (first.similarity, second.similarity) == pytest.approx((1, np.cos(np.deg2rad(1))), abs=1e-6)


@pytest.mark.parametrize("exact_below", [256, 10_000])
def test_what_is_saved_is_opened(tmp_path, exact_below):
    ids = [f"v{number}" for number in range(300)]
    index = Index.build(Embeddings(ids, clustered(300, 8)), exact_below=exact_below)
    index.save(tmp_path / "index")
    again = Index.open(tmp_path / "index")
    assert (again.ids, again.titles, again.note) == (index.ids, index.titles, index.note)
    assert again.similar("v7") == index.similar("v7") and again.duplicates(0.95) == index.duplicates(0.95)
    assert ("IVF-PQ" in index.note.summary()) == (exact_below == 256)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index"]


def test_the_recall_is_said(caplog):
    caplog.set_level(logging.INFO, "vsim_tf")
    index = Index.build(Embeddings([f"v{number}" for number in range(300)], clustered(300, 8)), exact_below=300)
    assert caplog.messages == [index.note.summary()]
    assert f"recall@10 {index.note.recall:.4f}" in caplog.messages[0] and index.note.recall > 0.9


def test_an_index_of_another_model_is_refused(tmp_path):
    model = FakeModel(0)
    Index.build(Embeddings(IDS, on_circle(0, 60, 90, 1)), model=model).save(tmp_path / "index")
    assert len(Index.open(tmp_path / "index", model)) == 4
    assert len(Index.open(tmp_path / "index", FakeModel(0, noise=1e-4))) == 4  # as another processor rounds
    with pytest.raises(UserError, match=r"^the index was made by another model \(model 0\): model 1 gives other embeddings$"):
        Index.open(tmp_path / "index", FakeModel(1))
    with pytest.raises(UserError, match="the index has embeddings of 2 dimensions; those of model 0 have 3"):
        Index.open(tmp_path / "index", FakeModel(0, dim=3))
    with pytest.raises(UserError, match="embeddings have 2 dimensions, those of model 0 have 3"):
        Index.build(Embeddings(IDS, on_circle(0, 60, 90, 1)), model=FakeModel(0, dim=3))


def test_a_model_that_is_not_known_is_assumed_with_a_warning(index, caplog):
    index.require_model(FakeModel(0))
    assert caplog.messages == ["the index does not say which model made its embeddings; it is assumed to be model 0"]


@pytest.mark.parametrize(
    ("ids", "values", "options", "message"),
    [
        (["a", "a"], on_circle(0, 1), {}, "ids that occur more than once: 1: a"),
        ([1, 2], on_circle(0, 1), {}, "ids must be text"),
        (["a"], on_circle(0, 1), {}, r"1 ids with embeddings of shape \[2, 2\]"),
        ([], np.zeros((0, 2)), {}, r"0 ids with embeddings of shape \[0, 2\]"),
        (["a", "b"], np.array([[1, 2], [1, np.nan]]), {}, "a number that is not finite: 1: b"),
        (["a", "b"], on_circle(0, 1), {"titles": ["天"]}, "1 titles of 2 ids"),
        (["a", "b"], on_circle(0, 1), {"exact_below": 255}, "exact_below=255: at least 256 is accepted"),
    ],
)
def test_what_makes_no_index(ids, values, options, message):
    with pytest.raises(UserError, match=message):
        Index.build(Embeddings(ids, values), **options)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda index: index.similar("x"), "no video of the index has the id 'x'; it holds 4: a, b, c, d"),
        (lambda index: index.with_title("x"), "no video of the index has the title 'x'; 3 of 4 videos have known titles"),
        (lambda index: index.search(np.zeros((1, 3))), r"vectors have the shape \[1, 3\]; accepted is \[queries, 2\]"),
        (lambda index: index.search(np.zeros(2)), r"vectors have the shape \[2\]"),
        (lambda index: index.search([[0, np.inf]]), "vectors hold numbers that are not finite"),
        (lambda index: index.search(np.zeros((1, 2)), 0), "k=0: at least 1 is accepted"),
        (lambda index: index.duplicates(1.5), "threshold=1.5: accepted are cosines above 0 and up to 1"),
        (lambda index: index.duplicates(float("nan")), "threshold=nan"),
    ],
)
def test_questions_that_are_refused(index, ask, message):
    with pytest.raises(UserError, match=message):
        ask(index)


def test_an_embedding_of_zeros_is_similar_to_nothing():
    index = Index.build(Embeddings(["a", "b"], np.array([[0, 0], [1, 0]])))
    assert index.similar("a")[0].similarity == 0 and index.duplicates(0.01) == []

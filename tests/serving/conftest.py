"""Models that are served: one of embeddings, and a classifier that reads pictures."""

from types import SimpleNamespace

import numpy as np
import pytest
import toys
from toy_runs import make_classifier, make_run

import vsim_tf
from vsim_tf.records.embeddings import Embeddings


@pytest.fixture(scope="session")
def embedding_model(tmp_path_factory):
    return vsim_tf.load(make_run(tmp_path_factory.mktemp("served") / "fold-00", "uniter", 0))


@pytest.fixture(scope="session")
def classifier(tmp_path_factory):
    return vsim_tf.load(make_classifier(tmp_path_factory.mktemp("classes") / "fold-00", "wbdc_1", 0))


@pytest.fixture(scope="session")
def videos():
    """Videos with titles and frames of all lengths, as JSON has them."""
    rng = np.random.default_rng(0)
    return [
        {"title": toys.random_title(rng), "frames": rng.standard_normal((rng.integers(0, 8), toys.DIM)).tolist()}
        for _ in range(6)
    ]


@pytest.fixture(scope="session")
def served(serving, embedding_model, videos):
    """A model with an index of its videos; both are called in process too."""
    pytest.importorskip("faiss")
    vectors, ids = embedding_model.encode(videos), [f"v{number}" for number in range(len(videos))]
    index = vsim_tf.Index.build(Embeddings(ids, vectors), [video["title"] for video in videos], embedding_model)
    with serving.batcher(embedding_model) as batcher:
        client = serving.client(embedding_model, batcher, index, max_videos=6, max_frames=9, max_text=20, max_body_mb=1)
        yield SimpleNamespace(client=client, model=embedding_model, index=index)


class FakeModel:
    """Numbers without a network: the embedding of a video is the sum of its frames, and its number of characters.

    Attributes:
        calls: how many videos each call had.
        before: called with the items before anything is computed.
    """

    name, dim, frame_dim, max_frames, classes, tower = "fake", 2, 3, 4, (), None

    def __init__(self):
        self.calls, self.before = [], lambda items: None

    def check(self, items, name):
        pass

    def encode(self, items, batch_size):
        self.before(items)
        self.calls.append(len(items))
        return np.array([[np.sum(item["frames"]), len(item["title"])] for item in items], np.float32)


@pytest.fixture
def fake_model():
    return FakeModel()


@pytest.fixture(scope="session")
def serving():
    """What the tests of an application need, imported where FastAPI is installed."""
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx2")
    from fastapi.testclient import TestClient

    from vsim_tf.serving.application import computations, make_app
    from vsim_tf.serving.batcher import Batcher
    from vsim_tf.serving.limits import Limits

    def batcher(model, max_batch=8, max_wait=0.0):
        return Batcher(computations(model, max_batch), max_batch, max_wait)

    def client(model, batcher, index=None, **limits):
        return TestClient(make_app(model, batcher, Limits(**limits), index), raise_server_exceptions=False)

    return SimpleNamespace(batcher=batcher, client=client)

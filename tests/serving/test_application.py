"""Endpoints: the numbers of the model called in process, and clear refusals."""

import base64
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import toy_clips
from documents import DOCUMENTS
from test_documented_messages import pattern

import vsim_tf
from vsim_tf.features.pictures import encode_jpeg


def posted(client, path, **body):
    answer = client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def encoded(frames, dtype):
    array = np.array(frames, dtype).reshape(-1, 6)
    return {"data": base64.b64encode(array.tobytes()).decode(), "shape": list(array.shape), "dtype": dtype}


# --- numbers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"normalize": True},
        {"normalize": True, "truncate_dim": 3, "precision": "int8"},
        {"precision": "int8", "ranges": [[-1.0] * 8, [1.0] * 8]},
        {"precision": "binary"},
    ],
)
def test_embeddings_are_those_of_encode(served, videos, form):
    found = posted(served.client, "/embed", videos=videos, **form)["embeddings"]
    assert found == served.model.encode(videos, **form).tolist()


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_frames_in_base64(served, videos, dtype):
    given = [video | {"frames": encoded(video["frames"], dtype), "id": "a", "ocr": "read by other models"} for video in videos]
    found = posted(served.client, "/embed", videos=given)["embeddings"]
    expected = [video | {"frames": np.array(video["frames"], dtype).reshape(-1, 6)} for video in videos]
    assert found == served.model.encode(expected).tolist()


def test_concurrent_requests_get_the_numbers_of_a_call_of_their_own(served, videos):
    """Other videos of a batch, and how far it is padded, change them by float32 rounding alone."""
    requests = [videos[start : start + count] for count in (1, 2, 3) for start in range(4)] * 2
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda request: posted(served.client, "/embed", videos=request)["embeddings"], requests))
    for request, embeddings in zip(requests, found, strict=True):
        np.testing.assert_allclose(embeddings, served.model.encode(request), atol=1e-6)


def test_similarities_are_those_of_the_model(served, videos):
    found = posted(served.client, "/similarity", a=videos[:3], b=videos[3:])["similarities"]
    assert found == pytest.approx(served.model.similarity(videos[:3], videos[3:]), abs=1e-6)


def test_neighbours_are_those_of_the_index(served, videos):
    found = posted(served.client, "/search", videos=[videos[0] | {"id": "v0"}, videos[1]], top=3)["neighbours"]
    expected = served.index.search(served.model.encode(videos[:2]), 3, ["v0", None])
    assert [[video["id"] for video in row] for row in found] == [[video.id for video in row] for row in expected]
    assert found[1][0] == {"id": "v1", "title": videos[1]["title"], "similarity": pytest.approx(1)}
    assert len(posted(served.client, "/search", videos=videos[:1])["neighbours"][0]) == 6  # 10, if there were so many


def test_classes_of_pictures(serving, classifier):
    """In base64; the pictures of several requests are decoded for each, and computed together."""
    jpegs = [[encode_jpeg(toy_clips.picture(number)) for number in range(count)] for count in (2, 0)]
    texts = {"title": "天地", "ocr": "宇宙", "asr": "日"}
    items = [texts | {"pictures": pictures} for pictures in jpegs]
    given = [texts | {"pictures": [base64.b64encode(data).decode() for data in pictures]} for pictures in jpegs]
    with serving.batcher(classifier) as batcher:
        client = serving.client(classifier, batcher)
        found, expected = posted(client, "/predict", videos=given), classifier.predict(items)
        assert found["categories"] == expected.categories and found["classes"] == list(classifier.classes)
        np.testing.assert_allclose(found["probabilities"], expected.probabilities, atol=1e-6)
        for picture, said in {"AAAA": "not a readable picture (JPEG, PNG, WEBP)", "a.jpg": "string should match pattern"}.items():
            answer = client.post("/predict", json={"videos": [given[0], texts | {"pictures": [picture]}]})
            assert answer.status_code == 422 and answer.json()["detail"].startswith(f"videos[1].pictures[0]: {said}")
        answer = client.post("/predict", json={"videos": [texts | {"frames": []}]})
        assert "unknown keys 'frames'; accepted are 'id', 'title', 'ocr', 'asr', 'pictures'" in answer.json()["detail"]


def test_health(served):
    assert served.client.get("/health").json() == {
        "status": "ready", "version": vsim_tf.__version__, "model": "fold-00", "dim": 8, "frame_dim": 6, "classes": 0,
        "index": 6, "waiting": 0,
    }  # fmt: skip


# --- refusals ---------------------------------------------------------------------------------------------------------

GOOD = {"title": "天", "frames": [[1, 2, 3, 4, 5, 6]]}
JSON = {"Content-Type": "application/json"}


def json_of(body) -> str:
    """With NaN and lone surrogates, which `json=` does not write."""
    return json.dumps(body)


MISTAKES = {
    "a frame of another dimension": ("/embed", {"videos": [GOOD | {"frames": [[1, 2, 3, 4, 5]]}]}),
    "NaN or inf": ("/embed", {"videos": [GOOD | {"frames": [[1, 2, 3, 4, 5, np.nan]]}]}),
    "bytes that do not fit the shape": (
        "/embed",
        {"videos": [GOOD | {"frames": encoded([1] * 6, "float16") | {"data": "AAAA"}}]},
    ),
    "a path of a file": ("/embed", {"videos": [{"title": "天", "video": "/etc/passwd"}]}),
    "a key that is missing": ("/embed", {"videos": [{"frames": []}]}),
    "lists of different lengths": ("/similarity", {"a": [GOOD], "b": [GOOD, GOOD]}),
    "a body that is too large": ("/embed", b" " * (2 << 20)),
    "an endpoint that is not there": ("/predict", {}),
}
_ROWS = re.findall(r"^\| ([^|]+) \| (\d{3}) \| `(.+)` \|$", DOCUMENTS["docs/server.md"], re.MULTILINE)
OF_LOAD = ("too many requests", "not answered in time")
DOCUMENTED = [row for row in _ROWS if row[0] not in OF_LOAD]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"title": 3}, "videos[1].title: input should be a valid string; 3 is given"),
        ({"title": "天" * 21}, "videos[1].title: string should have at most 20 characters; "),
        ({"title": "\ud800"}, "videos[1].title: input should be a valid string, "),
        ({"titel": "天"}, "videos[1]: unknown keys 'titel'; accepted are 'id', 'title', 'ocr', 'asr', 'frames'"),
        ({"\ud800": "天"}, "videos[1]: unknown keys '\\ud800'; accepted are "),
        ({"video": "/etc/passwd"}, "videos[1]: unknown keys 'video' (the server opens no files); accepted are "),
        ({"pictures": ["a.jpg"]}, "videos[1]: unknown keys 'pictures' (the server opens no files); accepted are "),
        ({"frames": "/etc/passwd"}, "videos[1].frames: input should be a valid list; '/etc/passwd' is given"),
        ({"frames": [[1, 2, 3]]}, "videos[1].frames[0]: list should have at least 6 items after validation, not 3; "),
        ({"frames": [[1] * 7]}, "videos[1].frames[0]: list should have at most 6 items after validation, not 7; "),
        ({"frames": [[1] * 6] * 10}, "videos[1].frames: list should have at most 9 items after validation, not 10; "),
        ({"frames": [[1] * 6, [1, 2, 3, 4, 5, float("nan")]]}, "videos[1].frames[1][5]: input should be a finite number; nan"),
        ({"frames": [[1, 2, float("-inf"), 4, 5, 6]]}, "videos[1].frames[0][2]: input should be a finite number; -inf"),
        ({"frames": [[True, 2, 3, 4, 5, 6]]}, "videos[1].frames[0][0]: input should be a valid number; True is given"),
        ({"frames": [[1, 2, 3, 4, 5, 7e4]]}, "videos[1].frames[0][5]: input should be less than or equal to 65504; "),
        ({"frames": encoded([[np.inf] * 6], "float16")}, "videos[1]: frame 0 of 'frames' holds inf at position 0; accepted"),
        ({"frames": encoded([[1] * 6] * 10, "float16")}, "videos[1].frames.shape[0]: input should be less than or equal to 9"),
        ({"frames": encoded([[1] * 6], "float16") | {"shape": [2, 6]}}, "videos[1].frames.data: 12 bytes; float16 of shape"),
        ({"frames": encoded([[1] * 6], "float16") | {"shape": [2, 3]}}, "videos[1].frames.shape[1]: input should be greater"),
        ({"frames": encoded([[1] * 6], "float16") | {"shape": [-1, -6]}}, "videos[1].frames.shape[0]: input should be"),
        ({"frames": encoded([[1] * 6], "float16") | {"data": "天"}}, "videos[1].frames.data: string should match pattern "),
        ({"frames": encoded([[1] * 6], "float16") | {"data": "AAA"}}, "videos[1].frames.data: no base64 (Incorrect padding)"),
        ({"frames": encoded([[1] * 6], "float32") | {"dtype": "int8"}}, "videos[1].frames.dtype: input should be 'float16' or"),
    ],
)  # fmt: skip
def test_a_video_that_is_refused(served, changes, said):
    answer = served.client.post("/embed", content=json_of({"videos": [GOOD, GOOD | changes]}), headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said), answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "content", "said"),
    [
        ("/embed", {"videos": []}, "videos: list should have at least 1 item after validation, not 0; [] is given"),
        ("/embed", {"videos": [GOOD] * 7}, "videos: list should have at most 6 items after validation, not 7; "),
        ("/embed", {}, "videos: field required"),
        ("/embed", {"videos": [{"frames": []}]}, "videos[0].title: field required"),
        ("/embed", {"videos": [GOOD], "normalise": True}, "the body: unknown keys 'normalise'; accepted are 'normalize', "),
        ("/embed", {"videos": [GOOD], "normalize": 1}, "normalize: input should be a valid boolean; 1 is given"),
        ("/embed", {"videos": [GOOD], "truncate_dim": 9}, "truncate_dim=9: an integer from 1 to 8, the embedding dimension"),
        ("/embed", {"videos": [GOOD], "precision": "float16"}, "precision: input should be 'float32', 'int8' or 'binary'; "),
        ("/embed", {"videos": [GOOD], "precision": "int8"}, "precision='int8': one embedding has no range; give ranges"),
        ("/embed", {"videos": [GOOD], "ranges": [[0], [1]]}, "ranges are those of precision='int8'; "),
        ("/similarity", {"a": [GOOD], "b": [GOOD, GOOD]}, "a has 1 videos, b has 2; accepted are two equally long lists"),
        ("/similarity", {"a": [GOOD], "b": [GOOD | {"title": 1}]}, "b[0].title: input should be a valid string; 1 is given"),
        ("/search", {"videos": [GOOD], "top": 0}, "top: input should be greater than or equal to 1; 0 is given"),
        ("/embed", [], "the body is no JSON object; accepted is one, with the header Content-Type: application/json"),
        ("/embed", '{"videos": [', "the body is no JSON: Expecting value at character 12"),
    ],
)  # fmt: skip
def test_a_request_that_is_refused(served, path, content, said):
    body = content if isinstance(content, str) else json_of(content)
    answer = served.client.post(path, content=body, headers=JSON)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(said), answer.json()["detail"]


def test_other_bodies_and_paths(served):
    client = served.client
    assert "Content-Type: application/json" in client.post("/embed", content=json_of({"videos": [GOOD]})).json()["detail"]
    for broken in (b'{"videos": "\xff"}', b"[" * 100_000):
        assert client.post("/embed", content=broken, headers=JSON).status_code == 400
    for body in (b" " * (1 << 20) + b"{}", iter([b" " * (1 << 19)] * 3)):  # with a length that is announced, and without
        answer = client.post("/embed", content=body, headers=JSON)
        assert answer.status_code == 413
        assert answer.json()["detail"].startswith("the body has more than 1 MiB, which is the limit; send fewer videos")
    answer = client.get("/predict")
    assert answer.status_code == 404
    assert answer.json() == {"detail": "there is no /predict; accepted are /health, /embed, /similarity, /search"}
    answer = client.get("/embed")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize(("mistake", "status", "detail"), DOCUMENTED)
def test_an_answer_is_the_documented_one(served, mistake, status, detail):
    path, body = MISTAKES[mistake]
    answer = served.client.post(path, content=body if isinstance(body, bytes) else json_of(body), headers=JSON)
    assert (answer.status_code, bool(pattern(detail).fullmatch(answer.json()["detail"]))) == (int(status), True), answer.text


def test_every_documented_answer_is_tried():
    """Those of load are tried below, in their words."""
    assert {mistake for mistake, _, _ in DOCUMENTED} == MISTAKES.keys()


# --- load -------------------------------------------------------------------------------------------------------------

FAKE = {"title": "天地", "frames": [[1, 2, 3]]}


@pytest.fixture
def blocked(fake_model):
    """Keeps the thread of a batcher in a computation until it is set."""
    gate = threading.Event()
    fake_model.entered = threading.Event()
    fake_model.before = lambda items: (fake_model.entered.set(), gate.wait(60))
    yield gate
    gate.set()


def test_too_many_requests_are_sent_away(serving, fake_model, blocked):
    with serving.batcher(fake_model) as batcher, ThreadPoolExecutor(2) as threads:
        client = serving.client(fake_model, batcher, max_queue=2)
        answers = [threads.submit(client.post, "/embed", json={"videos": [FAKE]})]
        assert fake_model.entered.wait(60)
        answers.append(threads.submit(client.post, "/similarity", json={"a": [FAKE], "b": [FAKE]}))
        while batcher.waiting() < 2:
            pass
        refused = client.post("/embed", json={"videos": [FAKE]})
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json() == {"detail": "2 requests are waiting, which is the limit; try again later"}
        assert client.get("/health").json()["waiting"] == 2
        blocked.set()
        embeddings, similarities = (answer.result(60).json() for answer in answers)
        assert embeddings == {"embeddings": [[6, 2]]} and similarities == {"similarities": [pytest.approx(1)]}
        assert client.post("/embed", json={"videos": [FAKE]}).status_code == 200


def test_a_request_that_takes_too_long_is_not_computed_later(serving, fake_model, blocked):
    with serving.batcher(fake_model) as batcher, ThreadPoolExecutor(1) as threads:
        client = serving.client(fake_model, batcher, timeout=0.3)
        running = threads.submit(client.post, "/embed", json={"videos": [FAKE]})
        assert fake_model.entered.wait(60)
        late = client.post("/embed", json={"videos": [FAKE] * 2})
        assert (late.status_code, late.json()) == (504, {"detail": "not answered within 0.3 s; send fewer videos"})
        assert running.result(60).status_code == 504
        blocked.set()
    assert fake_model.calls == [1]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (vsim_tf.UserError("not enough memory"), "not enough memory"),
        (RuntimeError("secret"), "the server failed (RuntimeError); its log says more"),
    ],
)
def test_a_failure_of_the_model(serving, fake_model, error, said, caplog):
    def fail(items):
        raise error

    with serving.batcher(fake_model) as batcher:
        client = serving.client(fake_model, batcher)
        fake_model.before = fail
        answer = client.post("/embed", json={"videos": [FAKE]})
        assert (answer.status_code, answer.json()) == (500, {"detail": said})
        fake_model.before = lambda items: None
        assert client.post("/embed", json={"videos": [FAKE]}).status_code == 200

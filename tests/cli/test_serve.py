"""Flags of vsim-tf serve to what is refused before TensorFlow is loaded, and to one call of the library."""

from types import SimpleNamespace

import pytest
from script_flags import refused

import vsim_tf.ensemble.front
import vsim_tf.search.index
from vsim_tf.cli import serve
from vsim_tf.errors import UserError
from vsim_tf.launch.plan import flags_of
from vsim_tf.serving.limits import Limits

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

import vsim_tf.serving.server


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Of the library, which neither loads nor serves."""
    monkeypatch.chdir(tmp_path)
    for folder in ("demo", "index", "clip"):
        (tmp_path / folder).mkdir()
    made = []

    def served(model, port, *given):
        made.append((model, port.getsockname()[0], *given))

    def require_model(model):
        if model[2] == "best":
            raise UserError("the index was made by another model")

    monkeypatch.setattr(vsim_tf.ensemble.front, "load", lambda *given: given)
    monkeypatch.setattr(vsim_tf.search.index.Index, "open", lambda folder: SimpleNamespace(require_model=require_model))
    monkeypatch.setattr(vsim_tf.serving.server, "serve", served)
    return made


def run(*arguments: str) -> None:
    with flags_of(serve.define_flags, ["vsim-tf serve", "--port=0", *arguments]):
        serve.main()


def test_a_model_is_served(calls):
    run("--path=demo")
    assert calls == [(("demo", "float32", None, None), "127.0.0.1", Limits(), 64, 0.002, None)]


def test_all_flags(calls):
    run(
        "--path=demo", "--host=127.0.0.2", "--index=index", "--clip_dir=clip", "--checkpoint=last", "--precision=auto",
        "--max_batch=3", "--max_wait_ms=5", "--max_videos=4", "--max_frames=5", "--max_text=6", "--max_body_mb=7",
        "--max_queue=8", "--timeout=9",
    )  # fmt: skip
    ((model, host, limits, max_batch, max_wait, index),) = calls
    assert (model, host, max_batch, max_wait) == (("demo", "auto", "last", "clip"), "127.0.0.2", 3, 0.005)
    assert limits == Limits(max_videos=4, max_frames=5, max_text=6, max_body_mb=7, max_queue=8, timeout=9) and index


def test_a_model_that_comes_with_the_package(calls):
    run("--path=aiac2021_rank4")
    assert calls[0][0][0] == "aiac2021_rank4"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "^a model is needed: vsim-tf serve output/demo$"),
        (["--path=other"], r"^other does not exist; accepted are a folder of models \(output/demo\)"),
        (["--path=demo", "--index=other"], "^other does not exist"),
        (["--path=demo", "--timeout=0"], "^--timeout=0.0: a number above 0 is needed$"),
        (["--path=demo", "--index=index", "--checkpoint=best"], "^the index was made by another model$"),
    ],
)
def test_what_is_refused(calls, arguments, said):
    with refused(said):
        run(*arguments)
    assert not calls


def test_packages_are_looked_for_first(calls, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with refused("^fastapi and uvicorn not installed; `pip install fastapi uvicorn` brings what is missing$"):
        run("--path=demo")
    assert not calls

"""GPUs as a driver lists them: a fake nvidia-smi on the PATH."""

import os

import pytest

from vsim_tf.distributed import gpus
from vsim_tf.distributed.gpus import Gpu, likely_precision, visible_gpus


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Makes the driver list GPUs of these compute capabilities."""
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv(gpus.VISIBLE, raising=False)

    def lists(*capabilities: str, code: int = 0):
        lines = "\n".join(f"{index}, {capability}" for index, capability in enumerate(capabilities))
        (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\ncat <<'TEXT'\n{lines}\nTEXT\nexit {code}\n")
        (tmp_path / "nvidia-smi").chmod(0o755)
        gpus._installed_gpus.cache_clear()

    yield lists
    gpus._installed_gpus.cache_clear()


def test_all_that_the_driver_lists(driver):
    driver("8.0", "7.5", "[N/A]")
    assert visible_gpus() == [Gpu("0", (8, 0)), Gpu("1", (7, 5)), Gpu("2", (0, 0))]


@pytest.mark.parametrize("code", [1, 9])
def test_none_where_the_driver_does_not_answer(driver, code):
    driver("8.0", code=code)
    assert visible_gpus() == []


def test_none_without_a_driver(monkeypatch):
    monkeypatch.setattr(gpus, "_QUERY", ("no-such-nvidia-smi",))
    gpus._installed_gpus.cache_clear()
    assert visible_gpus() == []
    gpus._installed_gpus.cache_clear()


@pytest.mark.parametrize(
    ("chosen", "names"),
    [("1", ["1"]), ("1,0", ["1", "0"]), ("0,-1,1", ["0"]), ("-1", []), ("", []), ("GPU-8a1b", ["GPU-8a1b"])],
)
def test_those_that_were_chosen(driver, monkeypatch, chosen, names):
    driver("8.0", "9.0")
    monkeypatch.setenv(gpus.VISIBLE, chosen)
    assert [gpu.name for gpu in visible_gpus()] == names


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ((), "float32"),
        (("7.5",), "float32"),
        (("8.0", "9.0"), "mixed_bfloat16"),
        (("9.0", "7.0"), "float32"),
        (("x",), "float32"),
    ],
)
def test_the_precision_that_auto_will_be(driver, capabilities, precision):
    driver(*capabilities)
    assert likely_precision("auto") == precision
    assert likely_precision("float32") == "float32"

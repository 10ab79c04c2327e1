"""Runs of several processes by TF_CONFIG: they train as one, and stop where they would not."""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toys
from runs import pretraining

from vsim_tf.io.files import read_json_lines
from vsim_tf.runs.checkpoint_files import newest_checkpoint

ROOT = Path(__file__).parents[2]
STEP_SIZES = 6e-3
"""Six steps of 1e-3: of them, rounding of a gradient near 0 may become a tenth."""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("localhost", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def run_workers(server, *commands):
    """How one worker for each command ended."""
    ports = free_ports(len(commands))
    started = [server.start(*command, worker={"ports": ports, "index": index}) for index, command in enumerate(commands)]
    return [script.wait() for script in started]


def weights(folder) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(newest_checkpoint(folder, "last"))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map() if name.startswith("weights/")}


@pytest.mark.slow
def test_two_workers_that_were_stopped_equal_one_process(server, tmp_path):
    """A batch of five, so three rows and two; BatchNorm, contrastive loss and masked tokens included."""
    for kind, make in {"videos": toys.random_videos, "pairs": toys.random_pairs}.items():
        toys.write_records(tmp_path / kind, make(23))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    script = "tests/reliability/train_toys.py"
    ended = server.run(script, tmp_path, tmp_path / "one", 99)
    assert ended.code == 0, ended.output
    for stop_after in (3, 99):
        command = (script, tmp_path, tmp_path / "two", stop_after)
        for ended in run_workers(server, command, command):
            assert ended.code == 0, ended.output
    (expected,) = [json.loads((tmp_path / "one" / "scores-0.json").read_text())]
    found = [json.loads((tmp_path / "two" / f"scores-{index}.json").read_text()) for index in (0, 1)]
    assert found[0] == found[1]
    for name, scores in expected.items():
        ids = scores.pop("ids")
        assert found[0][name].pop("ids") == ids == [f"v{i}" for i in range(len(ids))]
        assert found[0][name] == pytest.approx(scores, rel=1e-3, abs=1e-4)
        ours, theirs = weights(tmp_path / "two" / name), weights(tmp_path / "one" / name)
        assert ours.keys() == theirs.keys()
        for key, value in theirs.items():
            np.testing.assert_allclose(ours[key], value, atol=STEP_SIZES / 10, err_msg=key)
        logs = [read_json_lines(tmp_path / run / name / "metrics.jsonl") for run in ("two", "one")]
        for line, other in zip(*logs, strict=True):
            assert line == pytest.approx(other, rel=1e-3, abs=1e-4)


@pytest.mark.slow
def test_workers_without_a_shared_folder_stop(server, data_dir, tmp_path):
    """One has been trained further than the other: without a check each would train a model of its own."""
    for name, steps in (("a", 6), ("b", 4)):
        ended = server.run(*pretraining(data_dir, tmp_path / name, steps=steps, eval_freq=2))
        assert ended.code == 0, ended.output
    for name in "ab":
        (tmp_path / name / "debug/pretrain/summary.json").unlink()
    ended = run_workers(server, *(pretraining(data_dir, tmp_path / name, steps=6, eval_freq=2) for name in "ab"))
    assert [end.code for end in ended] == [2, 2], [end.output for end in ended]
    for end in ended:
        (error,) = [line for line in end.output.splitlines() if line.startswith("error:")]
        assert "workers differ in " in error
        assert "all workers need one shared output folder (--output_dir)" in error


@pytest.mark.slow
def test_the_end_of_one_worker_is_one_line_of_the_other(server, data_dir, tmp_path):
    """The chief refuses other settings than those of its folder; the other worker has nothing to refuse."""
    assert server.run(*pretraining(data_dir, tmp_path, steps=4, eval_freq=2)).code == 0
    ended = run_workers(server, *[pretraining(data_dir, tmp_path, "debug", 4, 2, "--seed=3")] * 2)
    assert [end.code for end in ended] == [2, 2], [end.output for end in ended]
    errors = [line for end in ended for line in end.output.splitlines() if line.startswith("error:")]
    assert "--seed: 42 there, 3 asked for" in errors[0]
    assert "another worker has ended" in errors[1]


@pytest.mark.slow
def test_the_example_of_the_document(data_dir, tmp_path):
    """Two processes on one machine, with data, folder and ports of the test."""
    document = (ROOT / "docs/distributed.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```sh\n(.*?)```", document, re.DOTALL)
    for port in free_ports(2):
        example = re.sub(r"localhost:234\d\d", f"localhost:{port}", example, count=1)
    changes = {"data/demo": data_dir, "output/workers": tmp_path, "python ": f"{sys.executable} ", "=128": "=16"}
    for name, value in changes.items():
        assert name in example
        example = example.replace(name, str(value))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    options = {"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "timeout": 300}
    ended = subprocess.run(["sh", "-c", example], check=False, **options)
    assert ended.returncode == 0, ended.stderr
    assert json.loads((tmp_path / "uniter/pretrain/summary.json").read_text())["step"] == 20
    assert ended.stdout.count("complete at step 20") == 2

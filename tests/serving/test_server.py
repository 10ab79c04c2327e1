"""The command on loopback: it embeds, answers what has come when it is ended, and says in one line why it cannot start."""

import json
import signal
import socket
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from documents import DOCUMENTS, blocks
from script_flags import refused
from toy_runs import make_run

import vsim_tf

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")

from vsim_tf.serving.server import bound, warm_up

MAIN = Path(__file__).parents[2] / "vsim_tf/cli/main.py"


def start(server, *arguments):
    """The command in a process, and the address that it prints when it is ready."""
    script = server.start(MAIN, "serve", "--port=0", *arguments)
    while True:
        printed = script.logs[0].read_text() if script.logs[0].exists() else ""
        if printed.endswith("\n"):
            return script, printed.partition(" at ")[2].partition(";")[0]
        assert not script.ended(), script.wait().output
        time.sleep(0.02)


def run_the_client_of_the_document(server, url, folder):
    (code,) = blocks(DOCUMENTS["docs/server.md"], "python")
    check = "\nassert embeddings.shape == (3, 8) and abs(similarities[0] - embeddings[0] @ embeddings[1]) < 1e-5"
    (folder / "client.py").write_text(code.replace("http://127.0.0.1:8000", url) + check, encoding="utf-8")
    ended = server.run(folder / "client.py")
    assert ended.code == 0, ended.stderr


def post(url, body):
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


def test_the_command_embeds_and_answers_what_has_come_when_it_ends(server, tmp_path, videos):
    """The request waits for others for longer than the test sends the signal."""
    run = make_run(tmp_path / "fold-00", "uniter", 0)
    script, url = start(server, f"--path={run}", "--max_wait_ms=1000", "--max_batch=16")
    assert url.startswith("http://127.0.0.1:")
    with ExitStack() as stopped, ThreadPoolExecutor(1) as thread:
        stopped.callback(script.send, signal.SIGTERM)  # also where the test fails; a second one changes nothing
        run_the_client_of_the_document(server, url, tmp_path)
        answer = thread.submit(post, f"{url}/embed", {"videos": videos})
        while json.load(urllib.request.urlopen(f"{url}/health", timeout=60))["waiting"] < len(videos):
            time.sleep(0.02)
        script.send(signal.SIGTERM)
        found = answer.result(60)["embeddings"]
    assert found == pytest.approx(vsim_tf.load(run).encode(videos), abs=1e-5)
    ended = script.wait()
    assert (ended.code, ended.stderr) == (0, "")
    assert ended.stdout.splitlines()[-1] == "stopped: all requests have been answered"


def test_a_port_that_is_in_use(server, tmp_path):
    make_run(tmp_path / "fold-00", "uniter", 0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            refused(f"^--host=127.0.0.1 and --port={port}: Address already in use; give another port$"),
            bound("127.0.0.1", port),
        ):
            pass
        ended = server.run(MAIN, "serve", f"--path={tmp_path}/fold-00", f"--port={port}")
    assert (ended.code, ended.stdout) == (2, "")
    assert ended.stderr.count("\n") == 1 and ended.stderr.startswith(f"error: --host=127.0.0.1 and --port={port}: ")


def test_an_address_of_nobody():
    with refused("^--host=no such host: "), bound("no such host", 0):
        pass


def test_a_port_is_free_again_behind_the_block():
    with bound("127.0.0.1", 0) as first:
        address = first.getsockname()
        assert first.proto == socket.IPPROTO_TCP  # else answers of two packets take 40 ms longer
    with bound(*address) as second:
        assert second.getsockname() == address


def test_everything_is_computed_once_before_the_first_request(serving, fake_model):
    with serving.batcher(fake_model, max_batch=8) as batcher:
        warm_up(batcher, fake_model)
    assert fake_model.calls == [1, 8]

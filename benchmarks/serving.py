"""Latency and throughput of vsim-tf serve at 1, 8 and 64 clients, compared with the same model called in process."""

import base64
import contextlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

import vsim_tf
from benchmarks.contest import contest_records
from benchmarks.startup import script
from benchmarks.table import in_turn, median, row

CLIENTS = (1, 8, 64)
SECONDS, ROUNDS = 3.0, 3
FRAMES, FRAME_DIM = 16, 128


def tiny_run(folder: Path) -> Path:
    """A pre-training of one step of a tiny Uniter, whose run folder is served."""
    data = contest_records(folder / "data", pointwise=400, pairwise=200, frame_embedding_size=FRAME_DIM)
    script(
        "train_pretrain.py", "--model=uniter", "--size=tiny", f"--data_dir={data}", f"--output_dir={folder}",
        f"--frame_embedding_size={FRAME_DIM}", "--total_steps=2", "--warmup_steps=0", "--bert_total_steps=2",
        "--bert_warmup_steps=0",
    )  # fmt: skip
    return folder / "uniter" / "pretrain"


@contextlib.contextmanager
def served(run: Path) -> Iterator[tuple[str, int]]:
    """Host and port of the command in a process of its own."""
    command = [sys.executable, "-u", "-m", "vsim_tf.cli.main", "serve", str(run), "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        host, port = re.findall(r"http://([\d.]+):(\d+)", process.stdout.readline())[0]
        try:
            yield host, int(port)
        finally:
            process.terminate()
            process.communicate()  # what it says at its end


def videos_of_clients(count: int) -> list[dict]:
    """A video for each client, with a title of 20 characters."""
    rng = np.random.default_rng(0)
    titles = ("".join(map(chr, rng.integers(0x4E00, 0x9FA5, 20))) for _ in range(count))
    return [{"title": title, "frames": rng.standard_normal((FRAMES, FRAME_DIM)).astype("<f2")} for title in titles]


def latencies(clients: int, make_call: Callable[[int], Callable[[], object]]) -> np.ndarray:
    """Seconds of each call of as many threads, each of which calls again and again for `SECONDS`."""

    def work(number: int) -> list[float]:
        call, found, end = make_call(number), [], time.perf_counter() + SECONDS
        call()  # connects
        while (start := time.perf_counter()) < end:
            call()
            found.append(time.perf_counter() - start)
        return found

    with ThreadPoolExecutor(clients) as threads:
        return np.concatenate([*threads.map(work, range(clients))])


def over_http(address: tuple[str, int], videos: list[dict]) -> Callable[[int], Callable[[], object]]:
    """Calls of clients that each keep a connection."""

    def make_call(number: int) -> Callable[[], object]:
        frames = videos[number]["frames"]
        array = {"data": base64.b64encode(frames.tobytes()).decode(), "shape": frames.shape, "dtype": "float16"}
        body = json.dumps({"videos": [{"title": videos[number]["title"], "frames": array}]})
        connection = http.client.HTTPConnection(*address)

        def call() -> object:
            connection.request("POST", "/embed", body, {"Content-Type": "application/json"})
            return json.loads(connection.getresponse().read())["embeddings"]

        return call

    return make_call


def described(found: np.ndarray) -> str:
    """Median and 99th percentile of seconds, in milliseconds."""
    p50, p99 = np.percentile(found, [50, 99]) * 1000
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms"


def main():
    with tempfile.TemporaryDirectory() as folder:
        run = tiny_run(Path(folder))
        model, videos = vsim_tf.load(run), videos_of_clients(max(CLIENTS))
        with served(run) as address:
            for clients in CLIENTS:
                kept: dict[str, list[np.ndarray]] = {"server": [], "process": []}

                def rate(name: str, make_call: Callable, clients: int = clients, kept: dict = kept) -> float:
                    kept[name].append(latencies(clients, make_call))
                    return len(kept[name][-1]) / SECONDS

                found = in_turn(
                    ROUNDS,
                    server=lambda rate=rate: rate("server", over_http(address, videos)),
                    process=lambda rate=rate: rate("process", lambda number: lambda: model.encode([videos[number]])),
                )
                speeds = {name: f"{median(found[name]):.0f} videos/s, {described(np.concatenate(kept[name]))}" for name in found}
                row(
                    f"serving {clients} clients, a video a request, tiny", speeds["server"],
                    f"{clients} threads in process {speeds['process']}", median(found["server"] / found["process"]),
                )  # fmt: skip


if __name__ == "__main__":
    main()

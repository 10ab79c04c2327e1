"""Commands side by side: each in its place, stopped in good order when one of them fails."""

import contextlib
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import FrameType
from typing import NamedTuple, TextIO

from vsim_tf.distributed.gpus import VISIBLE, Gpu
from vsim_tf.errors import UserError
from vsim_tf.training.console import LAUNCHED

Place = Mapping[str, str]
"""The additions to the environment of a command."""


class Job(NamedTuple):
    """A command by its name, and who is told that it is running, or is not any more after it has ended well."""

    name: str
    command: Sequence[str]
    note: Callable[[bool], None] = lambda running: None


Ended = tuple[Job, Place, int, int]
"""A command, its place, its exit code, and the most memory that it had in bytes."""


class Failure(NamedTuple):
    """The first command that did not end well, and its exit code as a shell gives it."""

    name: str
    code: int


def make_places(jobs: int, jobs_per_gpu: int, gpus: Sequence[Gpu]) -> list[Place]:
    """A place for each of the jobs that run at a time: a GPU of its own, or a share of the CPU's cores.

    Raises:
        UserError: there are fewer GPUs than jobs, and no leave to share them.
    """
    if jobs == 1:
        return [{}]
    if gpus and jobs > len(gpus) * jobs_per_gpu:
        needed = -(-jobs // len(gpus))
        raise UserError(
            f"--jobs={jobs}: there {'is one GPU' if len(gpus) == 1 else f'are {len(gpus)} GPUs'}; give"
            f" --jobs={len(gpus) * jobs_per_gpu}, or --jobs_per_gpu={needed} to let models share a GPU and its memory"
        )
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    common = {"TF_NUM_INTRAOP_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}  # of TensorFlow, of NumPy and SciPy
    if not gpus:
        return [common] * jobs
    if jobs_per_gpu > 1:
        common["TF_FORCE_GPU_ALLOW_GROWTH"] = "true"
    return [common | {VISIBLE: gpus[number % len(gpus)].name} for number in range(jobs)]


def run_jobs(jobs: Sequence[Job], places: Sequence[Place]) -> tuple[Failure | None, int]:
    """Runs commands, as many at a time as there are places, until all have ended or one has failed.

    Then the others get SIGTERM, and have ended when this returns. SIGTERM to this process is passed on; Ctrl-C reaches
    the commands by itself. No command is begun after either.

    Returns:
        The first failure, None if there is none; and the most memory that a command had, in bytes.
    """
    waiting, free = deque(jobs), deque(places)
    ended: queue.SimpleQueue[Ended] = queue.SimpleQueue()
    running: dict[str, subprocess.Popen[str]] = {}
    failure, peak_bytes = None, 0
    with _passed_on(running) as received:
        while running or (waiting and not failure and not received):
            while waiting and free and not failure and not received:
                job = waiting.popleft()
                job.note(True)
                running[job.name] = _start(job, free.popleft(), ended)
                if signal.SIGTERM in received:  # between the start and its entry among what is running
                    running[job.name].terminate()
            if not running:
                break
            job, place, code, used = ended.get()
            peak_bytes = max(peak_bytes, used)
            del running[job.name]
            free.append(place)
            if not code:
                job.note(False)
            elif not failure:
                failure = Failure(job.name, code)
                _stop(running, failure, received)
    if received and not failure:
        failure = Failure("", 128 + received[0])
    return failure, peak_bytes


def _start(job: Job, place: Place, ended: "queue.SimpleQueue[Ended]") -> subprocess.Popen[str]:
    """Starts a command whose lines go through this process, because others write too and there may be a bar."""
    width = str(shutil.get_terminal_size().columns)  # of tables, which a command would make for a pipe
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": width, LAUNCHED: "1", **place}
    process = subprocess.Popen(
        job.command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True,
        errors="replace",
    )  # fmt: skip
    errors = threading.Thread(target=_pass_on, args=(process.stderr, sys.stderr), daemon=True)

    def wait() -> None:
        with process:  # closes its pipes and waits
            _pass_on(process.stdout, sys.stdout)
            errors.join()
            used = _peak_bytes(process)
        code = process.returncode
        ended.put((job, place, code if code >= 0 else 128 - code, used))

    errors.start()
    threading.Thread(target=wait, daemon=True).start()
    return process


def _peak_bytes(process: subprocess.Popen[str]) -> int:
    """Waits for the end of a command; returns the most memory that it had, 0 where another thread has seen its end before.

    Linux counts a process as no smaller than the one that it was forked from, which the launcher, without TensorFlow, always is.
    """
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except ChildProcessError:
        return 0
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _pass_on(lines: Iterable[str] | None, stream: TextIO) -> None:
    for line in lines or ():
        if line.strip():
            with contextlib.suppress(OSError):  # nobody reads any more; a command must not wait for that
                stream.write(line if line.endswith("\n") else f"{line}\n")
                stream.flush()


def _stop(running: Mapping[str, subprocess.Popen[str]], failure: Failure, received: Sequence[int]) -> None:
    """Asks all to end, unless the signal that ended the first has reached them too: a second one would not let them save."""
    if not running or received or failure.code == 128 + signal.SIGINT:
        return
    print(f"{failure.name} failed: {', '.join(running)} {'are' if len(running) > 1 else 'is'} stopped", flush=True)
    for process in list(running.values()):
        process.terminate()


@contextlib.contextmanager
def _passed_on(running: Mapping[str, subprocess.Popen[str]]) -> Iterator[list[int]]:
    """Collects the signals that ask this process to end, and passes SIGTERM on to all that is running."""
    received: list[int] = []

    def receive(number: int, frame: FrameType | None) -> None:
        del frame
        if number == signal.SIGTERM or not received:
            received.append(number)
        if number == signal.SIGTERM:
            for process in list(running.values()):
                process.terminate()

    numbers = [number for number in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, receive) for number in numbers}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

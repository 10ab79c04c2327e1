"""Scripts in processes of their own that start in a tenth of a second, for tests that start many or kill them.

`Server` is a process that has loaded TensorFlow, but not used it, and forks for every script that it is asked to run.
"""

import json
import os
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import preludes

ROOT = Path(__file__).parents[1]


class Ended(NamedTuple):
    """How a script ended: its exit code, or the negative signal that killed it; what it wrote; how long it took."""

    code: int
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


class Server:
    """Runs scripts, whose output goes into a folder; use it in a `with` block."""

    def __init__(self, logs: Path):
        self.logs, self.count = logs, 0

    def __enter__(self) -> "Server":
        environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "TF_NUM_INTRAOP_THREADS": "2"}
        self.process = subprocess.Popen(
            [sys.executable, __file__], cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return self

    def __exit__(self, *_):
        with self.process:  # closes its pipes and waits
            pass

    def start(self, *command: str, folder: Path = ROOT, **prelude: dict) -> "Script":
        """Starts a script in a folder; `prelude` names what of `preludes` comes first, with its arguments."""
        self.count += 1
        logs = [self.logs / f"{self.count}.{stream}" for stream in ("stdout", "stderr")]
        request = {"command": list(map(str, command)), "prelude": prelude, "logs": list(map(str, logs)), "folder": str(folder)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return Script(self, int(self.process.stdout.readline()), logs)

    def run(self, *command: str, folder: Path = ROOT, **prelude: dict) -> Ended:
        """Runs a script to its end."""
        return self.start(*command, folder=folder, **prelude).wait()


class Script:
    """A script that has been started."""

    def __init__(self, server: Server, pid: int, logs: list[Path]):
        self.server, self.pid, self.logs, self.started = server, pid, logs, time.monotonic()

    def send(self, number: signal.Signals):
        """Sends a signal, unless the script has ended: the server has not been asked about it, so its number is still taken."""
        os.kill(self.pid, number)

    def ended(self) -> bool:
        state = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state == "Z"

    def wait(self) -> Ended:
        self.server.process.stdin.write(json.dumps({"wait": self.pid}) + "\n")
        self.server.process.stdin.flush()
        status = int(self.server.process.stdout.readline())
        stdout, stderr = (log.read_text(errors="replace") for log in self.logs)
        return Ended(os.waitstatus_to_exitcode(status), stdout, stderr, time.monotonic() - self.started)


def _serve():
    import vsim_tf.inference.embed_files
    import vsim_tf.training.finetuning
    import vsim_tf.training.pretraining

    assert vsim_tf.inference.embed_files and vsim_tf.training
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            print(os.waitpid(request["wait"], 0)[1], flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(request)
        print(pid, flush=True)


def _become(request: dict):
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests started in a shell's background would ignore Ctrl-C
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, log in enumerate(request["logs"], start=1):
        os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    script, code = os.path.abspath(request["command"][0]), 1
    os.chdir(request["folder"])
    try:
        for name, arguments in request["prelude"].items():
            getattr(preludes, name)(**arguments)
        sys.argv = request["command"]
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _serve()

"""setup.sh by fakes on the PATH and without a network: which Python it takes, what it repairs, and when it adds CUDA."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import slow_but

ROOT = Path(__file__).parents[1]
TOOLS = ("cat", "cp", "kill", "mkdir", "rm", "sed", "sh", "touch")
FAKE = """#!/bin/sh
# Python {version}: runs the programs of setup.sh in the real one, and records what it is asked to install
case "$1 $2" in
    "- "*) shift; exec "{real}" -S -c '
import importlib.metadata, os, sys
sys.version_info = ({comma_version}, 0, "final", 0)
sys.modules.update(dict.fromkeys({lacks}))

def version(name):
    if not os.path.exists("{packages}"):
        raise importlib.metadata.PackageNotFoundError(name)
    return "1.0"

importlib.metadata.version = version
exec(sys.stdin.read())' "$@" ;;
    "-m venv") rm -rf "$4" && mkdir -p "$4/bin" && touch "$4/pip" && cp "{folder}/of-venv" "$4/bin/python" ;;
    "-m pip") [ -e .venv/pip ] || exit 1
        [ "$3" != install ] || echo "$*" >>"{folder}/log"
        case "$*" in
            *and-cuda*) [ -e "{folder}/old-driver" ] || touch .venv/gpu ;;
            *install*) [ ! -e "{folder}/kill-pip" ] || kill -9 $PPID
                [ ! -e "{folder}/no-network" ] || exit 1
                touch .venv/packages ;;
        esac ;;
    "-m pytest") echo "$*" ;;
    "-c import"*) [ -e .venv/gpu ] ;;
    "-c "*) echo 1.0 ;;
esac
"""


class Machine:
    """A folder with setup.sh, and a PATH with nothing but what setup.sh needs and fakes."""

    def __init__(self, folder: Path):
        self.folder, self.bin = folder / "repository", folder / "bin"
        for path in (self.folder, self.bin):
            path.mkdir()
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        shutil.copy(ROOT / "setup.sh", self.folder)
        (self.folder / "requirements.txt").write_text("numpy==1.0\n")
        self.fake("of-venv", "3.12", packages=".venv/packages")

    def fake(self, name: str, version: str, lacks=(), packages="none", path: Path | None = None):
        text = FAKE.format(
            version=version, comma_version=version.replace(".", ","), lacks=json.dumps(list(lacks)), real=sys.executable,
            folder=self.bin, packages=packages,
        )  # fmt: skip
        path = path or self.bin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def program(self, name: str, text: str):
        (self.bin / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.bin / name).chmod(0o755)

    def mark(self, name: str):
        (self.bin / name).touch()

    def setup(self, shell: str, **environment: str) -> subprocess.CompletedProcess:
        command = [shutil.which(shell), "-c", "set -eu; . ./setup.sh; echo PYTHON=$PYTHON"]
        environment = {"PATH": str(self.bin)} | environment
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def installed(self) -> list[str]:
        log = self.bin / "log"
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


@pytest.fixture(params=slow_but(["dash"], ["dash", "bash"]))
def shell(request):
    if not shutil.which(request.param):
        pytest.skip(f"no {request.param} here")
    return request.param


def assert_ready(result, python=".venv/bin/python"):
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"PYTHON={python}"
    assert result.stderr == ""


def assert_stops(result, *words):
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert not [word for word in words if word not in line], line


@pytest.mark.parametrize("name", ["python3.13", "python3.12", "python3.11", "python3", "python"])
def test_a_suitable_interpreter_of_any_name(machine, shell, name):
    machine.fake("python3", "3.9")
    machine.fake(name, "3.11" if name.startswith("python3.11") else "3.12")
    assert_ready(machine.setup(shell))
    assert machine.installed() == ["-m pip install --disable-pip-version-check --progress-bar=off -r requirements.txt"]
    assert_ready(machine.setup(shell))
    assert len(machine.installed()) == 1


def test_the_active_environment_comes_first(machine, shell):
    machine.fake("python3", "3.12", packages="requirements.txt")  # which is there
    assert_ready(machine.setup(shell), "python3")
    assert not (machine.folder / ".venv").exists()


def test_no_suitable_interpreter_says_what_each_lacks(machine, shell):
    machine.fake("python3.12", "3.12", lacks=["ensurepip"])
    machine.fake("python3", "3.9")
    machine.fake("python", "3.14")
    machine.program("python3.11", "exit 127")  # as a version manager answers that has no such version
    assert_stops(
        machine.setup(shell), "Python 3.11, 3.12 or 3.13",
        "python3.12 has no venv module with pip", "apt install python3.12-venv",
        "python3 is Python 3.9", "python is Python 3.14", "python3.11 does not run",
    )  # fmt: skip
    assert not (machine.folder / ".venv").exists()


def test_no_interpreter_at_all(machine, shell):
    assert_stops(machine.setup(shell), "there is no Python on the PATH")


@pytest.mark.parametrize("damage", ["another version", "gone", "without pip", "interrupted"])
def test_an_environment_that_cannot_be_used_is_made_again(machine, shell, damage):
    machine.fake("python3", "3.12")
    assert_ready(machine.setup(shell))
    venv = machine.folder / ".venv"
    (venv / "left-over").touch()
    if damage == "another version":
        machine.fake("", "3.9", path=venv / "bin/python")
    elif damage == "gone":
        (venv / "bin/python").unlink()
        (venv / "bin/python").symlink_to("/nowhere/python3.12")
    elif damage == "without pip":
        (venv / "pip").unlink()
        (venv / "packages").unlink()
    else:
        (venv / "packages").unlink()
        machine.mark("kill-pip")
        killed = machine.setup(shell)
        assert killed.returncode == -signal.SIGKILL
        (machine.bin / "kill-pip").unlink()
        (venv / "packages").touch()  # what pip wrote before it was killed looks complete
    result = machine.setup(shell)
    assert "making .venv again" in result.stdout
    assert_ready(result)
    assert not (venv / "left-over").exists()


def test_an_environment_behind_a_link_is_left_alone(machine, shell):
    machine.fake("python3", "3.12")
    elsewhere = machine.folder.parent / "elsewhere"
    machine.fake("", "3.9", path=elsewhere / "bin/python")
    (machine.folder / ".venv").symlink_to(elsewhere)
    assert_ready(machine.setup(shell))
    assert (elsewhere / "bin/python").exists()
    assert not (machine.folder / ".venv").is_symlink()


def test_packages_that_are_missing_are_added_to_a_sound_environment(machine, shell):
    machine.fake("python3", "3.12")
    machine.mark("no-network")
    assert_stops(machine.setup(shell), "pip install -r requirements.txt failed")
    (machine.folder / ".venv/mine").touch()
    (machine.bin / "no-network").unlink()
    assert_ready(machine.setup(shell))
    assert (machine.folder / ".venv/mine").exists()


def test_cuda_is_added_where_the_driver_lists_a_gpu_and_tensorflow_does_not(machine, shell):
    machine.fake("python3", "3.12")
    assert_ready(machine.setup(shell))
    machine.program("nvidia-smi", "exit 0")
    result = machine.setup(shell)  # all pins are there already
    assert_ready(result)
    assert "TensorFlow does not" in result.stdout
    assert machine.installed()[1:] == ["-m pip install --disable-pip-version-check --progress-bar=off tensorflow[and-cuda]==1.0"]
    assert_ready(machine.setup(shell))
    assert len(machine.installed()) == 2


def test_a_gpu_that_tensorflow_cannot_use_stops_the_setup(machine, shell):
    machine.fake("python3", "3.12")
    machine.program("nvidia-smi", "exit 0")
    machine.mark("old-driver")
    assert_stops(machine.setup(shell), "TensorFlow (.venv/bin/python) does not", "CUDA_VISIBLE_DEVICES=-1")
    assert_ready(machine.setup(shell, CUDA_VISIBLE_DEVICES="-1"))
    assert_ready(machine.setup(shell, CUDA_VISIBLE_DEVICES=""))


def test_nothing_is_installed_into_the_active_environment(machine, shell):
    machine.fake("python3", "3.12", packages="requirements.txt")
    machine.program("nvidia-smi", "exit 0")
    assert_stops(machine.setup(shell), "TensorFlow (python3) does not", "tensorflow[and-cuda]==1.0")
    assert not machine.installed()


def test_a_driver_without_gpus(machine, shell):
    machine.fake("python3", "3.12")
    machine.program("nvidia-smi", "exit 9")
    assert_ready(machine.setup(shell))
    assert "GPU" not in os.linesep.join(machine.installed())


@pytest.mark.parametrize(
    ("options", "tier", "marks"),
    [
        ([], "default", "not slow"),
        (["--fast"], "fast", "not medium and not slow"),
        (["--slow"], "slow", "slow"),
    ],
)
def test_the_tier_of_the_tests_is_said_and_passed_on(machine, shell, options, tier, marks):
    machine.fake("python3", "3.12", packages="requirements.txt")
    (machine.folder / "tests").mkdir()
    (machine.folder / "tests/requirements.txt").write_text("pytest==1.0\n")
    shutil.copy(ROOT / "test.sh", machine.folder)
    (machine.bin / "dirname").symlink_to(shutil.which("dirname"))
    command = [shutil.which(shell), "test.sh", *options, "tests/cli", "-k", "a word"]
    result = subprocess.run(
        command, cwd=machine.folder, env={"PATH": str(machine.bin)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")
    said, given = result.stdout.splitlines()
    assert said == f"tests of the {tier} tier: {marks}"
    assert given.startswith(f"-m pytest -m {marks} -n 2 ")
    assert given.endswith(" tests/cli -k a word")

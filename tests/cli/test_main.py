"""The console script: what it lists, which command it runs, and what it refuses."""

import importlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tiers import slow_but

from vsim_tf.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
SCRIPTS = {
    "write-folds": "write_tfrecord", "pretrain": "train_pretrain", "finetune": "train_pair", "embed": "inference_pair",
    "ensemble": "ensemble_final", "extract": "extract_features", "classify": "train_classify", "predict": "predict_classify",
    "check": "check_data", "write-labels": "write_labels",
}  # fmt: skip
NAMES = ("define_flags", "check_flags", "check_inputs", "finished", "main")
HELP = """
import sys
from vsim_tf.cli.main import main
sys.argv[0] = "vsim-tf"
try:
    main()
finally:
    assert not {"tensorflow", "keras", "transformers"} & set(sys.modules)
"""


def start(*words: str, folder: Path = ROOT) -> subprocess.CompletedProcess:
    """The console script in a process, which fails if it loads TensorFlow."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", HELP, *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_help_has_one_line_for_each_command():
    result = start("--help")
    assert (result.returncode, result.stderr) == (0, "")
    listed = re.findall(r"^  ([\w-]+)  +\w.*$", result.stdout, re.MULTILINE)
    assert listed == list(COMMANDS)


def test_help_whose_reader_has_ended():
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [sys.executable, "-m", "vsim_tf", "--help"], cwd=ROOT, stdout=writer, stderr=subprocess.PIPE, timeout=60, check=False
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (-signal.SIGPIPE, b"")


def test_an_interpreter_without_the_packages():
    code = "import sys; sys.modules['absl'] = None; import vsim_tf.cli.app"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2 and ended.stderr.count("\n") == 1
    assert "does not have the packages of requirements.txt; `sh setup.sh` installs them into .venv" in ended.stderr


def test_without_installation_it_is_a_module():
    command = [sys.executable, "-m", "vsim_tf", "colour"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2 and "error: colour: no such command; accepted: demo" in ended.stderr


@pytest.mark.parametrize("name", slow_but(["check", "pretrain"], [name for name in COMMANDS if name != "golden"]))
def test_help_of_a_command(name):
    result = start(name, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    word = {"check": "[DATA_DIR] ", "export": "[PATH] ", "serve": "[PATH] "}.get(name, "")
    assert f"\nusage: vsim-tf {name} {word}[flags]\n" in result.stdout
    assert ("--output" in result.stdout) == (name != "serve")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["colour"], "colour: no such command; accepted: demo, check, extract, write-labels, "),
        ([], "a command is needed; accepted: "),
        (["embed", "--colour=red"], "Unknown command line flag 'colour'; vsim-tf embed --help lists the flags"),
        (["finetune", "--labels=rank", "uniter"], "unexpected arguments ['uniter']"),
        (["pretrain", "--seed=-1"], "--seed"),
        (["demo", "--num_pairs=-1"], "num_pairs"),
    ],
)
def test_one_line_and_exit_code_2(words, said, tmp_path):
    result = start(*words, folder=tmp_path)
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ") and said in line
    assert not list(tmp_path.iterdir())


def test_golden_takes_its_words_itself(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "vsim_tf.cli.main", "golden", "--help"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "folder with golden_*.json" in result.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_script_of_the_same_stage_is_the_same_code(name, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    script, module = importlib.import_module(SCRIPTS[name]), importlib.import_module(COMMANDS[name].module)
    assert [getattr(script, part) for part in NAMES] == [getattr(module, part) for part in NAMES]

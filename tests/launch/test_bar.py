"""The bar of a run on a terminal, read from a pseudo-terminal; and that no bar of the package is drawn elsewhere."""

import ast
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = """
import json
import shutil
import sys
import time
from pathlib import Path

from absl import flags

from vsim_tf.cli import app

FLAGS = flags.FLAGS


def define_flags():
    flags.DEFINE_string("model", "", "")
    flags.DEFINE_boolean("fails", False, "")


def check_flags(devices):
    pass


def check_inputs():
    pass


def steps_of_runs():
    return {Path(f"runs/{FLAGS.model}/{fold}"): 10 for fold in range(4)}


def finished():
    return False


def main():
    for fold, (folder, steps) in enumerate(steps_of_runs().items()):
        folder.mkdir(parents=True)
        (folder / "metrics.jsonl").write_text(json.dumps({"step": 5 if fold == 2 else steps}) + "\\n")
        print(f"{FLAGS.model} fold-{fold}: complete, {shutil.get_terminal_size().columns} columns", flush=True)
        if fold == 2:
            print("half a line", end="", file=sys.stderr, flush=True)
            time.sleep(2.5)
            print(" and the rest", file=sys.stderr, flush=True)
            if FLAGS.fails:
                sys.exit(7)


if __name__ == "__main__":
    define_flags()
    app.run(main, "")
"""


def on_terminal(folder: Path, *words: str) -> tuple[int, str]:
    """Exit code, and all that a terminal of 100 columns gets."""
    (folder / "script.py").write_text(SCRIPT)
    options = ["--output_dir=out", "--models=uniter", "--jobs=1", "--jobs_per_gpu=1"]
    command = [sys.executable, "-m", "vsim_tf.launch", *options, "--stage=fine-tuning", "--each_model", "script.py", *words]
    ours, theirs = pty.openpty()
    subprocess.run(["stty", "rows", "24", "cols", "100"], stdin=theirs, check=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TERM": "xterm"}
    environment.pop("COLUMNS", None)  # the terminal's width counts
    with subprocess.Popen(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        received = b""
        try:
            while data := os.read(ours, 1 << 16):
                received += data
        except OSError:  # Linux says so when the last writer has closed it
            pass
        os.close(ours)
    return process.returncode, received.decode()


def shown_lines(text: str) -> list[str]:
    """The lines that stay: of each what is written after the cursor has gone back to its beginning."""
    return [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]


def test_one_bar_stands_below_the_lines(tmp_path):
    """Two runs and a half of four are done while the third goes on; lines are whole, and nothing of a bar is left."""
    code, text = on_terminal(tmp_path)
    assert code == 0, text
    lines = shown_lines(text)
    expected = [
        "[1/1] fine-tuning",
        *(f"uniter fold-{fold}: complete, 100 columns" for fold in range(3)),
        "half a line and the rest",
    ]
    assert [line for line in lines if line in expected] == expected, text
    assert not [line for line in lines if "|" in line], text
    bar = r"\r\[1/1\] fine-tuning uniter 3/4 +62%\|[█▌▎▏▋▊▉▍ ]+\| 2/4 runs, \d\d:\d\d, about \d+ s left"
    assert re.search(bar, text), text


def test_the_bar_is_gone_after_a_failure(tmp_path):
    code, text = on_terminal(tmp_path, "--fails")
    lines = shown_lines(text)
    assert code == 7
    assert [line for line in lines if line.startswith("error: stage 'fine-tuning' failed; when that is fixed")], text
    assert not [line for line in lines if "|" in line], text


def test_no_bar_of_the_package_is_drawn_into_a_file():
    """Each says when it is disabled: where its stream is no terminal, or as its caller asks."""
    calls = [
        (str(path), node.lineno)
        for path in ROOT.glob("vsim_tf/**/*.py")
        if "tqdm(" in (text := path.read_text(encoding="utf-8")) and path.name != "bar.py"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tqdm"
        if "disable" not in {keyword.arg for keyword in node.keywords}
    ]
    assert not calls

"""What scripts show of what the library logs, and that the library itself shows nothing."""

import errno
import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vsim_tf.cli.messages import shown_messages

PACKAGE = Path(__file__).parents[2] / "vsim_tf"
LOGGER = logging.getLogger("vsim_tf.a.module")
SCRIPTS = ("cli", "launch", "golden/__main__.py", "demo/__main__.py")


def library_files() -> list[Path]:
    scripts = [PACKAGE / path for path in SCRIPTS]
    return [file for file in sorted(PACKAGE.rglob("*.py")) if not any(file.is_relative_to(script) for script in scripts)]


@pytest.mark.parametrize("file", library_files(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_library_does_not_print(file):
    assert not re.findall(r"(?<!console\.)\bprint\(", file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("file", library_files(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_the_library_names_no_flags(file):
    named = re.findall(r"(?<!-)--[a-z]\w+", file.read_text(encoding="utf-8"))
    assert not set(named) - {"--query", "--format", "--logdir"}  # those of nvidia-smi and TensorBoard


def test_a_setting_that_a_record_names_is_shown_as_a_flag(capsys):
    with shown_messages():
        LOGGER.info("give batch_size=%d", 7, extra={"fields": ["training.batch_size"]})
        LOGGER.warning("too small: %s", "give batch_size=7", extra={"fields": ["training.batch_size"]})
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("give --batch_size=7\n", "warning: too small: give --batch_size=7\n")


def test_messages_are_bare_and_warnings_are_marked(capsys):
    with shown_messages():
        LOGGER.info("100% of it")
        LOGGER.warning("%s is damaged", "a")
        LOGGER.debug("a detail")
    LOGGER.info("after the script")
    LOGGER.warning("after the script")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("100% of it\n", "warning: a is damaged\n")


class FullDisk(io.StringIO):
    """Where nothing can be written any more."""

    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_cannot_be_shown_raises_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", FullDisk())
    with pytest.raises(OSError, match="No space left"), shown_messages():
        LOGGER.info("lost")


SCRIPT = """
import logging
from vsim_tf.cli import app
from vsim_tf.io.disk_space import require_space

def main():
    require_space("/", 0, "nothing")
    logging.getLogger("vsim_tf.a.module").warning("seen")
    print("the end")

app.run(main, "")
"""


def test_a_script_says_everything_once_and_in_order():
    ended = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, "warning: seen\n")
    assert re.fullmatch(r"disk: up to 0.0 MB for nothing in /, .* are free\nthe end\n", ended.stdout)


NOTEBOOK = """
import logging
from vsim_tf.io.disk_space import require_space
require_space(".", 0, "nothing")
logging.getLogger("vsim_tf.io.disk_space").warning("unseen")
logging.basicConfig(level=logging.INFO, format="%(name)s %(message).10s")
require_space(".", 0, "nothing")
"""


def test_without_a_script_messages_are_seen_by_who_asks_for_them():
    ended = subprocess.run([sys.executable, "-c", NOTEBOOK], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "vsim_tf.io.disk_space disk: up t\n")

"""How a script starts and ends."""

import os

import pytest
from absl import app as absl_app

from vsim_tf.cli import app
from vsim_tf.errors import UserError
from vsim_tf.io.quiet_imports import quiet_imports


def test_notes_of_libraries_are_held_back_and_all_else_is_passed_on(capfd):
    with quiet_imports():
        os.write(2, b"I0000 port.cc:153] oneDNN custom operations are on. You may see\nsomething else\n")
    assert capfd.readouterr().err == "something else\n"


def test_what_was_said_before_an_error_is_not_lost(capfd):
    with pytest.raises(ZeroDivisionError), quiet_imports():
        os.write(2, b"important\n")
        raise ZeroDivisionError
    assert capfd.readouterr().err == "important\n"


@pytest.mark.parametrize("error", [UserError("bad\nthing"), OSError(28, "No space left on device", "a.json")])
def test_what_a_person_can_mend_is_one_line_and_exit_code_2(monkeypatch, capsys, error):
    def main():
        raise error

    monkeypatch.setattr(absl_app, "run", lambda guarded, flags_parser: guarded([]))
    with pytest.raises(SystemExit) as end:
        app.run(main, "")
    assert end.value.code == 2
    assert capsys.readouterr().err in ("error: bad thing\n", "error: a.json: No space left on device\n")

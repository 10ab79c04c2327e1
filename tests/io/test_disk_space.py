"""Needed and free space, in one line."""

from types import SimpleNamespace

import pytest

from vsim_tf.errors import UserError
from vsim_tf.io.disk_space import format_bytes, require_space


def test_both_numbers_are_printed_or_refused(tmp_path, monkeypatch, console):
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda path: (asked.append(path), SimpleNamespace(free=3_000_000_000))[1])
    require_space(tmp_path / "a" / "b", 2_500_000, "the zip")
    assert console.readouterr().out == f"disk: up to 2.5 MB for the zip in {tmp_path}/a/b, 3.0 GB are free\n"
    assert asked == [tmp_path]
    message = f"^{tmp_path}: 331.0 GB are needed for checkpoints, 3.0 GB are free; make room, or .*docs/reproduce.md"
    with pytest.raises(UserError, match=message):
        require_space(tmp_path, 331_000_000_000, "checkpoints")
    assert console.readouterr().out == ""


def test_a_relative_folder_that_does_not_exist_yet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    require_space("output/uniter", 0, "nothing")
    require_space("", 0, "nothing")


SIZES = [(0, "0.0 MB"), (12_345_678, "12.3 MB"), (999_999_999, "1,000.0 MB"), (10**12, "1,000.0 GB")]


@pytest.mark.parametrize(("count", "text"), SIZES)
def test_sizes_for_people(count, text):
    assert format_bytes(count) == text

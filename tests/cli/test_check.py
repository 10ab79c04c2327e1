"""Flags of check_data.py to what is printed and written, and exit codes."""

import io
import json
import re

import numpy as np
import pytest
import toys
from rich.console import Console
from script_flags import refused

from vsim_tf.checks.report import Histogram, Report, Section
from vsim_tf.cli import app, check, check_output
from vsim_tf.launch.plan import flags_of
from vsim_tf.records.videos import video_record


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder `data` with two videos of a labelled pair."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/pairwise").mkdir(parents=True)
    write_videos("1", "2")
    (tmp_path / "data/pairwise/label.tsv").write_text("1\t2\t0.5\n")
    return tmp_path / "data"


def write_videos(*ids: str) -> None:
    frames = [[1] * toys.DIM, [2] * toys.DIM]
    toys.write_records("data/pairwise/a.tfrecords", [video_record(video, "天", np.array(frames)) for video in ids])


def run(*arguments: str) -> int:
    """The exit code."""
    with flags_of(check.define_flags, ["check_data.py", *arguments]):
        try:
            check.main()
        except SystemExit as end:
            return end.code
    return 0


def test_lines_where_there_is_no_terminal(data, capsys):
    assert run() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:3] == [
        "pairwise: files 1, records 2, unusable 0, feature dimension 6",
        "pairwise, frames per video: 2: 2",
        "pairwise, characters per title: 1: 2",
    ]
    assert lines[3:5] == [
        "pairwise/label.tsv: pairs 1, videos 2, mean similarity 0.500",
        "pairwise/label.tsv, similarity from: 0.5: 1",
    ]
    assert lines[-1] == "data: no problems"
    assert all(line.startswith("note: there is no ") for line in lines[5:-1])


def test_too_few_videos_for_the_batches_of_a_preset(data, capsys):
    """A check without the preset does not count for one with it."""
    assert run("--output=check.json") == 0 == run("--output=check.json")
    capsys.readouterr()
    assert run("--output=check.json", "--preset=small") == 1
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "problem: data/pairwise/label.tsv: 1 pairs; training needs 20 or more, which fill a batch", "data: 1 problem",
    ]  # fmt: skip


def test_problems_and_their_exit_code(data, capsys):
    write_videos("1", "3")
    assert run() == 1
    *_, problem, last = capsys.readouterr().out.splitlines()
    assert problem == "problem: data/pairwise/label.tsv, line 1: no video of data/pairwise has the id '2'"
    assert last == "data: 1 problem"
    assert run("--warn_only") == 0
    assert run("--frame_embedding_size=9", "--max_problems=1") == 1
    output = capsys.readouterr().out
    assert "frame 0 has 12 bytes; expected 18 (float16 with --frame_embedding_size=9)" in output
    assert "note: most videos have 6 numbers a frame: --frame_embedding_size=6 reads them" in output
    assert output.endswith("data: 3 problems, of which 1 not listed (--max_problems=0 lists all)\n")


def test_json_holds_the_same(data, capsys):
    write_videos("1", "3")
    assert run("--json", "--records_per_file=1") == 0
    assert json.loads(capsys.readouterr().out)["notes"][-1].startswith(
        "the first 1 records or videos alone were looked at (--records"
    )
    assert run("--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["kind"], report["number of problems"]) == ("pairs", 1)
    assert report["sections"]["pairwise"]["frames per video"] == {"2": 2}
    assert report["problems"] == [
        {
            "file": "data/pairwise/label.tsv",
            "line": 1,
            "message": "data/pairwise/label.tsv, line 1: no video of data/pairwise has the id '2'",
        }
    ]


def finished(*arguments: str) -> bool:
    with flags_of(check.define_flags, ["check_data.py", *arguments]):
        return check.finished()


def test_sound_data_are_checked_again_only_when_they_have_changed(data, console):
    assert not finished("--output=out/check.json")
    assert run("--output=out/check.json") == 0
    assert finished("--output=out/check.json")
    assert "data: checked before, no problems (out/check.json)" in console.readouterr().out
    assert not finished("--output=out/check.json", "--frame_embedding_size=6")
    write_videos("1", "2", "3")
    assert not finished("--output=out/check.json")
    write_videos("1")
    assert run("--output=out/check.json") == 1
    assert not finished("--output=out/check.json")
    (data.parent / "out/check.json").write_text("{")
    assert not finished("--output=out/check.json")


def test_a_word_is_the_folder(data):
    with flags_of(check.define_flags, ["check_data.py"]):
        app.parse(["check_data.py", "data"], check.WORD)
        assert app.FLAGS.data_dir == "data"
    for words in (["a", "b"], ["a", "--data_dir=b"]):
        with flags_of(check.define_flags, ["check_data.py"]), refused("unexpected arguments"):
            app.parse(["check_data.py", *words], check.WORD)


def test_what_there_is_not(data):
    with refused("none does not exist"):
        run("--data_dir=none")
    (data.parent / "empty").mkdir()
    with refused("empty holds no data that is known"):
        run("--data_dir=empty")


def test_tables_of_a_terminal():
    """Parts of one kind share a table; bins have their share in percent."""
    lengths = Histogram({1: 1, 2: 99, 3: 300})
    sections = [
        Section("test_a", {"files": 1, "records": 4000}, {"frames per video": lengths}),
        Section("test_a/label.tsv", {"pairs": 7}, {"similarity from": Histogram({3: 1, 5: 1}, tenths=True)}),
        Section("test_b", {"files": 2}, {"frames per video": Histogram({})}),
    ]
    console = Console(file=io.StringIO(), force_terminal=True, width=80)
    for table in check_output.tables(Report("data", "pairs", sections, [], {}, [])):
        console.print(table)
    lines = re.sub(r"\x1b\[[\d;]*m", "", console.file.getvalue()).splitlines()
    rows = [line.split() for line in lines if line.strip() and "─" not in line]
    assert rows == [
        ["files", "records"], ["test_a", "1", "4,000"], ["test_b", "2"],
        ["pairs"], ["test_a/label.tsv", "7"],
        ["frames", "per", "video,", "%", "1", "2", "3-4"], ["test_a", "<1", "25", "75"], ["test_b"],
        ["similarity", "from,", "%", "0.3", "0.4", "0.5"], ["test_a/label.tsv", "50", "50"],
    ]  # fmt: skip


def test_brackets_in_a_message_are_printed_as_they_are(data, capsys):
    (data / "pairwise/label.tsv").write_text("[b]1[/b]\t2\t0.5\n")
    assert run() == 1
    assert "has the id '[b]1[/b]'" in capsys.readouterr().out

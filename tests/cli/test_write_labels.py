"""Flags of write_labels.py to a label file."""

import pytest
from script_flags import refused

from vsim_tf.cli import write_labels
from vsim_tf.launch.plan import flags_of
from vsim_tf.records.labels import read_labels


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores.csv").write_text("video,other,score\n007,8,5\n8,9,1.5\n")
    return tmp_path


def run(*arguments: str) -> None:
    with flags_of(write_labels.define_flags, ["write_labels.py", *arguments]):
        write_labels.main()


def test_scores_of_a_table_with_a_header(here, console):
    """1.5 of 0 to 5 is 0.3."""
    run("--scores=scores.csv", "--scale=0:5")
    assert (here / "data/pairwise/label.tsv").read_text() == "007\t8\t1.0\n8\t9\t0.3\n"
    said = console.readouterr().out
    assert "scores.csv: read with commas between the columns, the header 'video,other,score' left out" in said
    assert "data/pairwise/label.tsv: 2 pairs" in said


def test_distances(here):
    run("--scores=scores.csv", "--scale=5:1", "--output=label.tsv")
    assert read_labels("label.tsv") == [("007", "8", 0.0), ("8", "9", 0.875)]


def test_a_file_that_is_there(here):
    (here / "label.tsv").write_text("mine")
    with refused("--output=label.tsv is there; replace it with --overwrite"):
        run("--scores=scores.csv", "--scale=0:5", "--output=label.tsv")
    run("--scores=scores.csv", "--scale=0:5", "--output=label.tsv", "--overwrite")
    assert len(read_labels("label.tsv")) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "--scores is needed"),
        (("--scores=none.csv",), "none.csv does not exist"),
        (("--scores=scores.csv", "--scale=5"), "--scale=5: two numbers are needed, e.g. 0:5"),
        (
            ("--scores=scores.csv", "--scale=0:4"),
            "line 2: '007,8,5' has the similarity 5; expected a number from 0 to 4. The file has",
        ),
        (("--scores=scores.csv",), "to scale it: python write_labels.py --scores=scores.csv --scale=0:5 --output=scaled.tsv"),
    ],
)
def test_refuses(here, arguments, message):
    with refused(message):
        run(*arguments)
    assert not (here / "data").exists()

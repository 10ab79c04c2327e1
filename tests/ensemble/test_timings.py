"""Times and memory of stages: read, written and shown."""

import pytest

from vsim_tf.ensemble.timings import Timing, format_bytes, format_seconds, read_timings, timing_table, timings_of
from vsim_tf.errors import UserError


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599.6, "1 h 00 min"),
        (7265, "2 h 01 min"),
    ],
)
def test_seconds_for_people(seconds, text):
    assert format_seconds(seconds) == text


def test_timings_of_a_continued_stage_add_up(tmp_path):
    assert timings_of(tmp_path) == []
    (tmp_path / "timings.tsv").write_text("write folds\t3\npre-train\t10.5\t700\npre-train\t2\t600\n")
    assert timings_of(tmp_path) == [("write folds", 3.0, 0.0), ("pre-train", 12.5, 700.0)]


def test_what_is_written_is_read(tmp_path):
    timing = Timing("features of test_a", 61.2, 1_234_567_890)
    (tmp_path / "timings.tsv").write_text(timing.line())
    assert read_timings(tmp_path / "timings.tsv") == [("features of test_a", 61.0, 1_234_567_890.0)]


def test_the_table_has_a_total_and_memory_where_it_is_known():
    assert timing_table([Timing("a", 3), Timing("b", 59)]) == (
        ["stage", "time"], [["a", "3.0 s"], ["b", "59.0 s"], ["total", "1 min 02 s"]]
    )  # fmt: skip
    header, rows = timing_table([Timing("a", 3), Timing("b", 59, 1.26e9), Timing("c", 1, 4e8)])
    assert header == ["stage", "time", "memory of the largest process"]
    assert [row[2] for row in rows] == ["", "1.3 GB", "400 MB", "1.3 GB"]
    assert format_bytes(999e6) == "999 MB"


@pytest.mark.parametrize(
    "line",
    [
        "folds",
        "folds 3",
        "folds\tnan",
        "folds\t-1",
        "folds\tinf",
        "\t3",
        "folds\t3 s",
        "folds\t3\tmuch",
        "folds\t3\t-1",
        "folds\t3\t1\t1",
    ],
)
def test_a_bad_timing_is_named(tmp_path, line):
    (tmp_path / "timings.tsv").write_text(f"ok\t1\n{line}\n")
    with pytest.raises(UserError, match="timings.tsv, line 2: .* accepted is a stage, a tab, and seconds, or"):
        read_timings(tmp_path / "timings.tsv")

"""Figures of a check as values: bins, problems with their places, and how many are kept."""

from collections import Counter

import pytest

from vsim_tf.checks.report import Findings, Histogram, Report, Section
from vsim_tf.errors import RecordError, UserError


def test_bins_double_in_width():
    counts = Counter([0, 1, 2, 2, 3, 4, 5, 8, 9, 16, 33])
    histogram = Histogram(counts)
    named = {histogram.label(number): count for number, count in histogram.bins().items()}
    assert named == {"0": 1, "1": 1, "2": 2, "3-4": 2, "5-8": 2, "9-16": 2, "17-32": 0, "33-64": 1}
    assert histogram.total() == 11
    assert histogram.as_json() == {str(value): counts[value] for value in sorted(counts)}


def test_bins_of_tenths():
    histogram = Histogram(Counter([3, 3, 5, 10]), tenths=True)
    assert {histogram.label(number): count for number, count in histogram.bins().items()} == {
        "0.3": 2, "0.4": 0, "0.5": 1, "0.6": 0, "0.7": 0, "0.8": 0, "0.9": 0, "1.0": 1,
    }  # fmt: skip
    assert histogram.as_json() == {"0.3": 2, "0.5": 1, "1.0": 1}


def test_nothing_has_no_bins():
    assert (Histogram(Counter()).bins(), Histogram(Counter()).total()) == ({}, 0)


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ("a, b.tsv, line 7: 'x' has 2 columns", {"line": 7}),
        ("a, b.tsv, record 3, id v_1: asr is 7", {"record": 3, "id": "v_1"}),
        ("a, b.tsv, record 3 (byte 12): no valid record starts here", {"record": 3}),
        ("a, b.tsv: the file is empty", {}),
        ("a, b.tsv: line 7 of something", {}),
    ],
)
def test_the_place_of_a_problem(message, place):
    findings = Findings(0)
    findings.add(UserError(message), "a, b.tsv")
    assert findings.problems[0].as_json() == {"file": "a, b.tsv", "message": message} | place


def test_a_place_that_is_known():
    findings = Findings(0)
    findings.add(RecordError('a, record 9, video "it\'s": no'), "a", 9, "it's")
    assert findings.problems[0].as_json() == {"file": "a", "record": 9, "id": "it's", "message": 'a, record 9, video "it\'s": no'}


@pytest.mark.parametrize(("most", "kept"), [(2, 4), (0, 6)])
def test_all_problems_are_counted_and_the_first_of_each_file_are_kept(most, kept):
    findings = Findings(most)
    for number in range(4):
        findings.add(UserError(f"a, line {number}: no"), "a")
    for number in range(2):
        findings.refused("b")(UserError(f"b, line {number}: no"))
    report = Report("data", "pairs", [], findings.problems, findings.counts, findings.notes)
    assert (report.num_problems, len(report.problems)) == (6, kept)
    assert report.as_json()["number of problems"] == 6


def test_sections_as_json():
    section = Section("test_a", {"files": 1}, {"frames per video": Histogram({3: 2})}, {"0101": 1, "0001": 2})
    assert Report("data", "classes", [section], [], {}, ["note"]).as_json() == {
        "folder": "data", "kind": "classes", "problems": [], "number of problems": 0, "notes": ["note"],
        "sections": {"test_a": {"files": 1, "frames per video": {"3": 2}, "videos of each class": {"0001": 2, "0101": 1}}},
    }  # fmt: skip

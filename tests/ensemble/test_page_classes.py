"""Sections on a small set of predictions."""

import numpy as np
import pytest
from html_pages import parsed

from vsim_tf.ensemble.page.blocks import Figure, Page, Table, Text
from vsim_tf.ensemble.page.classes import NO_CLASSES, class_results, class_sections, confident_errors, confusion_blocks
from vsim_tf.ensemble.page.render import page_html
from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.records.predictions import Predictions
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record

CLASSES = ("0000", "0001", "0100")
LABELS = {"a": "0000", "b": "0001", "c": "0100", "d": "0100"}
WEIGHTS = {"one": 1.0, "two": 1.0}
HEADINGS = [
    "Gain of each member", "Agreement of members", "Confusion of classes", "Most confident errors", "Nearest neighbours",
]  # fmt: skip


def predictions(probabilities: dict[str, tuple]) -> Predictions:
    return Predictions(list(probabilities), CLASSES, np.log(np.array(list(probabilities.values()))))


MEMBERS = {
    "one": [predictions({"a": (0.8, 0.1, 0.1), "b": (0.9, 0.05, 0.05), "c": (0.1, 0.1, 0.8), "d": (0.2, 0.6, 0.2)})],
    "two": [predictions({"d": (0.1, 0.8, 0.1), "c": (0.6, 0.2, 0.2), "b": (0.1, 0.8, 0.1), "a": (0.6, 0.2, 0.2)})],
}
"""Of the sums, a and c are right, and b (1.0, 0.85, 0.15) and d (0.3, 1.4, 0.3) are not."""


@pytest.fixture
def results():
    return class_results(MEMBERS, WEIGHTS, LABELS, "class")


@pytest.fixture
def files(tmp_path):
    picture = encode_jpeg(np.zeros((20, 20, 3), np.uint8))
    records = [video_record(video, f"<i>{video}</i>", None, pictures=[picture]) for video in "abcd"]
    write_records(tmp_path / "pictures.tfrecords", records)
    return [str(tmp_path / "pictures.tfrecords")]


def test_every_section(results, files):
    sections = class_sections(results, files)
    assert [section.heading for section in sections] == HEADINGS
    page = parsed(page_html(Page("Report", sections)))
    assert page.tags["svg"] == 3
    assert page.tags["img"] == 2 + 4 * 4
    assert "<i>b</i>" in page.texts
    assert any(text.endswith(" · class 0000, right is 0001") for text in page.texts)


def test_errors_come_by_their_probability(results, files):
    """0.7 of d, 0.5 of b."""
    assert confident_errors(results) == ["d", "b"]
    assert confident_errors(results, 1) == ["d"]
    (gallery,) = class_sections(results, files)[3].blocks
    assert [[(video.id, note) for video, note in card.videos] for card in gallery.cards] == [
        [("d", "class 0001, right is 0100; probability 70%")], [("b", "class 0000, right is 0001; probability 50%")]
    ]  # fmt: skip


def test_the_decision_by_levels_is_followed():
    """0.4 is the largest, and with its parent 0.8; 0.35 with its parent is 0.95. The class's own share is shown."""
    one = {"one": [predictions({"a": (0.35, 0.25, 0.4)})]}
    for decision, category, share in (("class", "0100", 0.4), ("levels", "0000", 0.35)):
        results = class_results(one, {"one": 1.0}, {"a": "0001"}, decision)
        assert results.predicted == {"a": category}
        assert results.probabilities == {"a": pytest.approx(share)}


def test_confusion_of_both_levels(results):
    """Level 1: a and b of 00 stay there, of c and d one goes to 00."""
    matrix, table = confusion_blocks(results)
    assert isinstance(matrix, Figure)
    assert [text for text in ("2", "1", "00", "01") if f">{text}</text>" in matrix.svg] == ["2", "1", "00", "01"]
    assert isinstance(table, Table)
    assert table.rows == [("0001", "0000", "yes", "1", "100%"), ("0100", "0001", "no", "1", "50%")]


def test_agreement_counts_videos_with_the_same_class(results, files):
    """Both give a and d the same class; one is right in a and c, two in a and b."""
    (figure,) = class_sections(results, files)[1].blocks
    assert "labels" in figure.svg and "the right one" in figure.caption
    assert figure.svg.count(">0.50</text>") == 6 and figure.svg.count(">1.00</text>") == 3


def test_gains_are_those_of_mean_f1(results):
    """Both together give the classes that the first gives alone."""
    assert results.mean_f1_of({"one": 0.5, "two": 0.5}) == pytest.approx(results.mean_f1_of({"one": 1.0}))


def test_without_labels_there_are_agreement_and_neighbours(files):
    sections = {each.heading: each.blocks for each in class_sections(class_results(MEMBERS, WEIGHTS, {}, "class"), files)}
    for heading in ("Gain of each member", "Confusion of classes", "Most confident errors"):
        assert sections[heading] == [Text(NO_CLASSES)]
    assert "labels" not in sections["Agreement of members"][0].svg
    assert sections["Nearest neighbours"][1].cards[0].videos[0][1] == "class 0000"


def test_one_member_and_no_error(files):
    known = {"a": "0000", "b": "0000", "c": "0100", "d": "0001"}
    sections = {
        each.heading: each.blocks
        for each in class_sections(class_results({"one": MEMBERS["one"]}, {"one": 1.0}, known, "class"), files)
    }
    assert sections["Gain of each member"] == [Text("Gains are left out: the ensemble has a single member.")]
    assert sections["Most confident errors"] == [Text("No video is given a wrong class.")]
    assert sections["Confusion of classes"][1] == Text("No video is given a wrong class of level 2.")

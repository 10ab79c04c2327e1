"""Every kind of block in a page that is well-formed, and no text that becomes code."""

import pytest
from html_pages import parsed

from vsim_tf.ensemble.page.blocks import (
    Card,
    Code,
    Figure,
    Gallery,
    Page,
    Panels,
    Section,
    ShownVideo,
    Table,
    Text,
    section,
)
from vsim_tf.ensemble.page.render import page_html, write_page
from vsim_tf.ensemble.page.svg import FIRST, drawing
from vsim_tf.errors import UserError

EVIL = """</title></bdi><script>alert('1')</script>"&amp;<img src=x onerror=alert(1)>"""
VIDEO = ShownVideo("7", EVIL, "data:image/jpeg;base64,AAAA")


def line(caption: str, width: int = 0) -> Figure:
    def draw(axes):
        axes.plot([0, 1], [1, 2], color=FIRST)
        axes.set_title(EVIL)

    return drawing(caption, draw, (300, 200), width)


PAGE = Page(
    "Report",
    [
        Section("Words & <figures>", [Text(EVIL), Code("sh run.sh '--a=<b>'"), line("One line"), line("Two lines", 500)]),
        Section(
            "Tables",
            [
                Table(("video", "score"), [(EVIL, "0.5"), ("plain", "<1")], "A caption", strong=frozenset([1])),
                Panels([line(EVIL)]),
            ],
        ),
        Section("Videos", [Gallery([Card([(VIDEO, "note"), (ShownVideo("8"), EVIL)]), Card([(VIDEO, "")], "a heading")])]),
    ],
)


def test_all_blocks_stand_in_a_well_formed_page():
    page = parsed(page_html(PAGE))
    assert page.tags["svg"] == page.tags["figure"] == 3
    assert page.tags["img"] == len(page.loaded) == 2
    assert page.tags["section"] == 3 and [name for name in page.ids if name.startswith("s")] == ["s1", "s2", "s3"]
    for text in (
        "Words & <figures>",
        "sh run.sh '--a=<b>'",
        "<1",
        "A caption",
        "a heading",
        "no title",
        "8 · " + EVIL,
        "7 · note",
    ):
        assert text in page.texts
    assert page.texts.count("One line.") == 1


def test_titles_are_texts():
    text = page_html(PAGE)
    assert parsed(text).texts.count(EVIL) == 4 + 3
    assert "<script" not in text and "<img src=x" not in text


def test_a_drawing_takes_its_colours_from_the_page():
    text = page_html(PAGE)
    assert "stroke: var(--first)" in text and "fill: var(--muted)" in text
    assert "prefers-color-scheme: dark" in text
    for name in ("ink", "muted", "grid", "surface", "first", "second"):
        assert text.count(f"--{name}: #") == 2


def test_the_same_page_has_the_same_bytes(tmp_path):
    write_page(tmp_path / "new" / "report.html", PAGE)
    first = (tmp_path / "new" / "report.html").read_bytes()
    again = line("One line")
    assert again.svg in first.decode()
    write_page(tmp_path / "new" / "report.html", PAGE)
    assert (tmp_path / "new" / "report.html").read_bytes() == first
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.html"]
    with pytest.raises(UserError, match="cannot be written"):
        write_page(tmp_path / "new" / "report.html" / "report.html", PAGE)


def test_half_a_character_is_replaced(tmp_path):
    write_page(tmp_path / "report.html", Page("Report", [Section("a", [Text("\ud800")])]))
    assert "<p>?</p>" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_section_whose_files_cannot_be_used_has_a_sentence(caplog):
    def fail():
        raise UserError("a/metrics.jsonl, line 3: not JSON")

    assert section("Learning curves", fail) == Section("Learning curves", [Text("Left out: a/metrics.jsonl, line 3: not JSON.")])
    assert "Learning curves: left out of the page: a/metrics.jsonl, line 3" in caplog.text

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import RecordError, UserError
from vsim_tf.records.annotations import Annotation, read_annotations
from vsim_tf.records.classes import ClassTable, classes_of, contest_classes, read_class_table, write_class_table

SHORT_VIDEO = Path(__file__).parents[2].parent / "shared/shortvideo"
CATEGORIES = st.integers(0, 9999).map("{:04}".format)


def videos(*categories):
    return [Annotation(f"v{number}", "", "", "", category) for number, category in enumerate(categories)]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("classes") / "category_ids.txt"


def test_classes_of_videos_are_sorted_and_know_their_parents():
    table = classes_of(videos("0901", "0100", "0302", "0901", "0300"))
    assert table == ClassTable(("0100", "0300", "0302", "0901"))
    assert table.level1 == ("01", "03", "09") and table.parents.tolist() == [0, 1, 1, 2]
    assert table.index("0302") == 2
    assert table.indices(videos("0901", "0100", "0901"), "file").tolist() == [3, 0, 3]


def test_the_contest_has_200_classes_whose_parents_are_their_first_two_digits():
    table = contest_classes()
    assert len(table.ids) == 200 and len(table.level1) == 23 and table.ids == tuple(sorted(table.ids))
    assert table.parents.tolist() == [int(category[:2]) for category in table.ids]
    assert table.ids[9:14] == ("0100", "0101", "0102", "0103", "0104") and table.ids[-1] == "2223"


@given(st.sets(CATEGORIES, min_size=1))
def test_reads_back_what_was_written(file, categories):
    table = classes_of(videos(*categories))
    write_class_table(file, table)
    assert read_class_table(file) == table == ClassTable(tuple(sorted(categories)))
    assert [table.level1[parent] for parent in table.parents] == [category[:2] for category in table.ids]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0001\n002\n", "line 2: '002' is no class; expected four digits"),
        ("0001\tname\n", "line 1: .*is no class"),
        ("００01\n", "line 1: .*is no class"),
        ("0001\n0003\n0002\n", "line 3: '0002' comes after '0003'; classes ascend"),
        ("0001\n0001\n", "line 2: '0001' comes after '0001'"),
        ("0001\n\n", "line 2: '' is a blank line"),
        ("", "the file is empty"),
    ],
)
def test_a_bad_file(file, text, message):
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=f"{file}.*{message}"):
        read_class_table(file)


def test_an_unknown_class_is_named():
    table = ClassTable(("0100", "0300"))
    with pytest.raises(UserError, match="^class '0101' is none of the 2 classes 0100, 0300$"):
        table.index("0101")
    with pytest.raises(RecordError, match="^a.json, record 1, id v1: class '0101' is none of the 2 classes"):
        table.indices(videos("0300", "0101"), "a.json")
    with pytest.raises(RecordError, match="record 0, id v0: class '' is none"):
        table.indices(videos(""), "a.json")


@pytest.mark.skipif(not SHORT_VIDEO.is_dir(), reason="the short-video set is not here")
def test_short_video_set():
    table = read_class_table(SHORT_VIDEO / "category_ids.txt")
    assert len(table.ids) == 68 and len(table.level1) == 9
    assert classes_of(read_annotations(SHORT_VIDEO / "annotations/labeled.json", labelled=True)) == table

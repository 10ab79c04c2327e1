"""Tables as people have them: the same videos from CSV, parquet, DataFrames and dicts, and every row that cannot be used."""

import csv
import io
import logging
import math
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.tags import tag_id
from vsim_tf.records.video_tables import COLUMNS, TableVideo, read_video_table

HEADER = "id,title,tags,asr,ocr,category_id,features,video,views\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


def table(folder, text: str | bytes, name: str = "videos.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_all_columns(folder, caplog):
    rows = '007,"雪山, 日出",541241 392019,说,字,0102,a/7.npy,,12\n8,"two\nlines","3,-4",,,,/b/8.npy,c.mp4,\n'
    with caplog.at_level(logging.INFO, "vsim_tf"):
        videos = read_video_table(table(folder, HEADER + rows))
    assert videos == [
        TableVideo("007", "雪山, 日出", "说", "字", "0102", ("541241", "392019"), str(folder / "a/7.npy"), "", 1),
        TableVideo("8", "two\nlines", "", "", "", ("3", "-4"), "/b/8.npy", str(folder / "c.mp4"), 2),
    ]
    assert caplog.messages == [f"{folder}/videos.csv: columns that are not read: 'views'"]


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ("id,title\n7,天\n", "a.csv"),
        ("id\ttitle\n7\t天\n", "a.tsv"),
        ("id;title\n7;天\n", "a.csv"),
        (b"\xef\xbb\xbfid,title\r\n7,\xe5\xa4\xa9\r\n\r\n", "a.csv"),  # as spreadsheets write it
        ("title,id\n天,7", "a.txt"),
        ('"id","title"\n"7","天"\n', "a.csv"),
    ],
)
def test_forms_of_csv(folder, data, name):
    assert read_video_table(table(folder, data, name)) == [TableVideo("7", "天", row=1)]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_categories=("C",)), max_size=8), min_size=1))
def test_a_spreadsheet_s_mark_and_line_ends_change_nothing(folder, titles):
    read = []
    for start in ("", "\ufeff"):
        for end in ("\n", "\r\n"):
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator=end).writerows([("id", "title"), *enumerate(titles)])
            read.append(read_video_table(table(folder, start + text.getvalue())))
    assert [[video.title for video in videos] for videos in read] == [titles] * 4
    assert read == [read[0]] * 4


@pytest.mark.parametrize(
    ("value", "tags"),
    [
        ("3 10", "3|10"), ("3,10", "3|10"), ("[3, 10]", "3|10"), (" 3\t10 ", "3|10"), ("", ""), ("[]", ""), (None, ""),
        (math.nan, ""), (3, "3"), (3.0, "3"), ([3, 10], "3|10"), ((3,), "3"), (np.array([3, -10]), "3|-10"), ([], ""),
        (np.int64(2**63 - 1), str(2**63 - 1)), (["3", 10.0], "3|10"), ("1 2,3", "1|2|3"), ("3,,4,", "3|4"),
        ("雪山 日出", "雪山|日出"), ("snow mountain, sunrise,3", "snow mountain|sunrise|3"),
        ("雪山，日出、猫；狗; 3", "雪山|日出|猫|狗|3"), ("['雪山', 'a b', 3]", "雪山|a b|3"), ("['雪山']", "雪山"),
        (["雪山", "a, b", "c\td"], "雪山|a, b|c d"), ("[4k] 3", "[4k]|3"),
    ],
)  # fmt: skip
def test_forms_of_tags(value, tags):
    video = read_video_table([{"id": "7", "title": "", "tags": value}])[0]
    assert "|".join(video.tag_names) == tags
    assert video.tags == tuple(map(tag_id, video.tag_names))


def test_a_table_without_tags_leaves_them_out():
    assert read_video_table([{"id": "7", "title": ""}])[0].tags is None


@pytest.mark.parametrize(("value", "read"), [("007", "007"), (7, "7"), (np.int64(2**62), str(2**62)), ("天-地.1", "天-地.1")])
def test_ids_are_text_or_integers(value, read):
    assert read_video_table([{"id": value, "title": None}])[0].id == read


@pytest.mark.parametrize(("value", "category"), [("0102", "0102"), (102, "102"), (102.0, "102"), (None, ""), (12202, "12202")])
def test_classes_are_digits(value, category):
    assert read_video_table([{"id": 7, "title": "", "category_id": value}])[0].category == category


@pytest.mark.parametrize(
    ("row", "column", "reason"),
    [
        ({"id": ""}, "id", "'' is no id"),
        ({"id": None}, "id", "None is no id"),
        ({"id": "a b"}, "id", "'a b' is no id; an id is not empty and has no blanks"),
        ({"id": " a"}, "id", "' a' is no id"),
        ({"id": 7.0}, "id", "7.0 is neither text nor an integer"),
        ({"id": True}, "id", "True is neither text"),
        ({"id": b"7"}, "id", "b'7' is neither text"),
        ({"id": "\ud83d"}, "id", "is no id; it holds half a character"),
        ({"tags": "3 1.5"}, "tags", "'3 1.5' has the tag '1.5'; tags are words or integers of 64 bits"),
        ({"tags": [""]}, "tags", "[''] has the tag ''"),
        ({"tags": "9223372036854775808"}, "tags", "has the tag '9223372036854775808'"),
        ({"tags": 1.5}, "tags", "1.5 has the tag '1.5'"),
        ({"tags": [True]}, "tags", "[True] has the tag ''"),
        ({"tags": {"a": 1}}, "tags", "has the tag \"{'a': 1}\""),
        ({"category_id": "12345678"}, "category_id", "'12345678' is no class; four digits are needed"),
        ({"category_id": "cats"}, "category_id", "'cats' is no class"),
        ({"category_id": -1}, "category_id", "-1 is no class"),
    ],
)
def test_a_bad_cell_is_named_with_row_id_and_column(row, column, reason):
    rows = [{"id": "1", "title": ""}, {"id": "2", "title": "", **row}]
    with pytest.raises(UserError) as caught:
        read_video_table(rows)
    video = "" if column == "id" else ", id 2"
    assert str(caught.value).startswith(f"the table, row 2{video}, column {column}: ")
    assert reason in str(caught.value)


def test_every_bad_row_is_said(folder, caplog):
    path = table(folder, "id,title,tags\n1,a,1.5\n2,b,3\n\n2,c,\n,d,\n5\n6,e,3,4\n")
    with pytest.raises(UserError, match=f"{path}: 5 rows cannot be used, first: {path}, row 1, id 1, column tags: '1.5' has"):
        read_video_table(path)
    (warning,) = caplog.messages
    assert [line.removeprefix(f"{path}, row ").partition(":")[0] for line in warning.splitlines()[1:]] == [
        "1, id 1, column tags", "4, column id", "5, column id", "6", "7",
    ]  # fmt: skip
    assert "'2' is that of row 2, too" in warning and "row 6: 1 cells; the header has 3 columns" in warning


def test_of_thousands_of_bad_rows_the_first_are_said(caplog):
    with pytest.raises(UserError, match="the table: 1,000 rows cannot be used"):
        read_video_table([{"id": "", "title": ""}] * 1000)
    assert len(caplog.messages[0].splitlines()) == 102
    assert caplog.messages[0].endswith("... and 900 more")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "no header line"),
        ("\n1,2\n", "no header line"),
        ("id,title\n", "no rows"),
        ("name,title\n1,a\n", "no column id; there are 'name', 'title'; accepted are id, title, tags"),
        ("id,tags\n1,3\n", "no column title"),
        ("id,title,id\n1,a,2\n", "columns of one name: 'id'"),
        (b"id,title\n1,\xff\n", "a byte 0xff that is not UTF-8; save it as CSV in UTF-8"),
        (b"\xff\xfei\0d\0", "a byte 0xff that is not UTF-8"),
        ('id,title\n1,"a\n', "row 1: not CSV: unexpected end of data"),
        ('id,title\n1,"a"b\n', "row 1: not CSV: "),
    ],
)
def test_files_that_are_no_tables(folder, data, message):
    path = table(folder, data)
    with pytest.raises(UserError, match=message) as caught:
        read_video_table(path)
    assert str(path) in str(caught.value)


def test_paths_that_are_no_files(folder):
    with pytest.raises(UserError, match="none.csv does not exist"):
        read_video_table(folder / "none.csv")
    with pytest.raises(UserError, match="is a folder; a table is a file"):
        read_video_table(folder)
    with pytest.raises(UserError, match="the table: 7 is no row; a row is a mapping"):
        read_video_table([7])
    with pytest.raises(UserError, match="the table: no column id and title; there are none"):
        read_video_table([])


WORDS = st.text(st.characters(codec="utf-8", categories=("L",)), min_size=1, max_size=5)
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"), max_size=10)
VIDEOS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=5),
            "title": TEXT, "asr": TEXT, "ocr": TEXT,
            "tags": st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3) | st.lists(WORDS, max_size=3),
            "category_id": st.integers(0, 99999),
        }
    ),
    min_size=1, max_size=4, unique_by=lambda video: video["id"],
)  # fmt: skip


def expected(rows) -> list[TableVideo]:
    return [
        TableVideo(
            row["id"], row["title"], row["asr"], row["ocr"], str(row["category_id"]), tuple(map(str, row["tags"])), row=number
        )
        for number, row in enumerate(rows, 1)
    ]


@given(rows=VIDEOS, separator=st.sampled_from(",\t;"), between=st.sampled_from([" ", ",", ", "]))
def test_what_is_written_as_csv_is_read(folder, rows, separator, between):
    file = io.StringIO()
    writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(row | {"tags": between.join(map(str, row["tags"]))} for row in rows)
    assert read_video_table(table(folder, file.getvalue())) == expected(rows) == read_video_table(rows)


CELLS = st.text(',;\t"\n\r1ax[]', max_size=60).map(lambda text: f"id,title,tags\n{text}".encode())


@given(data=st.one_of(st.binary(max_size=60), CELLS))
def test_any_bytes_give_videos_or_a_user_error(folder, data):
    path = table(folder, data)
    try:
        videos = read_video_table(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert len({video.id for video in videos}) == len(videos) > 0
        assert all(video.id.split() == [video.id] for video in videos)


# --- with optional packages -------------------------------------------------------------------------------------------


@given(rows=VIDEOS)
def test_what_is_written_as_parquet_is_read(folder, rows):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = [row | {"tags": list(map(str, row["tags"]))} for row in rows]
    columns = pyarrow.Table.from_pylist(rows if all(isinstance(tag, int) for row in rows for tag in row["tags"]) else texts)
    parquet.write_table(columns.append_column("views", pyarrow.array([1.5] * len(rows))), folder / "a.parquet")
    assert read_video_table(folder / "a.parquet") == expected(rows)


@given(cut=st.integers(0, 400), data=st.binary(max_size=4))
def test_damaged_parquet(folder, cut, data):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    path = folder / "damaged.parquet"
    parquet.write_table(pyarrow.Table.from_pylist([{"id": "7", "title": "天", "tags": [3]}]), path)
    whole = path.read_bytes()
    path.write_bytes(whole[:cut] + data + whole[cut + len(data) :])
    try:
        read_video_table(path)
    except UserError as error:
        assert str(path) in str(error)


def test_parquet_without_its_package(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UserError, match="a.parquet: pyarrow is not installed; `pip install pyarrow` brings it"):
        read_video_table(table(folder, b"PAR1", "a.parquet"))


def test_a_data_frame():
    """Missing values make floats of integers, None, NaN or NA, by the type of the column."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {
            "id": [7, 8], "title": ["天", None], "tags": [[3, 10], None], "category_id": [102, None],
            "asr": pandas.Series(["说", None], dtype="string"), "views": [1, 2],
        }
    )  # fmt: skip
    assert read_video_table(frame) == [
        TableVideo("7", "天", "说", "", "102", ("3", "10"), row=1), TableVideo("8", "", "", "", "", (), row=2),
    ]  # fmt: skip
    with pytest.raises(UserError, match="2 rows cannot be used, first: the table, row 1, column id: 7.0 is neither text nor"):
        read_video_table(pandas.DataFrame({"id": [7, None], "title": ["", ""]}))


def test_columns_of_one_name_in_a_data_frame():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(UserError, match="columns of one name: 'id'"):
        read_video_table(pandas.DataFrame([["1", "2", ""]], columns=["id", "id", "title"]))


def test_the_columns_are_those_of_a_video():
    assert set(TableVideo._fields) == {*COLUMNS, "category", "tag_names", "row"} - {"category_id", "tags"}

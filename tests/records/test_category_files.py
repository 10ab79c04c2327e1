from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.category_files import read_categories, write_categories

SHORT_VIDEO = Path(__file__).parents[2].parent / "shared/shortvideo"
IDS = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C"), exclude_characters=","), min_size=1, max_size=20)
CATEGORIES = st.dictionaries(IDS, st.integers(0, 9999).map("{:04}".format), min_size=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("categories")


def test_lines_are_in_the_order_of_the_test_set(folder):
    write_categories(folder / "result.csv", {"7": "0001", "007": "1200"}, ["007", "7"])
    assert (folder / "result.csv").read_bytes() == b"007,1200\n7,0001\n"
    write_categories(folder / "labels.tsv", {"7": "0001"}, ["7"])
    assert (folder / "labels.tsv").read_bytes() == b"7\t0001\n"


@given(
    CATEGORIES, st.sampled_from(["result.csv", "labels.tsv"]), st.sampled_from(["", "\ufeff"]), st.sampled_from(["\n", "\r\n"])
)
def test_a_spreadsheet_s_mark_and_line_ends_change_nothing(folder, categories, name, start, end):
    write_categories(folder / name, categories, categories)
    text = (folder / name).read_bytes().decode()
    (folder / name).write_bytes((start + text.replace("\n", end)).encode())
    assert read_categories(folder / name, categories) == categories


@given(CATEGORIES, st.sampled_from(["result.csv", "labels.tsv"]))
def test_reads_back_what_was_written(folder, categories, name):
    write_categories(folder / name, categories, reversed(categories))
    read = read_categories(folder / name, categories)
    assert read == categories and list(read) == list(reversed(categories))


@given(st.binary(max_size=30))
def test_any_bytes_give_classes_or_a_user_error(folder, data):
    path = folder / "result.csv"
    path.write_bytes(data)
    try:
        read = read_categories(path)
    except UserError as error:
        assert str(path) in str(error)
    else:
        assert read and all(video and len(category) == 4 for video, category in read.items())


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("id,category_id", "is not an id, a comma and a class of four digits"),
        ("2;0001", "is not an id, a comma"),
        ("2,001", "a class of four digits"),
        (",0001", "is not an id"),
        ("2 ,0001", "is not an id"),
        ("2,0001,", "is not an id"),
        ("1,0002", "repeats the id 1"),
        ("", "is a blank line"),
    ],
)
def test_a_bad_line_is_named(folder, line, message):
    path = folder / "result.csv"
    path.write_text(f"1,0001\n{line}\n3,0001\n")
    with pytest.raises(UserError, match=f"result.csv, line 2: {line!r} .*{message}"):
        read_categories(path)


def test_every_bad_line_is_refused_and_the_others_are_read(folder):
    (folder / "result.csv").write_text("7,1\n8,0001\n8,0002\n9,0003\n")
    refused = []
    assert read_categories(folder / "result.csv", refused=refused.append) == {"8": "0001", "9": "0003"}
    assert [str(error).partition(":")[0][-6:] for error in refused] == ["line 1", "line 3"]


def test_tabs_and_commas_are_told_apart(folder):
    (folder / "labels.tsv").write_text("1,0001\n")
    with pytest.raises(UserError, match="line 1: .*is not an id, a tab and a class"):
        read_categories(folder / "labels.tsv")


def test_ids_are_those_of_the_test_set(folder):
    path = folder / "ids.csv"
    with pytest.raises(UserError, match="ids.csv: ids differ from those of the test set; missing 1: b; extra 1: c"):
        write_categories(path, {"a": "0001", "c": "0001"}, ["a", "b"])
    with pytest.raises(UserError, match="the test set has 3 videos with 2 ids"):
        write_categories(path, {"a": "0001", "b": "0001"}, ["a", "b", "a"])
    for categories in ({"a,b": "0001"}, {"a": "1"}, {"": "0001"}):
        with pytest.raises(UserError, match="ids.csv: .* is not an id, a comma and a class of four digits"):
            write_categories(path, categories, categories)
    assert not path.exists()
    write_categories(path, {"a": "0001"}, ["a"])
    with pytest.raises(UserError, match="ids.csv: ids differ from those of the test set; missing 1: b"):
        read_categories(path, ["a", "b"])


@pytest.mark.skipif(not SHORT_VIDEO.is_dir(), reason="the short-video set is not here")
def test_short_video_set():
    assert len(read_categories(SHORT_VIDEO / "test_a_labels.tsv")) == 750

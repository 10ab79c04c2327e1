import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import RecordError, UserError
from vsim_tf.records.annotations import Annotation, read_annotations
from vsim_tf.text.fields import Fields

SHORT_VIDEO = Path(__file__).parents[2].parent / "shared/shortvideo/annotations"
RECORD = {"id": "0012", "title": "题目", "asr": "", "ocr": [], "category_id": "0103"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("annotations") / "labeled.json"


def write(path, records):
    path.write_text(json.dumps(records), encoding="utf-8")
    return path


def test_texts_of_the_pictures_are_joined_with_nothing_in_between(file):
    record = RECORD | {"ocr": [{"time": 0, "text": "左 "}, {"text": ""}, {"text": "右"}], "more": None}
    (annotation,) = read_annotations(write(file, [record]), labelled=True)
    assert annotation == Annotation("0012", "题目", "", "左 右", "0103")
    assert annotation.fields == Fields(title="题目", ocr="左 右", asr="")


def test_unlabelled_files_need_no_class_and_give_none(file):
    without = {key: value for key, value in RECORD.items() if key != "category_id"}
    read = read_annotations(write(file, [without, RECORD | {"id": "2"}]), labelled=False)
    assert [annotation.category for annotation in read] == ["", ""]


@given(st.lists(st.tuples(TEXT, TEXT, st.lists(TEXT, max_size=3), st.integers(0, 9999)), max_size=4))
def test_reads_back_any_text(file, videos):
    records = [
        {"id": f"{number}", "title": title, "asr": asr, "ocr": [{"text": text} for text in ocr], "category_id": f"{category:04d}"}
        for number, (title, asr, ocr, category) in enumerate(videos)
    ]
    expected = [(f"{n}", title, asr, "".join(ocr), f"{category:04d}") for n, (title, asr, ocr, category) in enumerate(videos)]
    assert read_annotations(write(file, records), labelled=True) == expected


@pytest.mark.parametrize(("text", "read"), [("\ud83d", "�"), ("a\udc00b", "a�b"), ("\U0001f600", "\U0001f600")])
def test_half_a_character_is_replaced(file, text, read):
    assert read_annotations(write(file, [RECORD | {"title": text}]), labelled=True)[0].title == read


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*RECORD, "x"]), inner),
)


@given(st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_annotations_or_a_user_error(file, data):
    file.write_bytes(data)
    try:
        annotations = read_annotations(file, labelled=True)
    except UserError as error:
        assert str(error).startswith(str(file)) and "\n" not in str(error)
    else:
        assert all(len(annotation.category) == 4 and annotation.id for annotation in annotations)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": 12}, "record 1: id is 12; expected text"),
        ({"id": ""}, 'record 1: the id "" is no name of a file'),
        ({"id": "../x"}, 'record 1: the id "../x" is no name of a file'),
        ({"id": "1,2"}, "is no name of a file"),
        ({"id": "first"}, "record 1: id first is that of record 0, too"),
        ({"title": None}, "record 1, id 0012: title is null; expected text"),
        ({"ocr": "text"}, 'id 0012: ocr is "text"; expected a list'),
        ({"ocr": ["text"]}, r'id 0012: ocr\[0\] is "text"; expected an object with a text'),
        ({"ocr": [{"text": ""}, {"txt": ""}]}, r"id 0012, ocr\[1\]: the key 'text' is missing; the record has \[\"txt\"\]"),
        ({"category_id": 103}, "id 0012: category_id is 103; expected text"),
        ({"category_id": "103"}, 'id 0012: category_id is "103"; expected four digits'),
        ({"category_id": "0 03"}, "expected four digits"),
        ({"category_id": "体\ud83d"}, 'category_id is "体�"; expected four digits'),
        ({"category_id": "x" * 99}, r'category_id is "x{59}\.\.\.; expected four digits'),
    ],
)
def test_a_bad_record_is_named(file, change, message):
    with pytest.raises(RecordError, match=message) as caught:
        read_annotations(write(file, [RECORD | {"id": "first"}, RECORD | change]), labelled=True)
    assert str(caught.value).startswith(f"{file}, record 1")


@pytest.mark.parametrize("key", RECORD)
def test_a_missing_key_is_named(file, key):
    with pytest.raises(RecordError, match=f'record 0.*: the key {key!r} is missing; the record has ."'):
        read_annotations(write(file, [{other: RECORD[other] for other in RECORD if other != key}]), labelled=True)


@pytest.mark.parametrize(
    ("content", "message"), [({}, "a JSON list is needed, got dict"), ([3], "record 0: 3 is no object"), ([[]], "is no object")]
)
def test_another_shape(file, content, message):
    with pytest.raises(UserError, match=message):
        read_annotations(write(file, content), labelled=False)


def test_every_bad_record_is_refused_and_the_others_are_read(file):
    refused = []
    records = [RECORD | {"title": 7}, RECORD, RECORD, RECORD | {"id": "3"}, 5]
    found = read_annotations(write(file, records), labelled=True, refused=refused.append)
    assert [annotation.id for annotation in found] == ["0012", "3"]
    assert [str(error)[len(str(file)) :][:10] for error in refused] == [", record 0", ", record 2", ", record 4"]


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"labeled\.json: cannot be read: No such file or directory \("):
        read_annotations(tmp_path / "labeled.json", labelled=True)


@pytest.mark.skipif(not SHORT_VIDEO.is_dir(), reason="the short-video set is not here")
@pytest.mark.parametrize(("name", "videos"), [("unlabeled", 2200), ("labeled", 2600), ("test_a", 750), ("test_b", 750)])
def test_short_video_set(name, videos):
    read = read_annotations(SHORT_VIDEO / f"{name}.json", labelled=name == "labeled")
    assert len(read) == videos and {annotation.category != "" for annotation in read} == {name == "labeled"}

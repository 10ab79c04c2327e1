import gzip

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import RecordError, UserError
from vsim_tf.io.paths import records_pattern
from vsim_tf.records import tfrecords as records


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("records")


@given(contents=st.lists(st.binary(max_size=300), max_size=5))
def test_writes_what_tensorflow_writes(folder, contents):
    assert records.write_records(folder / "own", iter(contents)) == len(contents)
    with tf.io.TFRecordWriter(str(folder / "tensorflow")) as reference:
        for data in contents:
            reference.write(data)
    assert (folder / "own").read_bytes() == (folder / "tensorflow").read_bytes()


@given(contents=st.lists(st.binary(max_size=300), max_size=5))
def test_spans_and_reader_agree_with_the_content(folder, contents):
    path = folder / "read"
    records.write_records(path, contents)
    whole = path.read_bytes()
    offsets, lengths = records.record_spans(path)
    assert offsets.dtype == lengths.dtype == np.int64
    assert [whole[o : o + n] for o, n in zip(offsets, lengths, strict=True)] == contents
    assert list(records.read_records(path)) == list(zip(offsets, contents, strict=True))
    assert records.count_records(path) == len(contents)


@pytest.mark.parametrize("cut", [1, 4, 5, 15, 16, 20, 26])
def test_truncation_is_found_by_walk_and_reader(folder, cut):
    path = folder / "truncated"
    records.write_records(path, [b"first", b"0123456789"])  # 26 bytes the second
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) - cut])
    if cut == 26:  # at a record's boundary nothing shows it, which is why the manifest counts
        assert records.count_records(path) == 1
        return
    for function in (records.count_records, lambda p: list(records.read_records(p))):
        with pytest.raises(RecordError, match=f"{path}, record 1.*truncated"):
            function(path)


@pytest.mark.parametrize("position", range(21, 47))
def test_a_flipped_bit_is_found_wherever_it_is(folder, position):
    path = folder / "flipped"
    records.write_records(path, [b"first", b"0123456789"])
    whole = bytearray(path.read_bytes())
    whole[position] ^= 1
    path.write_bytes(whole)
    with pytest.raises(RecordError, match=f"{path}, record 1.*damaged"):
        list(records.read_records(path))


@pytest.mark.parametrize(
    ("positions", "read", "faults"),
    [
        ([12], [1, 2], ["record 0: the data does not match"]),  # the first byte of the first data
        ([12, 34], [2], ["record 0: the data does not match", "record 1: the data does not match"]),
        ([21], [0], ["record 1 (byte 21): no valid record starts here"]),
        ([42], [0, 1], ["record 2 (byte 42): no valid record starts here"]),
    ],
)
def test_sound_records_behind_a_damaged_one_are_found(folder, positions, read, faults):
    """Each record takes 21 bytes: 8 of its length, 4 and 4 of checksums, 5 of data. Behind damaged framing nothing is found."""
    path, contents = folder / "three", [b"first", b"again", b"third"]
    records.write_records(path, contents)
    whole = bytearray(path.read_bytes())
    for position in positions:
        whole[position] ^= 1
    path.write_bytes(whole)
    refused = []
    found = list(records.scan_records(path, refused.append))
    assert found == [(number, 21 * number + 12, contents[number]) for number in read]
    assert [str(error).removeprefix(f"{path}, ")[: len(fault)] for error, fault in zip(refused, faults, strict=True)] == faults


def test_a_text_file_is_no_record_file(folder):
    path = folder / "text"
    path.write_text("id_1\tid_2\t0.5\n")
    with pytest.raises(RecordError, match=r"record 0 .*not an uncompressed TFRecord"):
        records.count_records(path)


@pytest.mark.parametrize(
    ("start", "words"),
    [
        (b"\0\0\0\x20ftypisom\0\0", "looks like an MP4 or MOV video: the models read features of frames, not videos"),
        (b"\x1a\x45\xdf\xa3" + bytes(20), "a Matroska or WebM video: the models read features"),
        (b"\xff\xd8\xff\xe0" + bytes(20), "a JPEG picture: the models read features"),
        (gzip.compress(b"records" * 9, mtime=0), "a gzip file: unpack it first"),
        (b"no kind that is known", "TFRecord file (docs/data.md, How to write such files)"),
    ],
)
def test_what_a_file_looks_like_that_holds_no_records(tmp_path, start, words):
    (tmp_path / "clip").write_bytes(start)
    for function in (records.count_records, lambda p: list(records.read_records(p))):
        with pytest.raises(RecordError) as caught:
            function(tmp_path / "clip")
        assert f"{tmp_path / 'clip'}, record 0" in str(caught.value) and words in str(caught.value)
        assert "docs/data.md" in str(caught.value)


def test_a_pattern_that_matches_nothing_says_what_is_there(tmp_path):
    for name in "fgabcde":
        (tmp_path / name).touch()
    for pattern in (tmp_path / "*.tfrecords", tmp_path / "none/at/all/*.tfrecords"):
        with pytest.raises(UserError, match=rf"matches no file.*{tmp_path} holds 7: a, b, c, d, e, \.\.\.; docs/data.md"):
            records.expand_pattern(str(pattern))


def test_expand_pattern(folder, monkeypatch):
    (folder / "many").mkdir()
    for name in ("b.tfrecords", "a.tfrecords", "c[1].tfrecords"):
        (folder / "many" / name).write_bytes(b"x")
    monkeypatch.chdir(folder / "many")
    assert records.expand_pattern("*.tfrecords") == ["a.tfrecords", "b.tfrecords", "c[1].tfrecords"]
    assert records.expand_pattern("b.tfrecords,a.*,*.tfrecords") == ["a.tfrecords", "b.tfrecords", "c[1].tfrecords"]
    assert records.expand_pattern("c[1].tfrecords") == ["c[1].tfrecords"]


def test_a_path_that_exists_is_taken_as_it_is(folder, monkeypatch):
    """Also with characters of patterns in its folder, and with commas, alone or among others."""
    odd = folder / "a,b [1] *?'"
    odd.mkdir()
    for name in ("one.tfrecords", "two,2.tfrecords", "[3].tfrecords"):
        (odd / name).write_bytes(b"x")
    (folder / "a 1").mkdir()  # which the pattern would match
    (folder / "a 1/one.tfrecords").write_bytes(b"x")
    everything = sorted(str(path) for path in odd.iterdir())
    assert records.expand_pattern(records_pattern(odd)) == everything
    assert records.expand_pattern(",".join(map(str, odd.iterdir()))) == everything
    both = [f"{folder}/a 1/one.tfrecords", f"{odd}/one.tfrecords"]
    assert records.expand_pattern(f"{odd}/one.tfrecords,{folder}/a 1/*") == both
    assert records.split_paths(f"{odd}/two,2.tfrecords,none.zip,{odd}/one.tfrecords") == [
        f"{odd}/two,2.tfrecords", "none.zip", f"{odd}/one.tfrecords",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("missing.tfrecords", "matches no file"),
        ("a*,missing*", "'missing.*matches no file"),
        ("", "matches no file"),
        (".", "is a folder.*tfrecords'"),
        ("a.tfrecords,empty", "'empty' is empty"),
    ],
)
def test_expand_pattern_errors(folder, monkeypatch, pattern, message):
    (folder / "a.tfrecords").write_bytes(b"x")
    (folder / "empty").touch()
    monkeypatch.chdir(folder)
    with pytest.raises(UserError, match=message):
        records.expand_pattern(pattern)

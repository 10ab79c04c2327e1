import json
import stat
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.records.embeddings import (
    Embeddings,
    check_embeddings,
    read_embeddings,
    read_submission,
    write_embeddings,
    write_submission,
)

SHAPE = hnp.array_shapes(min_dims=2, max_dims=2, max_side=6)
FLOAT16_BITS = hnp.arrays(np.uint16, SHAPE, elements=st.integers(0, 65535))
VIDEO_ID = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


def embeddings(videos=3, dim=4, dtype=np.float16):
    values = np.random.default_rng(7).normal(size=(videos, dim)).astype(dtype)
    return Embeddings([str(10**18 + row) for row in range(videos)], values)


def write_zip(path, text='{"1": [0.5, 1]}', name="result.json", attributes=0, members=1):
    with zipfile.ZipFile(path, "w") as archive:
        for copy in range(members):
            member = zipfile.ZipInfo(name if copy == 0 else f"{copy}-{name}")
            member.external_attr = attributes
            archive.writestr(member, text)
    return path


@settings(max_examples=50, deadline=None)
@given(bits=FLOAT16_BITS, data=st.data())
def test_every_float16_and_id_survives_both_files(tmp_path_factory, bits, data):
    values = bits.view(np.float16)
    values = np.where(np.isfinite(values), values, np.float16(0))
    ids = data.draw(st.lists(VIDEO_ID, min_size=len(values), max_size=len(values), unique=True))
    folder = tmp_path_factory.mktemp("files")
    for write, read in ((write_submission, read_submission), (write_embeddings, read_embeddings)):
        write(folder / "file", Embeddings(ids, values))
        result = read(folder / "file")
        assert result.ids == ids
        np.testing.assert_array_equal(result.values, values.astype(np.float64), strict=read is read_submission)


def test_submission_is_one_deflated_member_of_plain_json(tmp_path):
    given_values = embeddings(dtype=np.float64)
    write_submission(tmp_path / "result.zip", given_values)
    with zipfile.ZipFile(tmp_path / "result.zip") as archive:
        (member,) = archive.infolist()
        content = json.loads(archive.read(member))
    assert (member.filename, member.compress_type) == ("result.json", zipfile.ZIP_DEFLATED)
    assert member.date_time == (1980, 1, 1, 0, 0, 0)
    assert list(content) == given_values.ids
    np.testing.assert_array_equal(list(content.values()), given_values.values.astype(np.float16).astype(np.float64))


def test_float64_is_written_unrounded(tmp_path):
    given_values = embeddings(dtype=np.float64)
    write_submission(tmp_path / "a.zip", given_values, dtype=np.float64)
    np.testing.assert_array_equal(read_submission(tmp_path / "a.zip").values, given_values.values)
    assert not np.array_equal(given_values.values, given_values.values.astype(np.float16))
    with pytest.raises(ValueError, match="float32"):
        write_submission(tmp_path / "a.zip", given_values, dtype=np.float32)


def test_same_embeddings_give_the_same_bytes(tmp_path):
    for name in ("a.zip", "b.zip"):
        write_submission(tmp_path / name, embeddings())
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def with_value(value):
    result = embeddings(dtype=np.float64)
    result.values[1, 2] = value
    return result


@pytest.mark.parametrize(
    "faulty, message",
    [
        (Embeddings(["1", "2", "1"], embeddings().values), "more than once: 1: 1$"),
        (Embeddings(["1", 2, "3"], embeddings().values), "must be text; are not: 1: 2$"),
        (Embeddings(["1", "2"], embeddings().values), r"2 ids with an array of shape \[3, 4\]"),
        (Embeddings(["1"], np.ones(1)), "shape"),
        (Embeddings([], np.ones((0, 4))), "no video"),
        (embeddings(dim=257), "257 dimensions; accepted are 1 to 256"),
        (Embeddings(["1"], np.ones((1, 0))), "0 dimensions"),
        (with_value(np.nan), "not finite.*1: 1000000000000000001$"),
        (with_value(-np.inf), "not finite"),
        (with_value(65520.0), "65504"),
    ],
)
def test_unacceptable_embeddings_leave_what_was_there(tmp_path, faulty, message):
    for write, name in ((write_submission, "a.zip"), (write_embeddings, "a.npz")):
        (tmp_path / name).write_text("before")
        with pytest.raises(UserError, match=message) as error:
            write(tmp_path / name, faulty)
        assert name in str(error.value)
        assert (tmp_path / name).read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2


def test_limits_themselves_are_accepted():
    check_embeddings(with_value(65504.0), "a")
    check_embeddings(embeddings(dim=256), "a")


def test_ids_of_the_test_set_must_all_be_there(tmp_path):
    given_values = embeddings(3)
    write_submission(tmp_path / "a.zip", given_values, expected_ids=reversed(given_values.ids))
    with pytest.raises(UserError, match="missing 6: a, b, c, d, e, ...; extra 1: 1000000000000000002$"):
        write_submission(tmp_path / "b.zip", given_values, expected_ids=[*given_values.ids[:2], *"abcdef"])
    assert not (tmp_path / "b.zip").exists()


def test_makes_the_folder_and_says_if_it_cannot(tmp_path):
    write_submission(tmp_path / "new" / "a.zip", embeddings())
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["a.zip"]
    for write in (write_submission, write_embeddings):
        with pytest.raises(UserError, match="b: cannot be written: File exists"):
            write(tmp_path / "new" / "a.zip" / "b", embeddings())


def test_reads_the_fold_zips_of_2021(tmp_path):
    result = read_submission(write_zip(tmp_path / "a.zip", name="10fold_b_json/10fold_1_mix.json"))
    assert result.ids == ["1"]
    np.testing.assert_array_equal(result.values, np.array([[0.5, 1.0]]), strict=True)


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"1": [0.5], "1": [0.5]}', "more than once"),
        ('{"1": [NaN]}', "NaN"),
        ('{"1": [-Infinity]}', "Infinity"),
        ('{"1": [1e999]}', "not finite"),
        ('{"1": [70000]}', "65504"),
        (f'{{"1": [1{"0" * 400}]}}', "not a readable"),
        ('{"1": [0.5], "2": [0.5, 1]}', "id 2 has 2 numbers, those before it 1"),
        ('{"1": ["0.5"]}', "id 1 is not a list of numbers"),
        ('{"1": [true]}', "id 1 is not a list of numbers"),
        ('{"1": [null]}', "id 1 is not a list of numbers"),
        ('{"1": [[0.5]]}', "id 1 is not a list of numbers"),
        ('{"1": {"0.5": 1}}', "id 1 is not a list of numbers"),
        ('{"1": 0.5}', "id 1 is not a list of numbers"),
        ('[["1", [0.5]]]', "not an object"),
        ('{"1": []}', "0 dimensions"),
        ("{}", "no video"),
        ('{"1": [0.5]', "not a readable"),
        ("[" * 200_000, "not a readable"),
        (b'{"\xff": [0.5]}', "not a readable"),
        ("", "not a readable"),
    ],
)
def test_refuses_bad_json(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        read_submission(write_zip(tmp_path / "bad.zip", text))
    assert "bad.zip" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"name": "/result.json"}, "outside"),
        ({"name": "../result.json"}, "outside"),
        ({"name": "a/../../result.json"}, "outside"),
        ({"name": "C:\\result.json"}, "outside"),
        ({"name": "..\\result.json"}, "outside"),
        ({"name": "result.txt"}, "accepted is result.json"),
        ({"name": "folder.json/"}, "accepted is result.json"),
        ({"attributes": (stat.S_IFLNK | 0o777) << 16}, "symbolic link"),
        ({"members": 2}, "2 members"),
        ({"members": 0}, "0 members"),
    ],
)
def test_refuses_unexpected_members(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        read_submission(write_zip(tmp_path / "bad.zip", **arguments))


def test_refuses_other_packing_and_large_members(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("result.json", '{"1": [0.5]}')
    with pytest.raises(UserError, match="packed by method 14"):
        read_submission(tmp_path / "a.zip")
    write_submission(tmp_path / "b.zip", Embeddings(["1"], np.zeros((1, 256))))
    assert (tmp_path / "b.zip").stat().st_size < 500
    with pytest.raises(UserError, match="unpacks to 1287 bytes; accepted are at most 1000"):
        read_submission(tmp_path / "b.zip", max_bytes=1000)


def test_a_zip_that_lies_about_its_size_is_not_unpacked_beyond_it(tmp_path):
    text = json.dumps({"1": [0.0] * 256}) + " " * 10**6
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("result.json", text)
    content = (tmp_path / "bomb.zip").read_bytes()
    size = len(text).to_bytes(4, "little")
    assert content.count(size) == 2  # before the data, and in the directory at the end
    (tmp_path / "bomb.zip").write_bytes(content.replace(size, (2000).to_bytes(4, "little")))
    with pytest.raises(UserError, match="bomb.zip: not a readable submission zip: Bad CRC-32"):
        read_submission(tmp_path / "bomb.zip", max_bytes=2000)


def test_refuses_large_arrays(tmp_path):
    np.savez_compressed(tmp_path / "bomb.npz", ids=np.array(["1"]), embeddings=np.zeros((1, 10**6), np.float16))
    assert (tmp_path / "bomb.npz").stat().st_size < 5000
    with pytest.raises(UserError, match="bomb.npz: its arrays unpack to 2000260 bytes; accepted are at most 10000"):
        read_embeddings(tmp_path / "bomb.npz", max_bytes=10_000)


@pytest.mark.parametrize("write, read", [(write_submission, read_submission), (write_embeddings, read_embeddings)])
def test_any_cut_or_changed_file_is_refused_or_read_whole(tmp_path, write, read):
    original, damaged = tmp_path / "whole", tmp_path / "damaged"
    write(original, embeddings())
    content, expected = original.read_bytes(), read(original)
    for size in range(len(content)):
        damaged.write_bytes(content[:size])
        with pytest.raises(UserError, match="damaged"):
            read(damaged)
    for position in range(len(content)):
        damaged.write_bytes(content[:position] + bytes([content[position] ^ 0x5A]) + content[position + 1 :])
        try:
            result = read(damaged)
        except UserError as error:
            assert "damaged" in str(error)
        else:
            assert result.ids == expected.ids
            np.testing.assert_array_equal(result.values, expected.values)


@pytest.mark.parametrize("read", [read_submission, read_embeddings])
def test_names_a_missing_file(tmp_path, read):
    with pytest.raises(UserError, match="gone.*No such file"):
        read(tmp_path / "gone")
    with pytest.raises(UserError, match="directory"):
        read(tmp_path)


@pytest.mark.parametrize(
    "arrays",
    [
        {"ids": np.array(["1"])},
        {"ids": np.array(["1"]), "embeddings": np.array([[1]])},
        {"ids": np.array([1]), "embeddings": np.array([[1.0]])},
        {"ids": np.array([["1"]]), "embeddings": np.array([[1.0]])},
        {"ids": np.array(["1", "2"]), "embeddings": np.array([[1.0]])},
        {"ids": np.array(["1", "1"]), "embeddings": np.array([[1.0], [2.0]])},
        {"ids": np.array(["1"], dtype=object), "embeddings": np.array([[1.0]])},
        {"ids": np.array(["1"]), "embeddings": np.array([[np.nan]])},
    ],
)
def test_refuses_other_npz_files(tmp_path, arrays):
    np.savez(tmp_path / "bad.npz", allow_pickle=True, **arrays)
    with pytest.raises(UserError, match="bad.npz"):
        read_embeddings(tmp_path / "bad.npz")


def test_refuses_npy_and_ids_that_numpy_would_change(tmp_path):
    np.save(tmp_path / "bad.npy", np.ones((2, 2)))
    with pytest.raises(UserError, match="bad.npy"):
        read_embeddings(tmp_path / "bad.npy")
    with pytest.raises(UserError, match="NUL"):
        write_embeddings(tmp_path / "a.npz", Embeddings(["1\0"], np.ones((1, 2))))


def test_count_and_first():
    assert count_and_first(["a"]) == "1: a"
    assert count_and_first("abcde") == "5: a, b, c, d, e"
    assert count_and_first("abcdef") == "6: a, b, c, d, e, ..."

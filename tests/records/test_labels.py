import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.labels import Pair, find_repetitions, read_labels

IDS = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=1, max_size=20)


@pytest.fixture(scope="module")
def label_file(tmp_path_factory):
    return tmp_path_factory.mktemp("labels") / "label.tsv"


def test_ids_stay_strings(label_file):
    label_file.write_bytes(b"007\t9223372036854775808\t0.35\n1\t2\t1\n")
    assert read_labels(label_file) == [Pair("007", "9223372036854775808", 0.35), Pair("1", "2", 1.0)]


@given(pairs=st.lists(st.tuples(IDS, IDS, st.floats(0, 1)), min_size=1), ends_with_line_feed=st.booleans())
def test_reads_back_what_was_written(label_file, pairs, ends_with_line_feed):
    text = "\n".join(f"{a}\t{b}\t{score!r}" for a, b, score in pairs) + "\n" * ends_with_line_feed
    label_file.write_bytes(text.encode("utf-8"))
    assert read_labels(label_file) == pairs


@given(data=st.binary(max_size=60))
def test_any_bytes_give_valid_pairs_or_a_user_error(label_file, data):
    label_file.write_bytes(data)
    try:
        pairs = read_labels(label_file)
    except UserError as error:
        assert str(label_file) in str(error)
    else:
        assert pairs and all(0 <= pair.similarity <= 1 and pair.id_1 and pair.id_2 for pair in pairs)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "blank line"),
        (b"  ", "blank line"),
        (b"3\t4", "2 tab-separated columns"),
        (b"3\t4\t0.5\t6", "4 tab-separated columns"),
        (b"3 4 0.5", "1 tab-separated columns"),
        (b"3\t4\tsimilarity", "'similarity'; expected a number"),
        (b"3\t4\tnan", "'nan'; expected a number"),
        (b"3\t4\tinf", "'inf'; expected a number"),
        (b"3\t4\t1e999", "'1e999'; expected a number"),
        (b"3\t4\t0_1", "'0_1'; expected a number"),
        (b"3\t4\t 0.5", "' 0.5'; expected a number"),
        (b"3\t4\t", "''; expected a number"),
        (b"3\t4\t1.01", "1.01; expected a number from 0 to 1"),
        (b"3\t4\t-0.05", "-0.05; expected a number from 0 to 1"),
        (b"\t4\t0.5", "the id ''"),
        (b"3\t4 \t0.5", "the id '4 '"),
        (b"3\t4\t0.5\r", "carriage return"),
        (b"3\t\xff\t0.5", "b'3\\t\\xff\\t0.5' has a byte 0xff that is not UTF-8"),
    ],
)
def test_bad_line_is_named_with_its_number(label_file, line, message):
    label_file.write_bytes(b"1\t2\t0.5\n" + line + b"\n5\t6\t1\n")
    with pytest.raises(UserError) as caught:
        read_labels(label_file)
    assert f"{label_file}, line 2" in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf1\t2\t0.5\n", r"line 1: .*1.t2.t0.5' starts with a byte order mark"),
        (b"1\t2\t0.5\r\n3\t4\t0.5\r\n", "CRLF"),
    ],
)
def test_bad_file(label_file, data, message):
    label_file.write_bytes(data)
    with pytest.raises(UserError, match=message):
        read_labels(label_file)


def test_missing_file(tmp_path):
    (tmp_path / "labels.tsv").touch()
    (tmp_path / ".hidden").touch()
    with pytest.raises(UserError, match=r"cannot be read: No such file .*holds 1: labels.tsv; docs/data.md has the files"):
        read_labels(tmp_path / "label.tsv")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (["0", "2.5", "5"], "0.0 to 5.0"),
        (["1", "3", "4"], "1.0 to 4.0"),
        (["-1", "0.5", "1"], "-1.0 to 1.0"),
        (["-3"], "-3.0 to -3.0"),
    ],
)
def test_scores_of_another_scale_come_with_the_command_that_scales_them(tmp_path, scores, said):
    path = tmp_path / "label's.tsv"
    path.write_text("".join(f"{i}\t{i + 1}\t{score}\n" for i, score in enumerate(scores)))
    with pytest.raises(UserError, match=f"The file has {said}; to scale it: awk") as caught:
        read_labels(path)
    command = str(caught.value).partition("to scale it: ")[2]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    values = [float(score) for score in scores]
    low, high = min(0.0, *values), max(0.0, *values)
    scaled = read_labels(tmp_path / "scaled.tsv")
    assert [pair.similarity for pair in scaled] == pytest.approx([(value - low) / (high - low) for value in values])
    assert [pair[:2] for pair in scaled] == [(str(i), str(i + 1)) for i in range(len(scores))]


def test_repetitions_and_conflicts():
    pairs = [Pair("a", "b", 0.5), Pair("c", "d", 1.0), Pair("a", "b", 0.5), Pair("d", "c", 1.0), Pair("e", "e", 0.0)]
    assert find_repetitions(pairs) == (1, 1, {})
    assert find_repetitions(pairs[:2]) == (0, 0, {})
    more = [Pair("b", "a", 0.1), Pair("a", "b", 0.9), Pair("e", "e", 1.0)]
    assert find_repetitions(pairs + more) == (3, 2, {("a", "b"): [0.1, 0.5, 0.9], ("e", "e"): [0.0, 1.0]})

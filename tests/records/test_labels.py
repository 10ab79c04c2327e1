import logging
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import UserError
from vsim_tf.records.labels import Pair, Scale, find_repetitions, parse_scale, read_labels, scan_labels, write_labels

ROOT = Path(__file__).parents[2]

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
        (b"3\t4\r\t0.5", "carriage return"),
        (b"3\t\xff\t0.5", "b'3\\t\\xff\\t0.5' has a byte 0xff that is not UTF-8"),
    ],
)
def test_bad_line_is_named_with_its_number(label_file, line, message):
    label_file.write_bytes(b"1\t2\t0.5\n" + line + b"\n5\t6\t1\n")
    with pytest.raises(UserError) as caught:
        read_labels(label_file)
    assert f"{label_file}, line 2" in str(caught.value) and message in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
def test_an_empty_file(label_file, data):
    label_file.write_bytes(data)
    with pytest.raises(UserError, match="the file is empty"):
        read_labels(label_file)


@given(
    pairs=st.lists(st.tuples(IDS.filter(lambda text: "," not in text), IDS, st.floats(0, 1)), min_size=1),
    header=st.booleans(),
    separator=st.sampled_from("\t,"),
)
def test_a_spreadsheet_s_mark_and_line_ends_change_nothing(label_file, pairs, header, separator):
    pairs = [Pair(a, b.replace(",", "x"), score) for a, b, score in pairs]
    lines = ["id_1\tid_2\tscore"] * header + [f"{a}\t{b}\t{score!r}" for a, b, score in pairs]
    for start in ("", "\ufeff"):
        for end in ("\n", "\r\n"):
            text = end.join(lines).replace("\t", separator)
            for last in ("", end):
                label_file.write_bytes((start + text + last).encode())
                assert read_labels(label_file) == pairs


@pytest.mark.parametrize("header", ["", "video_1;video_2;score\r\n"])
def test_semicolons_and_decimal_commas_of_a_spreadsheet(label_file, header):
    label_file.write_bytes(("\ufeff" + header + "a;b;3,8\r\na;c;4\r\nb;c;,5\r\na;d;2.5\r\n").encode())
    pairs = read_labels(label_file, Scale(0, 5))
    assert pairs == [Pair("a", "b", 3.8 / 5), Pair("a", "c", 0.8), Pair("b", "c", 0.1), Pair("a", "d", 0.5)]


@pytest.mark.parametrize("line", ["a;b;1,2,3", "a;b;1,234.5", "a;b;,", "a;b;"])
def test_other_commas_between_semicolons_are_refused(label_file, line):
    label_file.write_text(f"a;c;1\n{line}\n")
    with pytest.raises(UserError, match="expected a number"):
        read_labels(label_file)


def test_a_decimal_comma_between_tabs_is_refused_as_it_may_be_another_one(label_file):
    label_file.write_text("a\tb\t0,8\n")
    with pytest.raises(UserError, match="the similarity '0,8'; expected a number with a decimal point"):
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
    with pytest.raises(UserError, match=f"The file has {said}; to scale it: python write_labels.py") as caught:
        read_labels(path)
    command = in_flags(caught.value).partition("to scale it: ")[2]
    command = command.replace("python write_labels.py", f"{sys.executable} {ROOT / 'write_labels.py'}")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    values = [float(score) for score in scores]
    low, high = min(0.0, *values), max(0.0, *values)
    scaled = read_labels(tmp_path / "scaled.tsv")
    assert [pair.similarity for pair in scaled] == pytest.approx([(value - low) / (high - low) for value in values])
    assert [pair[:2] for pair in scaled] == [(str(i), str(i + 1)) for i in range(len(scores))]


@pytest.mark.parametrize(
    ("text", "pairs", "said"),
    [
        (
            "id_1\tid_2\tsimilarity\na\tb\t1\n",
            [("a", "b", 1.0)],
            "tabs between the columns, the header 'id_1\\tid_2\\tsimilarity'",
        ),
        ("视频\t视频\t相似度\na\tb\t1\n", [("a", "b", 1.0)], "the header"),
        ("a,b,0.5\nc,d,1\n", [("a", "b", 0.5), ("c", "d", 1.0)], "commas between the columns"),
        ("x,y,score\na,b,0.5\n", [("a", "b", 0.5)], "commas between the columns, the header 'x,y,score' left out"),
        ("a,b\tc,d\t0.5\n", [("a,b", "c,d", 0.5)], ""),
    ],
)
def test_headers_and_commas_are_said_once(tmp_path, caplog, text, pairs, said):
    path = tmp_path / "label.tsv"
    path.write_text(text, encoding="utf-8")
    with caplog.at_level(logging.INFO, "vsim_tf"):
        assert read_labels(path) == read_labels(path) == pairs
    assert len(caplog.messages) == bool(said)
    assert said in "".join(caplog.messages)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id_1\tid_2\tsimilarity\n", "line 1: .* is a header, and no line follows"),
        ("a\tb\tnan\nc\td\t1\n", "line 1: .*'nan'; expected a number"),
        ("a\tb\t?\nc\td\t1\n", "line 1: .*'[?]'; expected a number"),
        ("a\tb\tscore\nc\td\tscore\n", "line 2: .*'score'; expected a number"),
        ("a,b,1\nc,d\n", "line 2: 'c,d' has 2 comma-separated columns"),
        ("a,b,c,1\n", "line 1: .* has 1 tab-separated columns"),
    ],
)
def test_what_is_no_header_and_no_pair(tmp_path, text, message):
    path = tmp_path / "label.tsv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        read_labels(path)


@pytest.mark.parametrize(
    ("scale", "score", "similarity"),
    [("0:5", 3, 0.6), ("1:5", 2, 0.25), ("-1:1", 0, 0.5), ("10:0", 2.5, 0.75), ("0:1", 0.35, 0.35), ("0:1e2", 7, 0.07)],
)
def test_scores_of_a_scale(scale, score, similarity):
    """(score - nothing) / (same - nothing), e.g. (2 - 1) / (5 - 1)."""
    assert parse_scale(scale).similarity(score) == pytest.approx(similarity, abs=1e-15)


@pytest.mark.parametrize("text", ["", "5", "0:5:1", "1:1", "a:b", "0:nan", "0:inf", "0:1e999", "-1e308:1e308", " 0:5"])
def test_what_is_no_scale(text):
    with pytest.raises(UserError, match="scale=.*e.g. 0:5"):
        parse_scale(text)


def test_scores_outside_of_a_scale_are_named_with_their_lines(label_file):
    label_file.write_text("a\tb\t5.5\nc\td\t0\ne\tf\t-1\ng\th\t10\n")
    with pytest.raises(UserError, match="line 1: .* from 0 to 5. The file has -1.0 to 10.0 .scale=0:5"):
        read_labels(label_file, Scale(0, 5))
    refused = []
    assert list(scan_labels(label_file, Scale(10, 0), refused.append)) == [
        (1, Pair("a", "b", 0.45)), (2, Pair("c", "d", 1.0)), (4, Pair("g", "h", 0.0)),
    ]  # fmt: skip
    assert [str(error).partition(": ")[0] for error in refused] == [f"{label_file}, line 3"]


def test_every_bad_line_is_refused_and_the_others_are_read(label_file):
    label_file.write_text("a\tb\t5\nc\td\ne\tf\t0.5\n\tg\t1\nh\ti\t2\n")
    refused = []
    assert [number for number, _ in scan_labels(label_file, refused=refused.append)] == [3]
    assert sorted(int(str(error).split("line ")[1][0]) for error in refused) == [1, 2, 4, 5]
    assert sum("to scale it" in str(error) for error in refused) == 1


@given(pairs=st.lists(st.tuples(IDS, IDS, st.floats(0, 1)), min_size=1))
def test_what_is_written_is_read(label_file, pairs):
    write_labels(label_file, [Pair(*pair) for pair in pairs])
    assert read_labels(label_file) == pairs


def test_repetitions_and_conflicts():
    pairs = [Pair("a", "b", 0.5), Pair("c", "d", 1.0), Pair("a", "b", 0.5), Pair("d", "c", 1.0), Pair("e", "e", 0.0)]
    assert find_repetitions(pairs) == (1, 1, {})
    assert find_repetitions(pairs[:2]) == (0, 0, {})
    more = [Pair("b", "a", 0.1), Pair("a", "b", 0.9), Pair("e", "e", 1.0)]
    assert find_repetitions(pairs + more) == (3, 2, {("a", "b"): [0.1, 0.5, 0.9], ("e", "e"): [0.0, 1.0]})

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.records.tags import category_tag, read_tag_list, with_categories
from vsim_tf.records.tfrecords import write_records
from vsim_tf.records.videos import video_record

CONTEST = Path(__file__).parents[2].parent / "shared/contest/tag_list.txt"


@pytest.fixture(scope="module")
def tag_file(tmp_path_factory):
    return tmp_path_factory.mktemp("tags") / "tag_list.txt"


def test_numeric_order_without_repetition(tag_file):
    tag_file.write_text("100\n20\tname\n3\n20\n")
    tags = read_tag_list(tag_file)
    assert tags.tolist() == [3, 20, 100] and tags.dtype == np.int64


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_every_integer_of_64_bits(tag_file, tags):
    tag_file.write_text("".join(f"{tag}\n" for tag in tags))
    assert read_tag_list(tag_file).tolist() == sorted(set(tags))


@pytest.mark.parametrize("line", ["", "tag", "1.5", "9223372036854775808", "1_0", "\t5", " 5", "5\r"])
def test_bad_line_is_named_with_its_number(tag_file, line):
    tag_file.write_bytes(f"1\n2\n{line}\n".encode())
    with pytest.raises(UserError, match=f"{tag_file}, line 3"):
        read_tag_list(tag_file)


def test_every_bad_line_is_refused_and_the_others_are_read(tag_file):
    tag_file.write_text("a\n1\nb\n2\n")
    refused = []
    assert read_tag_list(tag_file, refused.append).tolist() == [1, 2]
    assert [str(error).partition(":")[0] for error in refused] == [f"{tag_file}, line {number}" for number in (1, 3)]


def test_contest_file():
    if not CONTEST.exists():
        pytest.skip("the contest data is not here")
    assert len(read_tag_list(CONTEST)) == 573


def test_categories_are_tags_below_zero(tmp_path):
    frames = np.zeros((1, 2), np.float16)
    records = [video_record(str(n), "天", frames, tags=[5], category=category) for n, category in enumerate([3, None, 0, 3])]
    write_records(tmp_path / "videos.tfrecords", records)
    found = with_categories(np.array([5, 9]), [str(tmp_path / "videos.tfrecords")])
    assert found.tolist() == [category_tag(3), category_tag(0), 5, 9] == [-4, -1, 5, 9] and found.dtype == np.int64


def test_tags_that_may_be_categories_are_refused():
    with pytest.raises(UserError, match="tag -2 of the tag list: tags from 0 on are needed"):
        with_categories(np.array([-2, 9]), [])

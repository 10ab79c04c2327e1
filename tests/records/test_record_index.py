"""Records are read by number, from any file and in any order."""

import numpy as np
import pytest
import toys
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import RecordError, UserError
from vsim_tf.records.record_index import RecordIndex

CONTENTS = [[b"a0", b"a1" * 500, b""], [], [b"c0"], [b"d0" * 3, b"d1"]]
RECORDS = [record for contents in CONTENTS for record in contents]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("records")
    return [toys.write_records(folder / name, contents) for name, contents in zip("abcd", CONTENTS, strict=True)]


@given(numbers=st.lists(st.integers(0, len(RECORDS) - 1), max_size=9))
def test_records_come_in_the_order_asked_for(files, numbers):
    assert RecordIndex(files).read(np.array(numbers, np.int64)) == [RECORDS[number] for number in numbers]


def test_places_and_sizes(files):
    index = RecordIndex(files)
    assert len(index) == 6 and index.sizes.tolist() == [len(record) for record in RECORDS]
    places = {0: (0, 0), 2: (0, 2), 3: (2, 0), 4: (3, 0), 5: (3, 1)}
    for number, (file, inside) in places.items():
        assert index.where(number) == f"{files[file]}, record {inside}"


def test_no_records(files):
    with pytest.raises(UserError, match=f"{files[1]}: no records"):
        RecordIndex([files[1]])


@pytest.mark.parametrize("damage", ["flipped", "shorter"])
def test_damage_after_the_start_is_found_when_it_is_read(tmp_path, damage):
    file = tmp_path / "records"
    toys.write_records(file, [b"first", b"0123456789"])
    index, content = RecordIndex([str(file)]), bytearray(file.read_bytes())
    content[-6] ^= 1
    file.write_bytes(content if damage == "flipped" else content[:-6])
    assert index.read(np.array([0])) == [b"first"]
    with pytest.raises(RecordError, match=f"{file}, record 1.*{'checksum' if damage == 'flipped' else 'truncated'}"):
        index.read(np.array([0, 1]))

"""Records without TensorFlow are those of `tf.train.Example`, to the byte and with the same bytes refused."""

import subprocess
import sys

import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.records.example import Example

VALUES = st.one_of(
    st.tuples(st.just("bytes_list"), st.lists(st.binary(max_size=5), max_size=3)),
    st.tuples(st.just("int64_list"), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3)),
    st.tuples(st.just("float_list"), st.lists(st.floats(width=32), max_size=3)),
)


def built(example, features):
    for key, (kind, values) in features.items():
        feature = getattr(example.features.feature[key], kind)
        feature.SetInParent()
        feature.value.extend(values)
    return example


@given(features=st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_the_same_bytes_are_written_and_read(features):
    data = built(tf.train.Example(), features).SerializeToString(deterministic=True)
    assert built(Example(), features).SerializeToString(deterministic=True) == data
    read = Example.FromString(data)
    assert read.SerializeToString(deterministic=True) == data
    for key, (kind, _) in features.items():
        assert read.features.feature[key].WhichOneof("kind") == kind


def outcome(message, data: bytes) -> bytes | None:
    try:
        return message.FromString(data).SerializeToString(deterministic=True)
    except DecodeError:
        return None


WHOLE = built(tf.train.Example(), {"id": ("bytes_list", [b"7"]), "tag_id": ("int64_list", [3, -1])}).SerializeToString()


@given(
    data=st.one_of(
        st.binary(max_size=40),
        st.tuples(st.integers(0, len(WHOLE)), st.binary(max_size=3)).map(lambda cut: WHOLE[: cut[0]] + cut[1] + WHOLE[cut[0] :]),
    )
)
def test_any_bytes_are_read_or_refused_alike(data):
    assert outcome(Example, data) == outcome(tf.train.Example, data)


@pytest.mark.parametrize("module", ["records.videos", "input.decoding", "records.fold_writer"])
def test_records_are_read_without_tensorflow(module):
    code = f"import sys, vsim_tf.{module}; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0

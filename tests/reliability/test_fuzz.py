"""Every file and flag that is parsed, given anything at all: a result or a `UserError` that names it, never another exception.

The quick tests always try the same inputs, the slow ones new ones each time.
"""

import contextlib
import copy
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from parsed_files import JSON_FILES, PARSERS, Parser, read_batches, read_pairs, read_videos

from vsim_tf.cli import flags
from vsim_tf.cli.ensemble import model_weights
from vsim_tf.ensemble.combine import check_weights
from vsim_tf.errors import UserError
from vsim_tf.records.tfrecords import read_records

QUICK, SLOW = 25, 500


# --- what is tried ----------------------------------------------------------------------------------------------------


@st.composite
def damaged(draw, whole: bytes) -> bytes:
    """A file in which bytes were changed, cut out, repeated or put in, or one of any other bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start, length = draw(st.integers(0, len(data))), draw(st.integers(0, 12))
        new = draw(st.one_of(st.binary(max_size=12), st.just(bytes(data[start : start + length]) * 2), st.just(b"")))
        data[start : start + draw(st.sampled_from([0, 1, length, len(data)]))] = new
    return bytes(data)


JSON_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([10**30, -1, "../a", "a" * 300]),
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=3,
)


@st.composite
def altered(draw, whole: Any) -> Any:
    """A JSON value in which a few parts, however deep, were replaced, removed or added."""
    value = copy.deepcopy(whole)
    for _ in range(draw(st.integers(1, 2))):
        part, key = {"": value}, ""
        while isinstance(part[key], dict | list) and part[key] and draw(st.integers(0, 3)):
            part = part[key]
            key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        change = draw(st.sampled_from(["replace", "remove", "add"]))
        if change == "remove" and part is not value and key != "":
            del part[key]
        elif change == "add" and isinstance(part, dict) and key != "":
            part[draw(st.text(max_size=5))] = draw(JSON_VALUES)
        elif key == "":
            value = draw(JSON_VALUES)
        else:
            part[key] = draw(JSON_VALUES)
    return value


def features(suffixes: str) -> st.SearchStrategy[bytes]:
    """Examples with keys of the format and values of any kind and number."""
    names = [key + suffix for suffix in suffixes for key in ("id", "title", "frame_feature", "tag_id", "asr_text", "category_id")]
    frame = st.sampled_from([np.ones(toys.DIM, "<f2").tobytes(), np.full(toys.DIM, np.nan, "<f2").tobytes(), b"", b"123"])
    kinds = st.one_of(
        st.lists(st.one_of(frame, st.binary(max_size=4), st.just("天".encode())), max_size=3),
        st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
        st.lists(st.floats(width=32), max_size=3),
        st.none(),
    )
    return st.dictionaries(st.sampled_from([*names, "sim", "more"]), kinds, max_size=5).map(dict)


def changed_example(record: bytes, changes: dict[str, Any]) -> bytes:
    example = tf.train.Example.FromString(record)
    for key, values in changes.items():
        feature = example.features.feature[key]
        feature.Clear()
        if values is None:
            del example.features.feature[key]
        elif values:
            kind = {bytes: feature.bytes_list, int: feature.int64_list, float: feature.float_list}[type(values[0])]
            kind.value.extend(value for value in values if isinstance(value, type(values[0])))
    return example.SerializeToString()


def examples(tried: list[int], count: int, strategy: st.SearchStrategy, check: Callable[[Any], None]):
    """Calls `check` with `count` values; quick tests always take the same ones."""

    @settings(max_examples=count, derandomize=count <= QUICK, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(value):
        tried.append(1)
        check(value)

    run()


def result_or_user_error(parser: Parser, folder: Path):
    try:
        parser.read(folder)
    except UserError as error:
        assert str(folder) in str(error), error


COUNTS = [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)]
BATCH_COUNTS = [QUICK // 4, pytest.param(SLOW // 10, marks=pytest.mark.slow)]
"""Of what goes through TensorFlow's pipeline, which takes a tenth of a second to set up."""
BYTES = [
    pytest.param(name, *count.values, marks=count.marks) if hasattr(count, "values") else (name, count)
    for name in PARSERS
    for count in (BATCH_COUNTS if "records" in name else COUNTS)
]


@pytest.fixture
def tried(request, record_property):
    """One entry per input; their number is noted."""
    inputs: list[int] = []
    yield inputs
    assert inputs
    record_property("inputs", len(inputs))
    print(f"inputs tried: {len(inputs):,}")


@pytest.mark.parametrize(("name", "count"), BYTES)
def test_damaged_bytes(tmp_path, tried, name, count):
    parser = PARSERS[name]
    parser.make(tmp_path)
    whole = (tmp_path / parser.file).read_bytes()
    parser.read(tmp_path)

    def check(data: bytes):
        (tmp_path / parser.file).write_bytes(data)
        result_or_user_error(parser, tmp_path)

    examples(tried, count, damaged(whole), check)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", JSON_FILES)
def test_json_with_other_values(tmp_path, tried, name, count):
    parser = PARSERS[name]
    parser.make(tmp_path)
    whole = json.loads((tmp_path / parser.file).read_bytes())

    def check(value: Any):
        (tmp_path / parser.file).write_text(json.dumps(value))
        result_or_user_error(parser, tmp_path)

    examples(tried, count, altered(whole), check)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ["report", "page", "training"])
def test_lines_with_other_values(tmp_path, tried, name, count):
    parser = PARSERS[f"metrics.jsonl, {name}"]
    parser.make(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]

    def check(values: list):
        (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))
        result_or_user_error(parser, tmp_path)

    examples(tried, count, altered(lines).filter(lambda values: isinstance(values, list)), check)


@pytest.mark.parametrize("count", BATCH_COUNTS)
@pytest.mark.parametrize("kind", ["videos", "pairs"])
def test_records_with_other_features(tmp_path, tried, kind, count):
    record = {"videos": toys.random_videos, "pairs": toys.random_pairs}[kind](3)[2]
    parser = Parser("a.tfrecords", None, read_batches if kind == "videos" else read_pairs)

    def check(changes: dict):
        toys.write_records(tmp_path / "a.tfrecords", [record, changed_example(record, changes)])
        result_or_user_error(parser, tmp_path)

    examples(tried, count, features({"videos": [""], "pairs": ["_1", "_2"]}[kind]), check)


FRAMING = st.lists(st.binary(max_size=40), max_size=4)


@pytest.mark.parametrize("count", BATCH_COUNTS)
def test_records_of_any_content(tmp_path, tried, count):
    """Sound framing around bytes that are no Example."""

    def check(contents: list[bytes]):
        toys.write_records(tmp_path / "a.tfrecords", contents)
        assert [data for _, data in read_records(tmp_path / "a.tfrecords")] == contents
        for read in (read_batches, read_pairs, read_videos):
            result_or_user_error(Parser("a.tfrecords", None, read), tmp_path)

    examples(tried, count, FRAMING, check)


@pytest.mark.parametrize("count", COUNTS)
def test_submissions_of_any_json(tmp_path, tried, count):
    whole = {"1": [0.5, 1], "天": [2, -3.25]}

    def check(value: Any):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("result.json", json.dumps(value))
        result_or_user_error(PARSERS["submission zip"], tmp_path)

    examples(tried, count, altered(whole), check)


NPZ_ARRAYS = st.dictionaries(
    st.sampled_from(["ids", "embeddings", "more"]),
    st.sampled_from(
        [
            np.array(["1", "2"]), np.array([b"1"]), np.array([1, 2]), np.array(["1", "1"]), np.zeros((2, 3), np.float16),
            np.zeros((2, 3)), np.zeros(2), np.zeros((0, 3)), np.zeros((2, 0)), np.full((2, 3), np.inf), np.array(None, object),
            np.zeros((2, 3), np.longdouble), np.zeros(2, [("a", "f4")]), np.zeros((2, 3), ">f4"), np.zeros((2, 3), complex),
            np.array("1"), np.array(["a\0b", "c"]), np.array([], str),
        ]
    ),
)  # fmt: skip


@pytest.mark.parametrize("count", COUNTS)
def test_npz_of_any_arrays(tmp_path, tried, count):
    def check(arrays: dict):
        np.savez(tmp_path / "a.npz", allow_pickle=True, **arrays)
        result_or_user_error(PARSERS["embeddings npz"], tmp_path)

    examples(tried, count, NPZ_ARRAYS, check)


@pytest.mark.parametrize("count", COUNTS)
def test_folds(tried, count):
    def check(text: str):
        with contextlib.suppress(UserError):
            assert all(0 <= fold <= 999 for fold in flags.parse_folds(text))

    examples(tried, count, st.text() | st.text("0123456789,-"), check)


@pytest.mark.parametrize("count", COUNTS)
def test_weights(tried, count):
    def check(texts: list[str]):
        with contextlib.suppress(UserError):
            assert sum(check_weights(model_weights(["uniter", "uniter_asl"], texts, False))) > 0

    number = st.floats().map(str)
    examples(tried, count, st.lists(st.text() | number, max_size=3) | st.lists(number, min_size=2, max_size=2), check)

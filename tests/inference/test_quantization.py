"""Fewer numbers and fewer bits, by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from vsim_tf.errors import UserError
from vsim_tf.inference.quantization import quantized, truncated

VALUES = np.array([[0.0, -1.0, 3.0], [1.0, -1.0, 1.0], [0.4, -1.0, -1.0]])
"""Ranges 0 to 1, none, and -1 to 3: steps 1/255 and 4/255."""


def test_the_first_numbers():
    np.testing.assert_array_equal(truncated(VALUES, 2), VALUES[:, :2])
    assert truncated(VALUES, None) is VALUES
    assert truncated(VALUES, np.int64(3)).shape == (3, 3)


def test_int8_has_256_levels_of_the_range_of_each_dimension():
    """0.4 is at level 0.4 · 255 = 102, and 1 of -1 to 3 at 2 / 4 · 255 = 127.5, which rounds to the even 128; minus 128."""
    found = quantized(VALUES, "int8")
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, [[-128, -128, 127], [127, -128, 0], [-26, -128, -128]])


def test_int8_by_given_ranges_is_clipped_at_their_ends():
    """Of 0 to 0.5 the level of 0.4 is 204, of 1 it would be 510."""
    found = quantized(VALUES, "int8", [[0, -2, -1], [0.5, 0, 3]])
    np.testing.assert_array_equal(found[:, 0], [-128, 127, 204 - 128])
    np.testing.assert_array_equal(found[:, 1], [0, 0, 0])
    np.testing.assert_array_equal(quantized(VALUES[:1], "int8", [[0, -2, -1], [0.5, 0, 3]])[0], found[0])


@given(arrays(np.float32, (5, 3), elements=st.floats(-100, 100, width=32)))
def test_int8_is_within_half_a_step(values):
    low, high = values.min(axis=0).astype(float), values.max(axis=0).astype(float)
    step = (high - low) / 255
    restored = low + (quantized(values, "int8").astype(float) + 128) * step
    assert (np.abs(restored - values) <= step / 2 + 1e-6 * (np.abs(values) + 1)).all()


def test_binary_packs_signs_from_the_highest_bit_on():
    """Signs 1000 0000 1, 0 is no positive number."""
    values = np.array([[0.1, 0, -1, -1, -1, -1, -1, -1, 2.0]])
    np.testing.assert_array_equal(quantized(values, "binary"), [[0b10000000, 0b10000000]])
    assert quantized(values, "binary").dtype == np.uint8


@pytest.mark.parametrize(("precision", "type_"), [("float32", np.float32), ("float16", np.float16)])
def test_floats_are_rounded(precision, type_):
    np.testing.assert_array_equal(quantized(VALUES / 3, precision), (VALUES / 3).astype(type_))
    assert quantized(VALUES, precision).dtype == type_


@pytest.mark.parametrize(("precision", "width"), [("float32", 3), ("float16", 3), ("int8", 3), ("binary", 1)])
def test_no_videos(precision, width):
    assert quantized(VALUES[:0], precision).shape == (0, width)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: truncated(VALUES, 4), "truncate_dim=4: an integer from 1 to 3, the embedding dimension, is accepted"),
        (lambda: truncated(VALUES, 0), "truncate_dim=0: an integer"),
        (lambda: truncated(VALUES, 2.0), "truncate_dim=2.0: an integer"),
        (lambda: truncated(VALUES, True), "truncate_dim=True: an integer"),
        (lambda: quantized(VALUES, "int4"), "precision='int4': one of float32, float16, int8, binary is accepted"),
        (lambda: quantized(VALUES, "binary", [[0] * 3, [1] * 3]), "ranges are those of precision='int8'"),
        (lambda: quantized(VALUES[:1], "int8"), "one embedding has no range; give ranges, those of many embeddings"),
        (lambda: quantized(VALUES, "int8", [[0, 1]]), r"ranges have the shape \[1, 2\] .* accepted are finite numbers \[2, 3\]"),
        (
            lambda: quantized(VALUES, "int8", [[], [0.0]]),
            r"ranges hold lists of different lengths; accepted are finite numbers \[2, 3\]",
        ),
        (lambda: quantized(VALUES, "int8", [[0, 0, 2], [1, 1, 1]]), "ranges hold .* a smallest number above the largest"),
        (lambda: quantized(VALUES, "int8", [[0, 0, 0], [1, 1, np.nan]]), "ranges hold NaN"),
        (lambda: quantized(1e5 * VALUES, "float16"), "an embedding holds 300000, and float16 ends at 65504"),
    ],
)
def test_what_cannot_be_used(call, message):
    with pytest.raises(UserError, match=message):
        call()

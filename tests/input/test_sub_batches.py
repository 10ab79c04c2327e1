"""Videos of pairs in two sub-batches, sorted by length."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.input.sub_batches import length_sorted_sub_batches
from vsim_tf.records.schema import PairBatch, VideoBatch

TRIMS_ALL, TRIMS_FRAMES = (True, True), (False, True)  # text, frames


def side(tokens: list[int], frames: list[int]) -> VideoBatch:
    """Videos whose tokens and frames count up from 1, cut to the longest of them as the pipeline does."""
    text = np.arange(1, max(tokens) + 1, dtype="int32")
    mask = (text <= np.array(tokens)[:, None]).astype("int32")
    shown = np.minimum(np.arange(1, max(max(frames), 1) + 1), np.array(frames)[:, None])
    return VideoBatch((), text * mask, mask, shown[:, :, None].astype("float16"), np.array(frames, "int32"), {})


def pairs(first: VideoBatch, second: VideoBatch) -> PairBatch:
    return tf.nest.map_structure(
        tf.constant, PairBatch(first, second, {"similarity": np.zeros(len(first.num_frames), "float32")})
    )


def test_halves_by_hand():
    """Needed positions: 2 + 1, 5 + 4, 3 + 2 of the first elements, 4 + 0, 2 + 3, 6 + 1 of the second ones."""
    sub_batches = length_sorted_sub_batches(pairs(side([2, 5, 3], [1, 4, 2]), side([4, 2, 6], [0, 3, 1])), *TRIMS_ALL)
    np.testing.assert_array_equal(sub_batches.indices, [0, 3, 2, 4, 5, 1])
    np.testing.assert_array_equal(sub_batches.short.input_ids, [[1, 2, 0, 0], [1, 2, 3, 4], [1, 2, 3, 0]])
    np.testing.assert_array_equal(sub_batches.short.attention_mask, [[1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 1, 0]])
    np.testing.assert_array_equal(sub_batches.short.num_frames, [1, 0, 2])
    np.testing.assert_array_equal(sub_batches.short.frames[:, :, 0], [[1, 1], [0, 0], [1, 2]])
    np.testing.assert_array_equal(sub_batches.long.input_ids, [[1, 2, 0, 0, 0, 0], [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 0]])
    np.testing.assert_array_equal(sub_batches.long.frames[:, :, 0], [[1, 2, 3, 3], [1, 1, 1, 1], [1, 2, 3, 4]])


def test_what_cannot_be_trimmed_stays():
    sub_batches = length_sorted_sub_batches(pairs(side([2, 5], [1, 4]), side([3, 2], [2, 3])), *TRIMS_FRAMES)
    assert sub_batches.short.input_ids.shape == sub_batches.long.input_ids.shape == (2, 5)
    np.testing.assert_array_equal(sub_batches.indices, [0, 2, 3, 1])
    assert sub_batches.short.frames.shape[1] == 2


def test_one_position_is_left_where_no_video_has_frames():
    sub_batches = length_sorted_sub_batches(pairs(side([2], [0]), side([3], [0])), *TRIMS_ALL)
    assert sub_batches.short.frames.shape == sub_batches.long.frames.shape == (1, 1, 1)


LENGTHS = st.lists(st.tuples(*[st.integers(1, 8), st.integers(0, 6)] * 2), min_size=1, max_size=6)


@given(LENGTHS)
def test_every_video_comes_back_whole(lengths):
    columns = list(zip(*lengths, strict=True))
    sides = [side(list(columns[k]), list(columns[k + 1])) for k in (0, 2)]
    sub_batches = length_sorted_sub_batches(pairs(*sides), *TRIMS_ALL)
    summed = [
        tf.stack([tf.reduce_sum(half.input_ids, axis=1), half.num_frames], axis=1)
        for half in (sub_batches.short, sub_batches.long)
    ]
    for returned, original in zip(sub_batches.to_elements(*summed), sides, strict=True):
        np.testing.assert_array_equal(returned, np.stack([original.input_ids.sum(axis=1), original.num_frames], axis=1))


def test_halves_of_different_shapes_share_a_trace():
    traced = tf.function(lambda batch: length_sorted_sub_batches(batch, *TRIMS_ALL).long.frames, reduce_retracing=True)
    batches = [pairs(side([2, n], [1, n]), side([3, 2], [2, 3])) for n in (4, 5, 6)]
    for batch in batches:
        traced(batch)
    assert traced.experimental_get_tracing_count() <= 2


@pytest.mark.parametrize("field", ["input_ids", "frames"])
def test_halves_are_no_longer_than_their_longest(field):
    batch = pairs(side([2, 8, 2, 8], [1, 6, 1, 6]), side([2, 8, 8, 2], [1, 6, 6, 1]))
    sub_batches = length_sorted_sub_batches(batch, *TRIMS_ALL)
    assert getattr(sub_batches.short, field).shape[1] < getattr(sub_batches.long, field).shape[1]

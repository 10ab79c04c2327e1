"""Poolings by hand."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.models.pooling import ClsPooling, MaxPooling, MeanPooling, Pooling
from vsim_tf.models.sequence import Sequence

STATES = np.float32([[[1, 8], [3, 4], [9, 9]]])
SEQUENCE = Sequence(tf.constant(STATES), tf.constant([[True, True, False]]), tf.range(3), tf.constant([1, 1, 1]), {})
TRIMMED = SEQUENCE._replace(counts=tf.constant([1, 1, 3]))


@pytest.mark.parametrize(
    ("pooling", "sequence", "expected"),
    [
        (MeanPooling(), SEQUENCE, [[13 / 3, 7]]),
        (MeanPooling(), TRIMMED, [[(13 + 2 * 9) / 5, (21 + 2 * 9) / 5]]),
        (MeanPooling(padding=False), TRIMMED, [[2, 6]]),
        (ClsPooling(), SEQUENCE, [[1, 8]]),
        (MaxPooling(), SEQUENCE, [[3, 8]]),
        (MaxPooling(padding=True), SEQUENCE, [[9, 9]]),
    ],
)
def test_by_hand(pooling, sequence, expected):
    np.testing.assert_allclose(pooling(sequence.states, sequence.counted(pooling.reads_padding)), expected, rtol=1e-6)


@pytest.mark.parametrize("name", [name for name, entry in Pooling.entries.items() if entry.__module__.startswith("vsim_tf.")])
def test_without_padding_nothing_behind_the_mask_is_read(name):
    pooling = Pooling.entries[name]().without_padding()
    assert not pooling.reads_padding
    if not pooling.uses_pooler:
        changed = SEQUENCE._replace(states=tf.constant(STATES + np.float32([[[0], [0], [7]]])))
        counts = SEQUENCE.counted(padding=False)
        np.testing.assert_array_equal(pooling(changed.states, counts), pooling(SEQUENCE.states, counts))

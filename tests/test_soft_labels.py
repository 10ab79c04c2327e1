"""Labels with the similarity that pre-trained models see, by hand."""

import numpy as np
import pytest

from benchmarks.soft_labels import pseudo, soft
from vsim_tf.records.labels import Pair


def test_soft_labels_are_weighted_ranks():
    """Ranks 0, 0.5, 1 of the labels and 1, 0.5, 0 of the cosines: 0.7 a + 0.3 b."""
    labelled = [Pair("a", "b", 0.1), Pair("a", "c", 0.2), Pair("b", "c", 0.9)]
    found = soft(labelled, np.array([0.9, 0.5, -0.2]))
    assert [pair[:2] for pair in found] == [pair[:2] for pair in labelled]
    assert [pair.similarity for pair in found] == pytest.approx([0.3, 0.5, 0.7])


def test_pseudo_labels_are_those_of_equally_near_pairs():
    """a and b, and c and d, are nearest; a pair with the largest known cosine or more has the largest label."""
    embeddings = np.array([[1.0, 0.0], [0.8, 0.6], [-1.0, 0.0], [-0.6, 0.8]])
    labelled, cosines = (
        [Pair("a", "b", 0.5), Pair("a", "c", 0.0), Pair("b", "c", 0.2), Pair("b", "d", 0.9)],
        [0.8, -1.0, -0.8, 0.0],
    )
    found = pseudo(list("abcd"), embeddings, labelled, np.array(cosines), np.array([pair.similarity for pair in labelled]))
    # sorted cosines -1, -0.8, 0, 0.8 are labelled 0, 0.2, 0.5, 0.9: 0.6 lies at three quarters from 0 to 0.8
    assert [pair[:2] for pair in found] == [("c", "d")]
    assert found[0].similarity == pytest.approx(0.5 + 0.75 * 0.4)

"""Groups of near-duplicates against a search through all pairs."""

import numpy as np
import pytest
from vectors import clustered, on_circle, unit

from vsim_tf.search import duplicates
from vsim_tf.search.duplicates import duplicate_groups, near_pairs
from vsim_tf.search.nearest import VectorIndex

pytest.importorskip("faiss")


def groups_of_all_pairs(vectors: np.ndarray, threshold: float) -> list[list[int]]:
    """Groups by following pairs from each vector on."""
    near, seen, groups = vectors @ vectors.T >= threshold, set(), []
    for row in range(len(vectors)):
        group, ahead = set(), {row} - seen
        while ahead:
            group |= ahead
            ahead = set(np.flatnonzero(near[list(ahead)].any(axis=0)).tolist()) - group
        seen |= group
        groups += [sorted(group)] * (len(group) > 1)
    return sorted(groups, key=lambda group: (-len(group), group[0]))


def found(index: VectorIndex, threshold: float) -> list[list[int]]:
    return [group.tolist() for group in duplicate_groups(index, threshold)]


def test_groups_are_connected_by_pairs():
    """Cosines: 0.985 of 10 degrees, 0.940 of 20."""
    index = VectorIndex.build_exact(on_circle(0, 90, 10, 180, 20, 95))
    assert found(index, 0.98) == [[0, 2, 4], [1, 5]]
    assert found(index, 0.99) == [[1, 5]]
    assert found(index, 0.999) == []


@pytest.mark.parametrize("build", [VectorIndex.build_exact, VectorIndex.build_approximate])
@pytest.mark.parametrize("at_a_time", [300, 1 << 22])
def test_groups_are_those_of_all_pairs(build, at_a_time, monkeypatch):
    monkeypatch.setattr(duplicates, "PAIRS_AT_A_TIME", at_a_time)
    vectors = clustered(400, 8, clusters=40)
    vectors = unit(np.concatenate([vectors, vectors[:60] + np.random.default_rng(1).normal(size=(60, 8)) * 0.02]))
    expected = groups_of_all_pairs(vectors, 0.97)
    assert len(expected) > 20 and len(expected[0]) > 2
    assert found(build(vectors), 0.97) == expected


def test_a_group_may_be_larger_than_the_neighbours_that_are_asked_for_first():
    count = 3 * duplicates.FIRST_NEIGHBOURS
    index = VectorIndex.build_exact(np.concatenate([on_circle(*[90] * count), on_circle(0, 1, 180)]))
    assert found(index, 1) == [list(range(count))]
    pairs = {pair for first, second in near_pairs(index, 1) for pair in zip(first.tolist(), second.tolist(), strict=True)}
    assert len(pairs) == count**2 + 3


def test_the_same_vector_is_a_duplicate_in_spite_of_rounding():
    vectors = clustered(50, 256)
    assert found(VectorIndex.build_exact(np.concatenate([vectors, vectors])), 1) == [[row, row + 50] for row in range(50)]

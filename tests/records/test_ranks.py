import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.records.ranks import rank_normalized


def test_by_hand():
    """Similarities 0, 0.2, 0.2, 0.9 have the ranks 1, 2.5, 2.5, 4, from 0 to 1: 0, 1/2, 1/2, 1."""
    np.testing.assert_allclose(rank_normalized(np.array([0, 0.2, 0.2, 0.9])), [0, 0.5, 0.5, 1])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=12))
def test_ranks_are_counts_of_lower_similarities_and_half_of_the_equal_ones(values):
    similarity = np.array(values, float)
    if len(set(values)) < 2:
        assert np.isnan(rank_normalized(similarity)).all()
        return
    ranks = np.array([(similarity < value).sum() + (similarity == value).sum() / 2 for value in values])
    np.testing.assert_allclose(rank_normalized(similarity), (ranks - ranks.min()) / (ranks.max() - ranks.min()), atol=1e-15)

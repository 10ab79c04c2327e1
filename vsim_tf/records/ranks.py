"""Similarities as ranks, which is all that Spearman's correlation reads of them."""

import numpy as np


def rank_normalized(similarity: np.ndarray) -> np.ndarray:
    """Returns (r - min r) / (max r - min r), r the rank of each similarity (docs/facts_rank1.md 6).

    Args:
        similarity: `[pairs]`; equal ones share the mean of their ranks.

    Returns:
        `[pairs]` float64 from 0 to 1; nan where all similarities are the same.
    """
    from scipy.stats import rankdata  # slow to import, and scripts start with the names of this file

    ranks = rankdata(similarity)
    span = np.ptp(ranks) if len(ranks) else 0
    normalized: np.ndarray = (ranks - ranks.min()) / span if span else np.full(len(ranks), np.nan)
    return normalized

"""How much of a difference between two Spearman scores is noise of the pairs."""

import warnings

import numpy as np

RESAMPLES, SEED = 200, 0


def difference_error(first: np.ndarray, second: np.ndarray, target: np.ndarray) -> float:
    """Standard error of Spearman of `second` minus that of `first`, both on the same pairs: by bootstrap over the pairs.

    Args:
        first, second: predictions, `[pairs]`.
        target: similarities, `[pairs]`.
    """
    from scipy.stats import bootstrap, spearmanr

    def difference(before: np.ndarray, after: np.ndarray, similarity: np.ndarray) -> float:
        return float(spearmanr(after, similarity).statistic - spearmanr(before, similarity).statistic)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a few pairs, some samples are all the same one
        resampled = bootstrap(
            (first, second, target), difference, paired=True, vectorized=False, n_resamples=RESAMPLES, method="percentile",
            rng=np.random.default_rng(SEED),
        )  # fmt: skip
        return float(np.nanstd(resampled.bootstrap_distribution, ddof=1))

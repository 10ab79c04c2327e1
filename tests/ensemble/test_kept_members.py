"""Ensemble weights by non-negative ridge regression on ranks of out-of-fold pairs, and members that are dropped."""

import numpy as np
import pytest
from ensemble_members import noisy_models
from script_flags import refused

from vsim_tf.ensemble.kept_members import combined_cosines, cross_fitted_cosines, fit_weights, kept_members
from vsim_tf.ensemble.out_of_fold import OutOfFold
from vsim_tf.evaluation.metrics import spearman
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize
from vsim_tf.records.labels import Pair


def test_weights_are_those_of_the_ranks():
    """The ranks of the first model are the target's, by any increasing function, and those of the second the wrong way round."""
    similarity = np.arange(30) / 29
    cosines = np.stack([np.exp(5 * similarity), -similarity], axis=1)
    np.testing.assert_allclose(fit_weights(cosines, similarity), [1, 0], atol=1e-12)


def test_two_models_by_hand():
    """Centred ranks, six times: t = (-3, -1, 1, 3), a = (-3, 1, -1, 3), b = (-1, -3, 3, 1).

    aa = bb = tt = 20, ab = 0, at = 16 and bt = 12. The penalty is 0.3 · 20 = 6 times the squared distances to a half, so that the
    weights are (16 + 3) / 26 and (12 + 3) / 26, divided by their sum.
    """
    target, a, b = np.array([0, 1, 2, 3.0]), np.array([0, 2, 1, 3.0]), np.array([1, 0, 3, 2.0])
    np.testing.assert_allclose(fit_weights(np.stack([a, b], axis=1), target), [19 / 34, 15 / 34], atol=1e-12)


def test_better_models_weigh_more_and_a_useless_one_nothing():
    cosines, similarity = noisy_models([0.2, 0.4])
    cosines = np.column_stack([cosines, -similarity])  # the wrong way round
    good, fair, wrong = fit_weights(cosines, similarity)
    assert good > fair > 0 == wrong
    assert good + fair == pytest.approx(1)


@pytest.mark.parametrize("column", [np.zeros(20), np.full(20, np.nan)])
def test_a_model_that_cannot_be_ranked_has_weight_0(column):
    similarity = np.arange(20) / 20
    np.testing.assert_allclose(fit_weights(np.stack([similarity, column], axis=1), similarity), [1, 0], atol=1e-12)


def test_pairs_that_tell_nothing():
    with refused("--weights=fit: all out-of-fold pairs have the same similarity"):
        fit_weights(np.random.default_rng(0).random((9, 2)), np.full(9, 0.5))
    with refused("all out-of-fold pairs have the same"):
        fit_weights(np.zeros((0, 2)), np.zeros(0))
    with refused("--weights=fit: no model ranks the out-of-fold pairs as people do"):
        fit_weights(-np.arange(9.0)[:, None], np.arange(9.0))


def pairs_of(count=5):
    rng = np.random.default_rng(3)
    first, second = ({name: scale * rng.standard_normal((count, 4)) for name, scale in (("a", 1), ("b", 7))} for _ in range(2))
    return OutOfFold([Pair("v", "w", row / count) for row in range(count)], first, second, np.arange(count) % 2)


def test_combined_cosines_are_those_of_the_ensemble():
    pairs, rows, weights = pairs_of(), np.array([3, 1]), np.array([0.25, 0.75])
    each = {name: cosine_similarity(pairs.first[name][rows], pairs.second[name][rows]) for name in pairs.names}
    np.testing.assert_allclose(combined_cosines(pairs, rows, weights, "svd", False), 0.25 * each["a"] + 0.75 * each["b"])
    for normalize, scale in ((True, l2_normalize), (False, np.asarray)):
        summed = [0.25 * scale(side["a"][rows]) + 0.75 * scale(side["b"][rows]) for side in (pairs.first, pairs.second)]
        np.testing.assert_allclose(combined_cosines(pairs, rows, weights, "sum", normalize), cosine_similarity(*summed))


def pairs_with_cosines(folds=2, **cosines):
    """Pairs whose cosines by each model are those given, in turns of the folds; similarities are 0, 1, 2 ..."""
    count = len(next(iter(cosines.values())))
    angles = {name: np.arccos(np.asarray(values, float)) for name, values in cosines.items()}
    first = {name: np.tile([1.0, 0.0], (count, 1)) for name in cosines}
    second = {name: np.stack([np.cos(angle), np.sin(angle)], axis=1) for name, angle in angles.items()}
    return OutOfFold([Pair("v", "w", float(row)) for row in range(count)], first, second, np.arange(count) % folds)


def test_weights_of_a_fold_come_from_the_others():
    """Model a is right in fold 0 and b in fold 1, where the other one is wrong: each fold gets the model that is wrong there."""
    right, wrong = np.linspace(0.1, 0.9, 12), np.linspace(0.9, 0.1, 12)
    even = np.arange(12) % 2 == 0
    a, b = np.where(even, right, wrong), np.where(even, wrong, right)
    pairs = pairs_with_cosines(a=a, b=b)
    np.testing.assert_allclose(pairs.cosines(), np.stack([a, b], axis=1))
    np.testing.assert_allclose(fit_weights(pairs.cosines()[~even], pairs.similarity[~even]), [0, 1], atol=1e-12)
    alone = pairs.of(["b"])
    assert alone.names == ["b"] and alone.pairs == pairs.pairs
    helped = pairs_with_cosines(a=a, b=b, c=right)  # else no weights do for all pairs
    weights = fit_weights(helped.cosines()[~even], helped.similarity[~even])
    np.testing.assert_allclose(cross_fitted_cosines(helped, "svd", False)[even], (helped.cosines() @ weights)[even])


def test_a_single_fold_is_ranked_by_weights_of_its_own():
    right = np.linspace(0.1, 0.9, 9)
    np.testing.assert_allclose(cross_fitted_cosines(pairs_with_cosines(1, a=right), "svd", False), right)


def test_the_member_without_which_the_ensemble_rises_is_dropped():
    """Model b is right in fold 0 and wrong in fold 1: fold 1, ranked by weights that fold 0 gave, gets b's wrong ranks."""
    rng = np.random.default_rng(5)
    target = np.linspace(0.05, 0.95, 40)
    even = np.arange(40) % 2 == 0
    good = np.clip(target + 0.1 * rng.standard_normal(40), -1, 1)
    fooling = np.where(even, target, 1 - target)
    pairs = pairs_with_cosines(good=good, fooling=fooling)
    kept, dropped = kept_members(pairs, "svd", False)
    assert (kept, list(dropped)) == (["good"], ["fooling"])
    alone, together = spearman(good, pairs.similarity), spearman(cross_fitted_cosines(pairs, "svd", False), pairs.similarity)
    assert dropped["fooling"] == pytest.approx(alone - together) and dropped["fooling"] > 0.01


def test_members_that_help_or_do_nothing_are_kept():
    cosines, similarity = noisy_models([0.2, 0.2, 0.2])
    columns = dict(zip("abc", np.clip(cosines[np.argsort(similarity, kind="stable")].T / 2, -1, 1), strict=True))
    columns["wrong"] = np.linspace(0.9, 0.1, len(similarity))
    kept, dropped = kept_members(pairs_with_cosines(4, **columns), "svd", False)
    assert (kept, dropped) == (["a", "b", "c", "wrong"], {})
    assert kept_members(pairs_with_cosines(a=np.linspace(0.1, 0.9, 9)), "sum", True) == (["a"], {})


def test_a_rise_within_noise_drops_nobody():
    rng = np.random.default_rng(2)
    target = np.linspace(0.05, 0.95, 40)
    good, twin = (np.clip(target + noise * rng.standard_normal(40), -1, 1) for noise in (0.1, 0.2))
    pairs = pairs_with_cosines(good=good, twin=twin)
    both = spearman(cross_fitted_cosines(pairs, "svd", False), pairs.similarity)
    assert 0.01 < spearman(good, pairs.similarity) - both < 0.02
    assert kept_members(pairs, "svd", False) == (["good", "twin"], {})

"""Ensemble weights by non-negative least squares on ranks of out-of-fold pairs, and what to deploy."""

import numpy as np
import pytest
from script_flags import refused

from vsim_tf.ensemble.fitted_weights import Deployment, better, deployment
from vsim_tf.ensemble.kept_members import combined_cosines, fit_weights
from vsim_tf.ensemble.out_of_fold import OutOfFold
from vsim_tf.evaluation.metrics import spearman
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize
from vsim_tf.records.labels import Pair


def scored(noise, seed=0, pairs=400):
    """Similarities, and cosines of models that see them through noise of these widths."""
    rng = np.random.default_rng(seed)
    similarity = rng.choice(21, pairs) / 20
    return np.stack([similarity + width * rng.standard_normal(pairs) for width in noise], axis=1), similarity


def test_weights_are_those_of_the_ranks():
    """The ranks of the first model are the target's, up to any increasing function of its cosines."""
    similarity = np.arange(30) / 29
    cosines = np.stack([np.exp(5 * similarity), np.random.default_rng(1).random(30)], axis=1)
    np.testing.assert_allclose(fit_weights(cosines, similarity), [1, 0], atol=1e-12)


def test_two_models_by_hand():
    """Centred ranks, six times: t = (-3, -1, 1, 3), a = (-3, 1, -1, 3), b = (-1, -3, 3, 1).

    aa = bb = 20, ab = 0, at = 16 and bt = 12, so that the weights are 16 / 28 and 12 / 28.
    """
    target, a, b = np.array([0, 1, 2, 3.0]), np.array([0, 2, 1, 3.0]), np.array([1, 0, 3, 2.0])
    np.testing.assert_allclose(fit_weights(np.stack([a, b], axis=1), target), [16 / 28, 12 / 28], atol=1e-12)


def test_better_models_weigh_more_and_a_useless_one_nothing():
    cosines, similarity = scored([0.2, 0.4])
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


def test_an_ensemble_within_noise_is_not_deployed():
    cosines, similarity = scored([0.2, 0.2])
    scores = {name: spearman(column, similarity) for name, column in zip("ab", cosines.T, strict=True)}
    best = max(scores, key=scores.get)
    chosen = deployment(scores, cosines, cosines.mean(axis=1), similarity)
    assert (chosen.model, chosen.alone, chosen.takes_ensemble) == (best, scores[best], True)
    assert str(chosen).startswith("the ensemble, out-of-fold Spearman 0.")
    same = deployment(scores, cosines, cosines[:, "ab".index(best)], similarity)
    assert (same.noise, same.takes_ensemble) == (0, False)
    assert str(Deployment("a", 0.8, 0.8012, 0.001)) == (
        "a alone, out-of-fold Spearman 0.8000, and 0.8012 of the ensemble is not above it by more than noise (difference +0.0012,"
        " standard error 0.0010)"
    )


def test_it_is_said_where_training_was_not_worth_it():
    chosen = Deployment("a", 0.7, 0.72, 0.001)
    assert better({"frames": 0.71, "titles": float("nan")}, chosen) == ""
    assert better({"frames": 0.6, "titles": 0.75}, chosen).startswith("; but titles has 0.7500 without training")


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

"""What to deploy."""

from ensemble_members import noisy_models

from vsim_tf.ensemble.fitted_weights import Deployment, better, deployment
from vsim_tf.evaluation.metrics import spearman


def test_an_ensemble_within_noise_is_not_deployed():
    cosines, similarity = noisy_models([0.2, 0.2])
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

import math

import numpy as np
import pytest
from ensemble_members import PAIRS, random_members, write_run

from vsim_tf.ensemble.combine import fold_mean, svd_ensemble, weighted_sum
from vsim_tf.ensemble.find import find_members
from vsim_tf.ensemble.scored import ensemble_run
from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import l2_normalize, pair_spearman
from vsim_tf.records.embeddings import Embeddings, read_embeddings, read_submission, write_embeddings, write_submission

FOLDS = {"one": [0, 10], "two": [0, 10]}


@pytest.mark.parametrize("method", ["sum", "svd"])
def test_run_over_models_and_folds(tmp_path, method):
    written = write_run(tmp_path, FOLDS)
    members = find_members(tmp_path, FOLDS, "test_a")
    result = ensemble_run(members, {"one": 0.4, "two": 0.6}, PAIRS, method, dim=3, keep_means=True)
    means = {model: fold_mean(folds) for model, folds in written.items()}
    assert [(model.name, model.weight) for model in result.models] == [("one", 0.4), ("two", 0.6)]
    for model in result.models:
        assert model.fold_scores == [pair_spearman(fold, PAIRS) for fold in written[model.name]]
        assert model.mean_score == pair_spearman(means[model.name], PAIRS)
        np.testing.assert_array_equal(result.means[model.name].values, means[model.name].values)
    combine = {"sum": weighted_sum, "svd": lambda *given: svd_ensemble(*given, dim=3)}[method]
    np.testing.assert_array_equal(result.embeddings.values, combine(list(means.values()), [0.4, 0.6]).values)
    assert result.scores.spearman == pair_spearman(result.embeddings, PAIRS)


def test_run_without_labels_with_normalising_and_a_model_left_out(tmp_path):
    written = write_run(tmp_path, FOLDS)
    members = find_members(tmp_path, FOLDS, "test_a")
    result = ensemble_run(members, {"one": 0, "two": 1}, normalize=True)
    np.testing.assert_array_equal(result.embeddings.values, l2_normalize(fold_mean(written["two"]).values))
    assert math.isnan(result.scores.spearman) and not result.means
    assert [model.fold_scores for model in result.models] == [[], []]
    scored = ensemble_run(members, {"one": 0, "two": 1}, PAIRS)
    assert not math.isnan(scored.models[0].mean_score)


def test_run_of_a_list_of_files(tmp_path):
    members, values = random_members(2)
    write_submission(tmp_path / "a.zip", members[0])
    write_embeddings(tmp_path / "b.npz", members[1])
    files = {path.name: [path] for path in (tmp_path / "a.zip", tmp_path / "b.npz")}
    result = ensemble_run(files, dict.fromkeys(files, 0.5), PAIRS)
    np.testing.assert_allclose(result.embeddings.values, values.mean(axis=0), atol=1e-15)
    assert read_submission(tmp_path / "a.zip").ids == result.embeddings.ids
    assert read_embeddings(tmp_path / "b.npz").ids != result.embeddings.ids


def test_run_names_what_is_missing_or_does_not_fit(tmp_path):
    write_run(tmp_path, FOLDS)
    members = find_members(tmp_path, FOLDS, "test_a")
    with pytest.raises(UserError, match=r"weights are given for \['one'\], members for \['one', 'two'\]"):
        ensemble_run(members, {"one": 1})
    with pytest.raises(UserError, match="ensemble method 'pca'; accepted are sum, svd"):
        ensemble_run(members, {"one": 1, "two": 1}, method="pca")
    write_embeddings(members["two"][1], Embeddings(["v0"], np.ones((1, 4))))
    with pytest.raises(UserError, match="two/fold-10/embeddings/test_a.npz: ids differ .* missing 5: "):
        ensemble_run(members, {"one": 1, "two": 1})
    write_embeddings(members["two"][0], Embeddings(["v0"], np.ones((1, 4))))
    with pytest.raises(UserError, match="^two: ids differ"):
        ensemble_run(members, {"one": 0.5, "two": 0.5})

"""Which models an ensemble is of, and the settings of one of classifiers."""

from pathlib import Path

import pytest

from vsim_tf.cli import ensemble, ensemble_classes
from vsim_tf.errors import UserError
from vsim_tf.launch.plan import flags_of


@pytest.fixture
def given_flags(tmp_path, monkeypatch):
    """Runs with a config.json of some models in `output`, and the flags of a command line."""
    monkeypatch.chdir(tmp_path)

    def give(*arguments, runs=()):
        for name in runs:
            (tmp_path / "output" / name).mkdir(parents=True)
            (tmp_path / "output" / name / "config.json").touch()
        return flags_of(ensemble.define_flags, ["ensemble_final.py", *arguments])

    return give


@pytest.mark.parametrize(
    ("arguments", "runs", "found"),
    [
        (["--models=wbdc_3,wbdc_1"], [], ["wbdc_3", "wbdc_1"]),
        (["--models=wbdc_1,linear"], [], ["wbdc_1", "linear"]),
        (["--models=uniter"], ["wbdc_1/full"], []),
        ([], ["wbdc_4/full", "wbdc_1/fold-03", "wbdc_single/pretrain"], ["wbdc_1", "wbdc_4"]),
        ([], ["uniter/fold-00"], []),
        ([], [], []),
    ],
)
def test_classifiers_are_those_named_or_those_with_runs(given_flags, arguments, runs, found):
    with given_flags(*arguments, runs=runs):
        assert ensemble_classes.classifiers() == found


@pytest.mark.parametrize(
    ("arguments", "runs", "message"),
    [
        (
            [],
            ["uniter/fold-00", "wbdc_1/fold-00"],
            r"output has runs of classifiers \(wbdc_1\) and .* \(uniter\): choose by --models",
        ),
        (["--models=uniter,wbdc_1"], [], r"--models names classifiers \(wbdc_1\) and models of embeddings \(uniter\)"),
    ],
)
def test_both_kinds_are_refused(given_flags, arguments, runs, message):
    with given_flags(*arguments, runs=runs), pytest.raises(UserError, match=message):
        ensemble.finished()


def test_logistic_regression_alone_is_no_ensemble(given_flags):
    with given_flags("--models=linear"), pytest.raises(UserError, match="--models names linear alone, which joins trained"):
        ensemble.finished()


def test_registered_weights_stay_as_they_are(given_flags):
    """1 : 1 : 0.7 : 1, of which no sum is asked; those of embeddings sum to 1."""
    with given_flags("--models=wbdc_1,wbdc_2,wbdc_3,wbdc_4"):
        values = ensemble.class_settings()
    assert values["weights"] == {"wbdc_1": 1.0, "wbdc_2": 1.0, "wbdc_3": 0.7, "wbdc_4": 1.0}
    assert (values["data_dir"], values["output_csv"]) == (Path("output/records"), "output/result.csv")
    assert (values["test_name"], values["labels"]) == ("test_b", Path("output/records/test_a_labels.tsv"))
    with given_flags("--models=wbdc_1,wbdc_3", "--weights=2,0.5", "--folds=full", "--output_csv=a/b.csv"):
        values = ensemble.class_settings()
    assert (values["weights"], values["folds"]) == ({"wbdc_1": 2.0, "wbdc_3": 0.5}, ["full"])
    assert values["output_csv"] == "a/b.csv"

"""Weights and method of an ensemble, from flags and the preset."""

import pytest
from script_flags import defined, refused

from vsim_tf.cli import class_flags, ensemble, ensemble_classes, flags, run_length


@pytest.fixture
def given(monkeypatch, tmp_path):
    """Parses a command line of ensemble_final.py in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def parse(*arguments):
        values = defined(ensemble.define_flags)
        for module in (flags, run_length, class_flags):
            monkeypatch.setattr(module, "FLAGS", values)
        values(["script", *arguments])

    return parse


@pytest.mark.parametrize(
    ("arguments", "method", "fitted", "normalize"),
    [
        ([], "sum", False, False),
        (["--weights=fit"], "sum", True, True),
        (["--weights=fit", "--nonormalize"], "sum", True, False),
        (["--weights=fit", "--method=svd"], "svd", True, False),
        (["--preset=small"], "svd", True, False),
        (["--preset=small", "--method=sum", "--weights=0.5,0.5", "--normalize"], "sum", False, True),
    ],
)
def test_flags_and_preset(given, arguments, method, fitted, normalize):
    given("--models=uniter,uniter_asl", *arguments)
    ensemble.check_flags()
    values = ensemble.settings()
    assert (values["method"], values.get("fitted", False), values["normalize"]) == (method, fitted, normalize)
    assert sum(values["weights"].values()) == pytest.approx(1)


@pytest.mark.parametrize(("arguments", "decision"), [([], "class"), (["--preset=small"], "levels"),
    (["--preset=small", "--decision=class"], "class")])  # fmt: skip
def test_the_decision_of_classifiers(given, arguments, decision):
    given("--models=wbdc_1,wbdc_2", *arguments)
    ensemble.check_flags()
    weights = dict(zip(["wbdc_1", "wbdc_2"], ensemble.model_weights(["wbdc_1", "wbdc_2"], None, False), strict=True))
    assert ensemble.weights_asked() is None
    assert ensemble_classes.settings(weights)["decision"] == decision


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights=fit", "--members=a.zip,b.zip"], "--weights=fit needs runs with validation pairs, and --members are files"),
        (["--weights=fit", "--method=svd", "--svd_basis=a.npz"], "--weights=fit .* --svd_basis has weights already"),
        (["--weights=fit", "--models=wbdc_1,wbdc_2"], "--weights=fit is for models of pairs, not for wbdc_1, wbdc_2"),
        (["--weights=fit,1", "--models=uniter,uniter_asl"], "--weights=fit,1: numbers separated by commas are accepted"),
        (["--preset=small", "--models=uniter", "--normalize"], "--normalize is for --method=sum"),
    ],
)
def test_what_does_not_go_together(given, arguments, message):
    given(*arguments)
    with refused(message):
        ensemble.check_flags()

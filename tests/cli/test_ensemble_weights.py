"""Weights and method of an ensemble, from flags and the preset."""

import pytest
import toys
from script_flags import defined, refused

from vsim_tf.cli import class_flags, ensemble, ensemble_classes, flags, run_length
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder


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


def prepare_run(folder, name, recipe):
    settings = RunSettings("pair", toys.model(name, recipe=recipe), toys.stage(), toys.TOKENIZERS["bert"], toys.TAGS, {})
    prepare_run_folder(folder / "output" / name / "fold-00", settings, False)


@pytest.mark.parametrize(
    ("trained", "arguments", "method"),
    [
        (["plus", "plus"], [], "svd"), (["2021", "plus"], [], "sum"), (["plus", "2021"], ["--models=uniter"], "svd"),
        (["plus", "plus"], ["--method=sum"], "sum"), (["plus", "plus"], ["--normalize"], "sum"),
        (["plus", "plus"], ["--members=a.zip"], "sum"),
    ],
)  # fmt: skip
def test_the_method_of_the_recipe(given, tmp_path, trained, arguments, method):
    for name, recipe in zip(("uniter", "mix_nextvlad"), trained, strict=True):
        prepare_run(tmp_path, name, recipe)
    given("--output_dir=output", *arguments)
    assert ensemble.method() == method


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
        (["--center", "--models=uniter"], "--center is for --method=svd: give that too"),
        (["--basis_from=train", "--models=uniter"], "--basis_from is for --method=svd: give that too"),
        (
            ["--method=svd", "--svd_basis=a.npz", "--center"],
            "--center is for a basis that is fitted, and --svd_basis",
        ),
        (
            ["--method=svd", "--svd_basis=a.npz", "--basis_from=test"],
            "--basis_from is for a basis that is fitted",
        ),
        (
            ["--method=svd", "--members=a.zip,b.zip", "--basis_from=train"],
            "--basis_from=train needs runs that embed",
        ),
        (["--models=wbdc_1", "--center"], "--center is for an ensemble of embeddings: leave it out"),
    ],
)
def test_what_does_not_go_together(given, arguments, message):
    given(*arguments)
    with refused(message):
        ensemble.check_flags()


@pytest.mark.parametrize(
    ("arguments", "center", "basis_from"),
    [
        ([], False, None),
        (["--method=svd"], False, "test"),
        (["--method=svd", "--center", "--basis_from=train"], True, "train"),
        (["--preset=small"], False, "train"),
        (["--preset=small", "--basis_from=test"], False, "test"),
        (["--method=svd", "--svd_basis=a.npz"], False, None),
        (["--method=svd", "--members=a.zip"], False, "test"),
    ],
)
def test_where_a_basis_comes_from(given, arguments, center, basis_from):
    given(*(["--models=uniter,linear"] if "--members=a.zip" not in arguments else []), *arguments)
    ensemble.check_flags()
    values = ensemble.settings()
    assert (values["center"], values["basis_from"]) == (center, basis_from)


def test_the_linear_model_weighs_as_much_as_the_mean_of_the_others(given):
    """0.13 and 0.17, and their mean 0.15, scaled to sum to 1; given weights are taken as they are."""
    given("--models=uniter,linear,mix_nextvlad")
    expected = {"uniter": 0.13 / 0.45, "linear": 0.15 / 0.45, "mix_nextvlad": 0.17 / 0.45}
    assert ensemble.settings()["weights"] == pytest.approx(expected)
    given("--models=uniter,linear", "--weights=1,3")
    assert ensemble.settings()["weights"] == {"uniter": 1, "linear": 3}


def test_the_linear_model_counts_once_it_has_been_fitted(given, tmp_path):
    prepare_run(tmp_path, "uniter", "2021")
    (tmp_path / "output/linear/full").mkdir(parents=True)
    (tmp_path / "output/linear/full/linear.npz").touch()
    given()
    assert list(ensemble.settings()["weights"]) == ["uniter", "linear"]
    given("--models=uniter")
    assert list(ensemble.settings()["weights"]) == ["uniter"]

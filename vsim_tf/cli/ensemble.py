"""Average embeddings or class probabilities over folds, sum models by weight, and report: vsim-tf ensemble --output_dir=output"""

import shlex
import sys
from pathlib import Path
from typing import Any

from vsim_tf.cli import app, class_flags, ensemble_classes, ensemble_flags, flags, run_length
from vsim_tf.ensemble.combine import normalized_weights
from vsim_tf.ensemble.find import fold_runs, folds_of_models, linear_present, models_present
from vsim_tf.ensemble.note import announce_ensemble, note_sources
from vsim_tf.ensemble.svd_basis import TEST, TRAIN, SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.io.paths import RESULT, fold_folder
from vsim_tf.presets import registry
from vsim_tf.presets.recipes import recipe
from vsim_tf.presets.small import PAIRS
from vsim_tf.records.test_sets import check_test_sets, labelled_set, submitted_set
from vsim_tf.records.tfrecords import split_paths
from vsim_tf.runs.run_folder import RunFolder

define_flags = ensemble_flags.define_flags
FIT = "fit"
"""The value of --weights that is no list of numbers."""


def members() -> list[str]:
    """Files given by --members."""
    return [path for text in flags.FLAGS.members or [] for path in split_paths(text)]


def weights_asked() -> list[str] | None:
    """Weights as given or as the preset has them; None for the registered ones."""
    given: list[str] | None = flags.FLAGS.weights
    return given if given or ensemble_classes.classifiers() else run_length.chosen_flag("weights", PAIRS)


def is_fitted() -> bool:
    """Whether weights are fitted on the validation pairs."""
    return weights_asked() == [FIT]


def method() -> str:
    """How models are combined: as asked for, else as the recipe does it that all of them were trained by."""
    return run_length.chosen_flag("method", PAIRS) or _method_of_recipes()


def _method_of_recipes() -> str:
    options = flags.FLAGS
    if options.members or options.normalize:
        return "sum"
    runs = {model: fold_runs(options.output_dir, model) for model in options.models or registry.PUBLIC_MODELS}
    folders = [fold_folder(options.output_dir, model, found[0]) for model, found in runs.items() if found]
    methods = {recipe(RunFolder.open(folder).model.recipe).method for folder in folders}
    return methods.pop() if len(methods) == 1 else "sum"


def basis_from() -> str | None:
    """Videos that the basis of `svd` is fitted to; None where there is none to fit."""
    options = flags.FLAGS
    if method() != "svd" or options.svd_basis:
        return None
    chosen: str = options.basis_from or (TRAIN if is_fitted() else TEST)
    return chosen


def present() -> list[str]:
    """Registered models with runs, and the linear one where an ensemble with it was made."""
    output_dir = flags.FLAGS.output_dir
    models = models_present(output_dir, registry.PUBLIC_MODELS)
    return [*models, registry.LINEAR] if linear_present(output_dir) else models


def settings() -> dict[str, Any]:
    """All that decides zip and report, besides the embeddings: what `ensemble_and_report` takes, and if weights are fitted."""
    options, files = flags.FLAGS, members()
    models = files or options.models or present()
    data_dir, normalize = Path(options.data_dir), options.normalize
    return {
        "output_dir": Path(options.output_dir),
        "data_dir": data_dir,
        "weights": dict(zip(models, model_weights(models, weights_asked(), bool(files)), strict=True)),
        "folds": flags.parse_folds(options.folds) if options.folds is not None else None,
        "test_name": submitted_set(data_dir, options.test_name),
        "labelled_test_name": labelled_set(data_dir, options.labelled_test_name),
        "output_zip": options.output_zip or str(Path(options.output_dir) / RESULT),
        "frame_embedding_size": options.frame_embedding_size,
        "method": method(),
        "normalize": is_fitted() and method() == "sum" if normalize is None else normalize,
        "center": bool(options.center),
        "basis_from": basis_from(),
        "svd_basis": options.svd_basis,
        "are_files": bool(files),
    } | ({"fitted": True} if is_fitted() else {})


def model_weights(models: list[str], given: list[str] | None, are_files: bool) -> list[float]:
    """Weights in the order of the models: given, else the registered ones, for files equal ones; those of embeddings sum to 1.

    Registered ones also stand for those that are still to be fitted.
    """
    if len(set(models)) < len(models):
        raise UserError(f"{','.join(models)}: a member is named twice")
    classifiers = {*registry.CLASSIFIERS, registry.LINEAR}
    if given == [FIT] and set(models) <= classifiers:
        raise UserError(f"--weights={FIT} is for models of pairs, not for {', '.join(models)}: give numbers or leave it out")
    if given is None or given == [FIT]:
        registered = [1.0] * len(models) if are_files else registry.ensemble_weights(models)
        return registered if set(models) <= classifiers else normalized_weights(registered)
    try:
        weights = [float(weight) for weight in given]
    except ValueError:
        raise UserError(f"--weights={','.join(given)}: numbers separated by commas are accepted") from None
    if len(weights) != len(models):
        raise UserError(f"--weights: {len(weights)} numbers for {len(models)} members ({', '.join(models)})")
    return weights


def check_flags(devices: int = 1) -> None:
    del devices  # which take no part
    options = flags.FLAGS
    if options.models or options.members:  # else what has runs decides, when the runs are there
        ensemble_classes.check_flags()
    if options.members and (options["models"].present or options["folds"].present):
        raise UserError("--members names all files that are summed: leave --models and --folds out")
    if options.normalize and method() == "svd":
        raise UserError("--normalize is for --method=sum: svd always scales embeddings to unit norm")
    _check_svd()
    if is_fitted() and (options.members or options.svd_basis):
        kind = "--members are files" if options.members else "--svd_basis has weights already"
        raise UserError(f"--weights={FIT} needs runs with validation pairs, and {kind}: give numbers, or leave --weights out")
    if models := members() or options.models:
        model_weights(models, weights_asked(), bool(options.members))
    elif options.folds is not None:
        class_flags.parse_runs(options.folds)


def _check_svd() -> None:
    options = flags.FLAGS
    for name in ("svd_basis", "center", "basis_from"):
        if options[name].present and options[name].value and method() != "svd":
            raise UserError(f"--{name} is for --method=svd: give that too")
        if options.svd_basis and name != "svd_basis" and options[name].present:
            raise UserError(f"--{name} is for a basis that is fitted, and --svd_basis is one that is there: leave one out")
    if options.members and options.basis_from == TRAIN:
        raise UserError(f"--basis_from={TRAIN} needs runs that embed the training videos, and --members are files: leave it out")


def class_settings() -> dict[str, Any] | None:
    """Settings of an ensemble of classifiers; None where it is one of embeddings."""
    models = ensemble_classes.check_flags()
    if not models:
        return None
    ensemble_classes.check_inputs()
    return ensemble_classes.settings(dict(zip(models, model_weights(models, flags.FLAGS.weights, False), strict=True)))


def check_inputs() -> None:
    if ensemble_classes.classifiers():
        ensemble_classes.check_inputs()
        return
    values = settings()
    if values["svd_basis"]:
        SvdBasis.load(values["svd_basis"])
    if not values["are_files"]:
        check_test_sets(values["data_dir"], values["test_name"], values["labelled_test_name"])


def finished() -> bool:
    values = class_settings()
    if not values:
        return announce_ensemble(settings())
    from vsim_tf.ensemble.class_report import announce_class_ensemble

    return announce_class_ensemble(values)


def main() -> None:
    check_flags()
    if finished():
        return
    command = flags.FLAGS.report_command or shlex.join([*app.program(sys.argv[0]), *sys.argv[1:]])
    if values := class_settings():
        from vsim_tf.ensemble.class_report import class_ensemble_and_report, note_class_sources

        note_class_sources(values, class_ensemble_and_report(**values, command=command))
        return
    from vsim_tf.ensemble.run_report import ensemble_and_report

    values = settings()
    note_sources(values, ensemble_and_report(**with_fitted_parts(values), command=command))


def with_fitted_parts(values: dict[str, Any]) -> dict[str, Any]:
    """The settings with what is fitted on training data, if that is asked for: weights, facts for the report, and the basis."""
    rest = {name: value for name, value in values.items() if name not in ("fitted", "basis_from")}
    if not values.get("fitted") and values["basis_from"] != TRAIN:
        return rest
    output_dir, data_dir, center = values["output_dir"], values["data_dir"], values["center"]
    folds = folds_of_models(output_dir, list(values["weights"]), values["folds"], values["test_name"])
    if values.get("fitted"):
        from vsim_tf.ensemble.fitted_weights import fit_ensemble

        rest |= fit_ensemble(output_dir, data_dir, folds, values["method"], values["normalize"], center)._asdict()
    if values["basis_from"] == TRAIN:
        from vsim_tf.ensemble.training_basis import training_basis

        rest["basis"] = training_basis(output_dir, data_dir, folds, rest["weights"], center)
    return rest

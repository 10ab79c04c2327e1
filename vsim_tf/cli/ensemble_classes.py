"""The ensemble of classifiers, as `vsim_tf.cli.ensemble` starts it: its flags checked, and what they stand for."""

from pathlib import Path
from typing import Any

from vsim_tf.cli import class_flags, flags, run_length
from vsim_tf.ensemble.find import fold_runs
from vsim_tf.errors import UserError
from vsim_tf.inference.products import PREDICTIONS
from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import RESULT_CSV, TEST_A, category_labels
from vsim_tf.presets import registry
from vsim_tf.presets.small import CLASSES
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.test_sets import submitted_set

OF_EMBEDDINGS = ("method", "normalize", "center", "basis_from", "svd_basis", "output_zip")
OF_CLASSES = ("labels", "output_csv", "decision")
"""Flags that the other kind of ensemble has no use for."""


def classifiers() -> list[str]:
    """The classifiers to combine: named, or those with runs; none where models of embeddings are meant.

    Raises:
        UserError: both kinds are named, or both have runs and none is named.
    """
    options = flags.FLAGS
    if options.members:
        return []
    if options.models:
        return _of_one_kind(options.models, "--models names", "name those of one kind")
    models = (*registry.PUBLIC_MODELS, *registry.CLASSIFIERS)
    there = [model for model in models if fold_runs(options.output_dir, model, PREDICTIONS)]
    return _of_one_kind(there, f"{options.output_dir} has runs of", "choose by --models")


def _of_one_kind(models: list[str], said: str, remedy: str) -> list[str]:
    found = [model for model in models if model in registry.CLASSIFIERS]
    others = [model for model in models if model not in (*found, registry.LINEAR)]
    if found and others:
        raise UserError(f"{said} classifiers ({', '.join(found)}) and models of embeddings ({', '.join(others)}): {remedy}")
    if models and not found and not others:
        raise UserError(f"{said} {registry.LINEAR} alone, which joins trained models: classifiers, or models of embeddings")
    return models if found else []


def check_flags() -> list[str]:
    """The classifiers, see `classifiers`; `UserError` for flags of the other kind of ensemble."""
    options, models = flags.FLAGS, classifiers()
    of_classes = bool(models)
    for name in OF_EMBEDDINGS if of_classes else OF_CLASSES:
        if options[name].present:
            raise UserError(f"--{name} is for an ensemble of {'embeddings' if of_classes else 'classifiers'}: leave it out")
    if options.folds is not None:
        (class_flags.parse_runs if of_classes else flags.parse_folds)(options.folds)
    return models


def settings(weights: dict[str, float]) -> dict[str, Any]:
    """All that decides csv and report, besides the predictions, as `class_ensemble_and_report` takes it."""
    options = flags.FLAGS
    data_dir, labelled = flags.records_dir(), options.labelled_test_name or TEST_A
    return {
        "output_dir": Path(options.output_dir),
        "data_dir": data_dir,
        "weights": weights,
        "folds": class_flags.parse_runs(options.folds) if options.folds is not None else None,
        "test_name": submitted_set(data_dir, options.test_name),
        "labelled_test_name": labelled,
        "labels": Path(options.labels or category_labels(data_dir, labelled)),
        "output_csv": options.output_csv or str(Path(options.output_dir) / RESULT_CSV),
        "decision": run_length.chosen_flag("decision", CLASSES),
        "frame_embedding_size": options.frame_embedding_size,
    }


def check_inputs() -> None:
    """`UserError` for labels that are missing or cannot be used."""
    if flags.FLAGS.labels:
        require_existing(flags.FLAGS.labels)
        read_categories(flags.FLAGS.labels)

"""Fine-tuning runs: their folders, files and settings, without TensorFlow."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from vsim_tf.components import fields_below
from vsim_tf.errors import UserError
from vsim_tf.io.paths import fold_name
from vsim_tf.records.feature_origin import Origin, require_same_tower
from vsim_tf.records.manifest import files_of_fold, read_manifest
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import RunFolder, RunSettings, checkpoint_fingerprint, data_files, features_by
from vsim_tf.runs.stage import Stage


@dataclasses.dataclass(frozen=True)
class PairRun:
    """One fine-tuning run: its folder and its files of pairs; rank labels are ranks among those of `ranked_files`.

    `features_by` is the tower that made the features of the pairs, where it is known.
    """

    folder: Path
    train_files: Sequence[str]
    val_files: Sequence[str]
    ranked_files: Sequence[str]
    features_by: Origin | None = None


def fold_runs(model_folder: Path, folds_dir: Path, folds: Sequence[int]) -> list[PairRun]:
    """The runs of some folds: each trains on every file but the fold's, and validates on the fold's."""
    manifest, runs = read_manifest(folds_dir), []
    for fold in folds:
        train_files, val_files = files_of_fold(folds_dir, manifest, fold)
        ranked = sorted({*train_files, *val_files})
        runs.append(PairRun(model_folder / fold_name(fold), train_files, val_files, ranked, manifest.features_by))
    return runs


def fold_run(model_folder: Path, folds_dir: Path, fold: int) -> PairRun:
    """The run of one fold."""
    return fold_runs(model_folder, folds_dir, [fold])[0]


def pattern_run(model_folder: Path, name: str, train_pattern: str, val_pattern: str) -> PairRun:
    """A run on files given by patterns, e.g. in the layout of 2021."""
    train_files = expand_pattern(train_pattern, may_be_empty=True)  # as always-train.tfrecord may be
    val_files = expand_pattern(val_pattern)
    return PairRun(model_folder / name, train_files, val_files, sorted({*train_files, *val_files}))


def finished_pretraining(pretrained: Path, model: str) -> RunFolder:
    """A complete pre-training run; `UserError` when it is missing, not complete, or of another model."""
    run = RunFolder.open(pretrained)
    run.require_model(model)
    if run.summary is None:
        raise UserError(f"{pretrained}: pre-training is not complete; pre-train {model} first")
    return run


def run_settings(start: RunFolder, runs: Sequence[PairRun], training: Stage) -> list[RunSettings]:
    """All that decides the result of each fine-tuning run that starts from a pre-training run.

    Raises:
        UserError: a task that the model cannot be trained on, or pairs with features of another tower than its pre-training's.
    """
    for run in runs:
        require_same_tower(f"the pre-training {start.path}", start.features_by, f"the pairs of {run.folder}", run.features_by)
    for name, task in training.tasks.items():
        with fields_below(f"training.tasks.{name}."):
            task.require_model(start.model)
    first_weights = checkpoint_fingerprint(start.checkpoint())
    return [
        RunSettings(
            "pair", start.model, training, start.tokenizer, start.tags,
            {"train": data_files(run.train_files), "validation": data_files(run.val_files), "pretrained": first_weights}
            | features_by(start.features_by or run.features_by),
        )
        for run in runs
    ]  # fmt: skip

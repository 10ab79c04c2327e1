"""The fine-tuning stage: one pre-trained model on scored pairs, any number of folds in one process."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import tensorflow as tf

from vsim_tf.config import StageConfig
from vsim_tf.data.manifest import fold_files
from vsim_tf.data.pipeline import TrainingData, numbered_batches, readable_errors
from vsim_tf.data.plausibility import check_sample
from vsim_tf.data.rank_labels import RankLabels, read_similarities
from vsim_tf.data.record_index import RecordIndex
from vsim_tf.data.records import expand_pattern
from vsim_tf.embedding import Embedder
from vsim_tf.errors import UserError
from vsim_tf.training.checkpoint_files import LAST, newest_checkpoint
from vsim_tf.training.checkpoints import restore_weights
from vsim_tf.training.cluster import worker_shard
from vsim_tf.training.console import announce, announce_finished
from vsim_tf.training.device import suitable_precision
from vsim_tf.training.loop import Batches, Trainer
from vsim_tf.training.objectives import PairObjective
from vsim_tf.training.pretraining import make_trainer
from vsim_tf.training.run_folder import (
    TAGS,
    TOKENIZER,
    RunSettings,
    checkpoint_fingerprint,
    data_files,
    prepare_run_folder,
    read_batch_format,
    read_model_config,
    read_summary,
    write_summary,
)
from vsim_tf.training.run_space import require_space_for_runs
from vsim_tf.training.strategy import make_strategy

PAIRS_LOOKED_AT = 256
"""Of the first run's training pairs, before training."""


@dataclasses.dataclass(frozen=True)
class PairRun:
    """One fine-tuning run: its folder and its files of pairs; rank labels are ranks among those of `ranked_files`."""

    folder: Path
    train_files: Sequence[str]
    val_files: Sequence[str]
    ranked_files: Sequence[str]


def fold_run(model_folder: Path, folds_dir: Path, fold: int) -> PairRun:
    """The run of one fold: trains on every file but the fold's, validates on the fold's."""
    train_files, val_files = fold_files(folds_dir, fold)
    return PairRun(model_folder / f"fold-{fold:02d}", train_files, val_files, sorted({*train_files, *val_files}))


def pattern_run(model_folder: Path, name: str, train_pattern: str, val_pattern: str) -> PairRun:
    """A run on files given by patterns, e.g. in the layout of 2021."""
    train_files = expand_pattern(train_pattern, may_be_empty=True)  # as always-train.tfrecord may be
    return PairRun(model_folder / name, train_files, expand_pattern(val_pattern), train_files)


def finetune(
    model: str,
    pretrained: Path,
    runs: Sequence[PairRun],
    training: StageConfig,
    overwrite: bool = False,
    keep_optimizer: bool = False,
):
    """Fine-tunes a pre-trained model once for each run, always from the last pre-training weights with fresh optimizers.

    Args:
        model: registered name, checked against the pre-training run's.
        pretrained: folder of a complete pre-training run.
        runs: folders and files.
        training: how to train.
        overwrite: replace what the folders hold.
        keep_optimizer: keep the optimizer's moments of complete runs.

    Raises:
        UserError: the disk is too small for the runs, or the pre-training run is missing, not complete, or of another model.
    """
    strategy = make_strategy()
    training = training.replace(precision=suitable_precision(training.precision))
    config = read_model_config(pretrained)
    if config.name != model:
        raise UserError(f"{pretrained} holds model {config.name}, --model={model} was asked for")
    if read_summary(pretrained) is None:
        raise UserError(f"{pretrained}: pre-training is not complete; run train_pretrain.py --model={model} first")
    checkpoint = newest_checkpoint(pretrained, LAST)
    form = read_batch_format(pretrained, config)
    trainer = embedder = None
    for run in runs:
        label = f"{model} {run.folder.name}"
        data = {
            "train": data_files(run.train_files), "validation": data_files(run.val_files),
            "pretrained": checkpoint_fingerprint(checkpoint),
        }  # fmt: skip
        settings = RunSettings("pair", config, training, form.tokenizer, form.tags, data)
        if summary := prepare_run_folder(run.folder, settings, overwrite):
            announce_finished(label, summary, run.folder)
            continue
        if trainer is None:
            index = RecordIndex(run.train_files)
            check_sample(index, "pairs", form, PAIRS_LOOKED_AT, pretrained / TAGS, pretrained / TOKENIZER)
            trainer = make_trainer(config, training, PairObjective(training.kl_weight), strategy, pretraining=False)
            embedder = Embedder(trainer.model, strategy)
            announce(f"fine-tune {model}", settings, strategy, {"runs": len(runs)})
            unfinished = [each.folder for each in runs if overwrite or not _is_complete(each.folder, training.total_steps)]
            require_space_for_runs(trainer.state, unfinished, keep_optimizer)
        _train(trainer, embedder, run, settings, form, checkpoint, label, keep_optimizer)


def _is_complete(folder: Path, total_steps: int) -> bool:
    """Whether a folder holds a complete run of so many steps; one of fewer may be extended."""
    return (read_summary(folder) or {}).get("step") == total_steps


def _train(trainer: Trainer, embedder: Embedder, run: PairRun, settings: RunSettings, form, checkpoint, label, keep_optimizer):
    training = settings.training
    rounded = dataclasses.replace(form, length_multiple=training.length_multiple)
    data = TrainingData(run.train_files, "pairs", rounded, training.batch_size, training.seed, bucket=training.bucket_by_length)
    validation = numbered_batches(run.val_files, "pairs", form, training.val_batch_size, worker_shard())
    with readable_errors():
        summary = trainer.run(
            run.folder,
            training_batches(data, run, training),
            lambda: embedder.evaluate_pairs(validation),
            lambda: restore_weights(trainer.model, checkpoint),
            label,
            keep_optimizer,
        )
    write_summary(run.folder, summary)
    announce_finished(label, summary, run.folder, trainer)


def training_batches(data: TrainingData, run: PairRun, training: StageConfig) -> Batches:
    """The training data from a step on, with the labels that the stage asks for."""
    if training.labels == "scores":
        return data.batches
    relabel = RankLabels(read_similarities(tuple(run.ranked_files)))
    return lambda start_step, rows=None: data.batches(start_step, rows).map(relabel)

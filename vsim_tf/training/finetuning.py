"""The fine-tuning stage: one pre-trained model on labelled pairs, any number of folds in one process."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import tensorflow as tf

from vsim_tf.distributed.cluster import worker_shard
from vsim_tf.distributed.device import suitable_precision
from vsim_tf.distributed.strategy import Rows, make_strategy
from vsim_tf.distributed.workers import other_workers, require_agreement
from vsim_tf.evaluation.evaluators import PairEvaluator
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.decoding import BatchFormat
from vsim_tf.input.pipeline import TrainingData, numbered_batches, readable_errors
from vsim_tf.input.plausibility import check_sample
from vsim_tf.io.paths import TAGS, TOKENIZER
from vsim_tf.models.network import VideoNetwork
from vsim_tf.records.rank_labels import RankLabels, read_similarities
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.runs.run_folder import (
    RunSettings,
    is_complete,
    prepare_run_folder,
    run_lock,
    write_summary,
)
from vsim_tf.runs.run_space import require_space_for_runs
from vsim_tf.runs.stage import Stage
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.pair_similarity import truncated_dims
from vsim_tf.training.console import announce, announce_finished
from vsim_tf.training.loop import Batches, Trainer
from vsim_tf.training.pair_metric import MAX_PAIRS, fit_metric
from vsim_tf.training.pair_runs import PairRun, finished_pretraining, run_settings
from vsim_tf.training.pretraining import make_trainer
from vsim_tf.training.projection import write_projection

PAIRS_AT_ONCE = 256
PAIRS_LOOKED_AT = 256
"""Of the first run's training pairs, before training."""


@other_workers()
def finetune(
    model: str,
    pretrained: Path,
    runs: Sequence[PairRun],
    training: Stage,
    overwrite: bool = False,
    keep_optimizer: bool = False,
) -> None:
    """Fine-tunes a pre-trained model once for each run, always from the weights that pre-training keeps, with fresh optimizers.

    Args:
        model: registered name, checked against the pre-training run's.
        pretrained: folder of a complete pre-training run.
        runs: folders and files.
        training: how to train.
        overwrite: replace what the folders hold.
        keep_optimizer: keep the optimizer's moments of complete runs.

    Raises:
        UserError: the disk is too small for the runs, the pre-training run is missing, not complete, or of another model, or its
            model cannot be trained in such micro-batches.
    """
    strategy = make_strategy()
    training = training.replace(precision=suitable_precision(training.precision))
    start = finished_pretraining(pretrained, model)
    training.require_micro_batches(start.model, strategy.num_replicas_in_sync)
    settings_of_runs = run_settings(start, runs, training)
    form, checkpoint = start.batch_format(), start.checkpoint()
    trainer: Trainer | None = None
    embedder: Embedder | None = None
    for run, settings in zip(runs, settings_of_runs, strict=True):
        label = f"{model} {run.folder.name}"
        with run_lock(run.folder):
            summary = prepare_run_folder(run.folder, settings, overwrite)
            of_run = settings.to_dict() | {"is complete": summary is not None}
            require_agreement(strategy, of_run.copy, run.folder)
            if summary:
                announce_finished(label, summary, run.folder)
                continue
            if trainer is None or embedder is None:
                index = RecordIndex(run.train_files)
                check_sample(index, "pairs", form, PAIRS_LOOKED_AT, pretrained / TAGS, pretrained / TOKENIZER)
                trainer = make_trainer(start.model, training, strategy)
                embedder = Embedder(trainer.network, strategy, truncated_dims(training.tasks.values(), start.model.dim))
                counts = {"runs": len(runs), "training pairs of the first": len(index)}
                announce(f"fine-tune {model}", settings, strategy, counts, len(index), run.folder.parent)
                unfinished = [each.folder for each in runs if overwrite or not is_complete(each.folder, training.total_steps)]
                require_space_for_runs(trainer.state, unfinished, keep_optimizer)
            _train(trainer, embedder, run, settings, form, checkpoint, label, keep_optimizer)


def _train(
    trainer: Trainer,
    embedder: Embedder,
    run: PairRun,
    settings: RunSettings,
    form: BatchFormat,
    checkpoint: str,
    label: str,
    keep_optimizer: bool,
) -> None:
    training = settings.training
    rounded = dataclasses.replace(form, length_multiple=training.length_multiple)
    data = TrainingData(run.train_files, "pairs", rounded, training.batch_size, training.seed, bucket=training.bucket_by_length)
    validation = numbered_batches(run.val_files, "pairs", form, training.val_batch_size, worker_shard())
    relabel = relabelling(run, training)
    if relabel:
        validation = validation.map(lambda numbers, batch: (numbers, relabel(batch)))
    with readable_errors():
        summary = trainer.run(
            run.folder,
            training_batches(data, relabel),
            PairEvaluator(embedder, validation),
            lambda: _start(trainer.network, checkpoint, run, form, relabel),
            label,
            keep_optimizer,
        )
        write_projection(run.folder, trainer, embedder, settings, run.val_files, "pairs")
    write_summary(run.folder, summary)
    announce_finished(label, summary, run.folder, trainer)


def _start(network: VideoNetwork, checkpoint: str, run: PairRun, form: BatchFormat, relabel: RankLabels | None) -> None:
    """The weights that pre-training keeps; those of a linear embedding follow the training pairs."""
    restore_weights(network, checkpoint)
    if network.linear and network.linear.config.metric:
        pairs = numbered_batches(run.train_files, "pairs", form, PAIRS_AT_ONCE, spread=MAX_PAIRS)
        fit_metric(network.linear, (relabel(batch) if relabel else batch for _, batch in pairs))


def relabelling(run: PairRun, training: Stage) -> RankLabels | None:
    """What puts the labels that the stage asks for in the place of human similarity scores; None for the scores themselves."""
    return None if training.labels == "scores" else RankLabels(read_similarities(tuple(run.ranked_files)))


def training_batches(data: TrainingData, relabel: RankLabels | None) -> Batches:
    """The training data from a step on, with other labels if asked for."""
    if relabel is None:
        batches: Batches = data.batches
        return batches

    def relabelled(start_step: int, rows: Rows | None = None) -> tf.data.Dataset:
        return data.batches(start_step, rows).map(relabel)

    return relabelled

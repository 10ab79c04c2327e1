"""The classification stage: one model on videos of known classes, any number of folds in one process."""

import dataclasses
import logging
from collections.abc import Mapping

import keras
import numpy as np

from vsim_tf.distributed.cluster import worker_shard
from vsim_tf.distributed.device import suitable_precision
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.distributed.workers import other_workers, require_agreement
from vsim_tf.evaluation.evaluators import ClassEvaluator
from vsim_tf.inference.embedder import Embedder
from vsim_tf.inference.predictor import Predictor
from vsim_tf.input.pipeline import TrainingData, numbered_batches, readable_errors
from vsim_tf.models.build import build_network
from vsim_tf.models.model import Model
from vsim_tf.runs.run_folder import (
    batch_format,
    checkpoint_fingerprint,
    is_complete,
    prepare_run_folder,
    run_lock,
    write_summary,
)
from vsim_tf.runs.run_space import require_space_for_runs
from vsim_tf.runs.stage import Stage
from vsim_tf.runs.weights import model_weights, restore_shared_weights
from vsim_tf.training.class_options import ClassOptions
from vsim_tf.training.class_runs import (
    SHARED,
    ClassRun,
    LabelledVideos,
    StartingPoints,
    class_runs,
    labelled_videos,
    starting_points,
)
from vsim_tf.training.console import announce, announce_finished
from vsim_tf.training.loop import Trainer
from vsim_tf.training.pretraining import make_trainer, start_encoder, start_tower
from vsim_tf.training.projection import write_projection

TOWER = r"tower/.*"

logger = logging.getLogger(__name__)


@other_workers()
def classify(options: ClassOptions) -> None:
    """Trains a classifier once for each run that was asked for, or says that they are complete.

    Raises:
        UserError: the disk is too small, what the runs start from is missing or does not fit, or records cannot be used.
    """
    strategy = make_strategy()
    precision = suitable_precision(options.training.precision)
    options = dataclasses.replace(options, training=options.training.replace(precision=precision))
    videos = labelled_videos(options.records)
    trainer: Trainer | None = None
    embedder: Embedder | None = None
    first: dict[str, np.ndarray] = {}
    runs = class_runs(options, videos)
    for run in runs:
        label = f"{options.classifier.name} {run.folder.name}"
        with run_lock(run.folder):
            summary = prepare_run_folder(run.folder, run.settings, options.overwrite)
            of_run = run.settings.to_dict() | {"is complete": summary is not None}
            require_agreement(strategy, of_run.copy, run.folder)
            if summary:
                announce_finished(label, summary, run.folder)
                continue
            if trainer is None or embedder is None:
                trainer = make_trainer(run.settings.model, options.training, strategy)
                embedder = Embedder(trainer.network, strategy)
                first = {name: weight.numpy() for name, weight in trainer.state.weights.items()}
                counts = {"training videos": len(run.training), "validation videos": len(run.validation)}
                title = f"classify {options.classifier.name}"
                announce(title, run.settings, strategy, counts, len(run.training), options.folder)
                steps = options.training.total_steps
                unfinished = [each.folder for each in runs if options.overwrite or not is_complete(each.folder, steps)]
                require_space_for_runs(trainer.state, unfinished, options.keep_optimizer)
            if options.random_start:
                first = random_weights(run.settings.model, options.training, run.number)
            _train(trainer, embedder, first, run, videos, options, label)


def _train(
    trainer: Trainer,
    embedder: Embedder,
    first: Mapping[str, np.ndarray],
    run: ClassRun,
    videos: LabelledVideos,
    options: ClassOptions,
    label: str,
) -> None:
    training, model = trainer.stage, run.settings.model
    form = batch_format(model, run.settings.tokenizer, run.settings.tags)
    rounded = dataclasses.replace(form, length_multiple=training.length_multiple, classes=videos.classes)
    data = TrainingData(
        videos.files, "videos", rounded, training.batch_size, training.seed, bucket=training.bucket_by_length,
        numbers=run.training, drawn=model.frames.drawn,
    )  # fmt: skip
    validation = numbered_batches(videos.files, "videos", form, training.val_batch_size, worker_shard(), chosen=run.validation)
    predictor = Predictor(trainer.network, trainer.strategy)
    starts = starting_points(options)

    def start_from() -> None:
        filled = start_weights(trainer, first, starts)
        for line in [] if trainer.traces else filled:  # once for all runs
            logger.info(line)

    with readable_errors():
        summary = trainer.run(
            run.folder,
            data.batches,
            ClassEvaluator(predictor, validation, videos.targets[run.validation], videos.classes),
            start_from,
            label,
            options.keep_optimizer,
        )
        write_projection(run.folder, trainer, embedder, run.settings, videos.files, "videos", run.validation)
    write_summary(run.folder, summary)
    announce_finished(label, summary, run.folder, trainer)


def random_weights(model: Model, training: Stage, run: int) -> dict[str, np.ndarray]:
    """First weights of a classifier by name, drawn with a seed of their own for each model and run."""
    seeds = np.random.SeedSequence([training.seed, run, *model.name.encode()])
    keras.utils.set_random_seed(int(seeds.generate_state(1)[0]))
    return {name: weight.numpy() for name, weight in model_weights(build_network(model, training.tasks.values())).items()}


def start_weights(trainer: Trainer, first: Mapping[str, np.ndarray], starts: StartingPoints) -> list[str]:
    """Fills a classifier from what it starts from; returns lines about it.

    Args:
        trainer: of the classifier.
        first: random weights by name, for its head and what else nothing has.
        starts: what it starts from.
    """
    network = trainer.network
    for name, value in first.items():
        trainer.state.weights[name].assign(value)
    if starts.random_start:
        return ["the classifier starts from random weights"]
    filled = []
    if starts.hub_dir:
        filled.append(start_encoder(network, starts.hub_dir))
    if starts.clip_dir:
        filled.append(start_tower(network, starts.clip_dir))
    if starts.shared:
        checkpoint = starts.pretrained.checkpoint()
        filled.append(f"{len(restore_shared_weights(network, checkpoint, starts.shared))} weights filled from {checkpoint}")
    if starts.tower:
        checkpoint = starts.tower.checkpoint()
        of_tower = len(restore_shared_weights(network, checkpoint, TOWER))
        filled.append(f"{of_tower} weights of the tower filled from {checkpoint}{_other_features(starts, checkpoint)}")
    return filled


def _other_features(starts: StartingPoints, checkpoint: str) -> str:
    """Which tower made the features that the shared weights were pre-trained on, where it is known and another one."""
    before = starts.pretrained.features_by
    if starts.shared != SHARED or before is None or before.sha256 == checkpoint_fingerprint(checkpoint):
        return ""
    return f"; {starts.pretrained.path} was pre-trained on features of the tower {before.tower}"

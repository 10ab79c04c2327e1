"""The pre-training stage: one model on tagged videos, evaluated on the labelled pairs."""

import dataclasses
import logging
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from vsim_tf.distributed.cluster import is_chief, worker_shard
from vsim_tf.distributed.device import suitable_precision
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.distributed.workers import other_workers, require_agreement
from vsim_tf.evaluation.evaluators import VideoEvaluator
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.decoding import BatchFormat
from vsim_tf.input.pipeline import Corruption, TrainingData, numbered_batches, readable_errors
from vsim_tf.input.plausibility import check_sample
from vsim_tf.layers.heads import MaskedLanguageModelHead
from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.models.clip_weights import load_vision_tower
from vsim_tf.models.hub_weights import load_pretrained
from vsim_tf.models.network import VideoNetwork
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.runs.run_folder import RunSettings, batch_format, prepare_run_folder, read_summary, run_lock, write_summary
from vsim_tf.runs.run_space import require_space_for_runs
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks import masked_tokens
from vsim_tf.training.console import announce, announce_finished
from vsim_tf.training.joint_basis import BASIS_VIDEOS, fit_basis
from vsim_tf.training.linear_exponent import fit_exponent
from vsim_tf.training.linear_start import MAX_VIDEOS, fit_linear
from vsim_tf.training.loop import Trainer
from vsim_tf.training.objective_evaluator import ObjectiveEvaluator
from vsim_tf.training.pretrain_inputs import PretrainInputs, PretrainOptions, note_source, read_inputs
from vsim_tf.training.projection import write_projection

VIDEOS_LOOKED_AT = 2000
"""Of each data set, before training: enough to see what is missing altogether, read in a second."""
VIDEOS_AT_ONCE = 256

logger = logging.getLogger(__name__)


@other_workers()
def pretrain(options: PretrainOptions) -> None:
    """Pre-trains one model, or says that it is done already."""
    strategy = make_strategy()
    options.training.require_micro_batches(options.model, strategy.num_replicas_in_sync)
    inputs = read_inputs(options)
    settings = inputs.settings(options.training.replace(precision=suitable_precision(options.training.precision)))
    label = f"pretrain {options.model.name}"
    if options.overwrite or read_summary(options.folder) is None:  # before a folder is made that keeps what is wrong
        _check_videos(options, inputs)
    with run_lock(options.folder):
        summary = prepare_run_folder(options.folder, settings, options.overwrite)
        require_agreement(strategy, lambda: settings.to_dict() | {"is complete": summary is not None}, options.folder)
        if is_chief():
            note_source(options, inputs)
        if summary:
            announce_finished(label, summary, options.folder)
        else:
            _train(options, settings, strategy, inputs, label)


def _train(
    options: PretrainOptions,
    settings: RunSettings,
    strategy: tf.distribute.Strategy,
    inputs: PretrainInputs,
    label: str,
) -> None:
    training = settings.training
    context = any(task.reads_context for task in training.tasks.values())
    form = batch_format(settings.model, settings.tokenizer, settings.tags, context=context)
    trainer = make_trainer(settings.model, training, strategy)
    embedder = Embedder(trainer.network, trainer.strategy)
    corruptions = [task.corrupt for task in training.tasks.values()]
    rounded = dataclasses.replace(form, length_multiple=training.length_multiple)
    data = TrainingData(
        inputs.training_files(), "videos", rounded, training.batch_size, training.seed, corruptions,
        training.bucket_by_length, inputs.phases(training), inputs.files.get("test", ()),
    )  # fmt: skip
    counts = {"training videos": data.num_records, "validation pairs": len(inputs.pairs)}
    announce(label, settings, trainer.strategy, counts, options.videos_of_an_epoch(), options.folder)
    require_space_for_runs(trainer.state, [options.folder], options.keep_optimizer)
    with readable_errors():
        summary = trainer.run(
            options.folder,
            data.batches,
            _with_basis(_evaluator(options, inputs, trainer, embedder, form, corruptions), inputs, embedder, form),
            lambda: _start(trainer.network, options, inputs, form),
            label,
            options.keep_optimizer,
            data.ended_epoch,
        )
        write_projection(options.folder, trainer, embedder, settings, inputs.val_files, "videos")
    write_summary(options.folder, summary)
    announce_finished(label, summary, options.folder, trainer)


def _evaluator(
    options: PretrainOptions,
    inputs: PretrainInputs,
    trainer: Trainer,
    embedder: Embedder,
    form: BatchFormat,
    corruptions: Sequence[Corruption],
) -> Callable[[], dict[str, float]]:
    """Scores of labelled pairs and tags; of a model without either, the loss of the validation videos."""
    training, files = trainer.stage, inputs.val_files
    if options.label_file:
        videos = training.val_videos or None
        validation = numbered_batches(files, "videos", form, training.val_batch_size, worker_shard(), videos)
        return VideoEvaluator(embedder, validation, inputs.pairs, training.val_videos > 0)
    batch = training.batch_size
    data = TrainingData(files, "videos", form, batch, training.seed, corruptions, bucket=False)
    videos = min(data.num_records, training.val_videos or data.num_records)
    return ObjectiveEvaluator(trainer, data, max(videos // batch, 1))


def _with_basis(
    evaluate: Callable[[], dict[str, float]], inputs: PretrainInputs, embedder: Embedder, form: BatchFormat
) -> Callable[[], dict[str, float]]:
    """The evaluation; next to a linear embedding, after the basis of both is fitted to what the network has learnt by now."""
    linear = embedder.model.linear
    if linear is None:
        return evaluate
    videos = numbered_batches(inputs.tagged_files, "videos", form, VIDEOS_AT_ONCE, worker_shard(), spread=BASIS_VIDEOS)

    def evaluate_by_basis() -> dict[str, float]:
        fit_basis(linear, embedder, videos)
        return evaluate()

    return evaluate_by_basis


def _start(network: VideoNetwork, options: PretrainOptions, inputs: PretrainInputs, form: BatchFormat) -> None:
    """First weights, where they are not random."""
    start_from_published(network, options.hub_dir, options.clip_dir)
    if network.linear:
        videos = numbered_batches(inputs.tagged_files, "videos", form, VIDEOS_AT_ONCE, spread=MAX_VIDEOS)
        values = fit_linear(network.linear, (batch for _, batch in videos), form.tokenizer.special_ids)
        limit = options.training.val_videos or None
        of_pairs = numbered_batches(inputs.val_files, "videos", form, VIDEOS_AT_ONCE, limit=limit)
        fit_exponent(network.linear, values, (batch for _, batch in of_pairs), inputs.pairs)


def start_from_published(network: VideoNetwork, hub_dir: str, clip_dir: str) -> None:
    """Fills encoder and MLM head, and the vision tower, from Hugging Face folders where these are given."""
    if hub_dir:
        logger.info(start_encoder(network, hub_dir))
    else:
        logger.info(f"the {network.config.encoder.kind} encoder starts from random weights")
    if clip_dir:
        logger.info(start_tower(network, clip_dir))
    elif network.tower:
        logger.info("the vision tower starts from random weights")


def start_encoder(network: VideoNetwork, hub_dir: str) -> str:
    """Fills encoder and MLM head from a Hugging Face folder; returns a line about it."""
    return str(load_pretrained(network.encoder, hub_dir, _untied_mlm_head(network)))


def start_tower(network: VideoNetwork, clip_dir: str) -> str:
    """Fills the vision tower from a Hugging Face folder; returns a line about it."""
    assert network.tower is not None
    return str(load_vision_tower(network.tower, clip_dir))


def _check_videos(options: PretrainOptions, inputs: PretrainInputs) -> None:
    """Says how much of the tags and titles is known; `UserError` where nothing is."""
    form = batch_format(inputs.model, inputs.tokenizer, inputs.tags)
    vocabulary = options.hub_dir or options.vocab or "the vocabulary built from the training titles"
    for name, files in {"training": inputs.tagged_files, "validation": inputs.val_files}.items():
        tags_needed = name == "training" and bool(options.tag_file)
        found = check_sample(RecordIndex(files), "videos", form, VIDEOS_LOOKED_AT, options.tag_file, vocabulary, tags_needed)
        logger.info(f"{name}: {found}")


def _untied_mlm_head(network: VideoNetwork) -> MaskedLanguageModelHead | None:
    """The MLM head if it has a decoder of its own, which starts from the checkpoint's; a tied one starts from random weights."""
    head = network.heads.get(masked_tokens.HEAD)
    return head if isinstance(head, MaskedLanguageModelHead) and not head.tied else None


def make_trainer(model: Model, training: Stage, strategy: tf.distribute.Strategy) -> Trainer:
    """The network of a model with seeded first weights, and its trainer."""
    keras.utils.set_random_seed(training.seed)
    keras.config.set_dtype_policy(suitable_precision(training.precision))
    with strategy.scope():
        network = build_network(model, training.tasks.values())
    network.encoder.remat = training.remat
    return Trainer(network, training, strategy)

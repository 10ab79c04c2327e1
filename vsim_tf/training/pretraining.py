"""The pre-training stage: one model on tagged videos, evaluated on the scored pairs."""

from collections.abc import Callable

import keras
import tensorflow as tf

from vsim_tf import registry
from vsim_tf.config import ModelConfig, PretrainOptions, StageConfig
from vsim_tf.data.labels import read_labels
from vsim_tf.data.pipeline import BatchFormat, TrainingData, evaluation_batches, readable_errors
from vsim_tf.data.plausibility import check_sample
from vsim_tf.data.record_index import RecordIndex
from vsim_tf.data.records import expand_pattern, read_records
from vsim_tf.data.schema import TITLE
from vsim_tf.data.tags import read_tag_list
from vsim_tf.data.text import Tokenizer, WordTokenizer, build_vocab, decode_titles, load_tokenizer
from vsim_tf.data.videos import parse_example
from vsim_tf.embedding import Embedder
from vsim_tf.models import VideoModel, build_model
from vsim_tf.training.console import announce, announce_finished
from vsim_tf.training.device import suitable_precision
from vsim_tf.training.loop import Trainer
from vsim_tf.training.objectives import PretrainObjective
from vsim_tf.training.pretrained import load_pretrained, read_encoder_config
from vsim_tf.training.run_folder import RunSettings, batch_format, data_files, prepare_run_folder, read_summary, write_summary
from vsim_tf.training.strategy import make_strategy

VIDEOS_LOOKED_AT = 2000
"""Of each data set, before training: enough to see what is missing altogether, read in a second."""


def pretrain(options: PretrainOptions):
    """Pre-trains one model, or says that it is done already."""
    strategy = make_strategy()
    spec = registry.model_spec(options.model)
    train_files, val_files = expand_pattern(options.train_records), expand_pattern(options.val_records)
    pairs, tags = read_labels(options.label_file), read_tag_list(options.tag_file)
    tokenizer = make_tokenizer(options, spec.encoder_kind, train_files)
    hub_config = read_encoder_config(options.hub_dir, spec.encoder_kind) if options.hub_dir else None
    encoder = registry.encoder_config(spec, options.size, tokenizer.vocab_size, hub_config)
    model_config = registry.model_config(spec, options.size, encoder, len(tags), **options.model_overrides)
    data = {"train": data_files(train_files), "validation": data_files(val_files), "pairs": len(pairs)}
    training = options.training.replace(precision=suitable_precision(options.training.precision))
    settings = RunSettings("pretrain", model_config, training, tokenizer, tags, data)
    label = f"pretrain {options.model}"
    if options.overwrite or read_summary(options.folder) is None:  # before a folder is made that keeps what is wrong
        _check_videos(options, batch_format(model_config, tokenizer, tags), {"training": train_files, "validation": val_files})
    if summary := prepare_run_folder(options.folder, settings, options.overwrite):
        announce_finished(label, summary, options.folder)
        return
    _train(options, settings, strategy, train_files, val_files, pairs, label)


def _train(options, settings: RunSettings, strategy, train_files, val_files, pairs, label: str):
    training, form = settings.training, batch_format(settings.model, settings.tokenizer, settings.tags)
    trainer = make_trainer(settings.model, training, PretrainObjective(), strategy, pretraining=True)
    mask_words = "mlm" in settings.model.pretrain_losses
    data = TrainingData(train_files, "videos", form, training.batch_size, training.seed, mask_words, training.bucket_by_length)
    announce(label, settings, trainer.strategy, {"training videos": data.num_records, "validation pairs": len(pairs)})
    embedder = Embedder(trainer.model)
    validation = evaluation_batches(val_files, "videos", form, training.val_batch_size)

    def start():
        if options.hub_dir:
            print(load_pretrained(trainer.model.encoder, options.hub_dir))
        else:
            print(f"the {settings.model.encoder.kind} encoder starts from random weights")

    with readable_errors():
        summary = trainer.run(options.folder, data.batches, lambda: embedder.evaluate_videos(validation, pairs), start, label)
    write_summary(options.folder, summary)
    announce_finished(label, summary, options.folder, trainer.traces)


def _check_videos(options: PretrainOptions, form: BatchFormat, files: dict[str, list[str]]):
    """Says how much of the tags and titles is known; `UserError` where nothing is."""
    vocabulary = options.hub_dir or options.vocab or "the vocabulary built from the training titles"
    for name, of_set in files.items():
        tags_needed = name == "training"
        found = check_sample(RecordIndex(of_set), "videos", form, VIDEOS_LOOKED_AT, options.tag_file, vocabulary, tags_needed)
        print(f"{name}: {found}", flush=True)


def make_trainer(
    config: ModelConfig, training: StageConfig, objective: Callable, strategy: tf.distribute.Strategy, pretraining: bool
) -> Trainer:
    """A model with seeded first weights, and its trainer."""
    keras.utils.set_random_seed(training.seed)
    keras.config.set_dtype_policy(suitable_precision(training.precision))
    with strategy.scope():
        model: VideoModel = build_model(config, pretraining=pretraining)
    return Trainer(model, objective, training, strategy)


def make_tokenizer(options: PretrainOptions, kind: str, train_files: list[str]) -> Tokenizer:
    """The tokenizer of the Hugging Face folder, of the vocabulary given, or of one built from the training titles."""
    if options.hub_dir or options.vocab:
        return load_tokenizer(options.hub_dir or options.vocab, kind)
    vocabulary = build_vocab(read_titles(train_files), kind)
    return {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary)


def read_titles(files: list[str]) -> list[str]:
    """Titles of all records, in order; records are checked when they become batches."""
    titles = []
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            titles.extend(parse_example(data, f"{file}, record {number}")[TITLE].bytes_list.value)
    return decode_titles(titles)

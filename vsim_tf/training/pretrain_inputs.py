"""The inputs of a pre-training and the settings that follow from them, without TensorFlow where titles need not be read."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.config import ModelConfig, PretrainOptions, StageConfig
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing, stamp
from vsim_tf.io.paths import SOURCE, TOKENIZER
from vsim_tf.presets import registry
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.schema import TITLE
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern, read_records
from vsim_tf.runs.run_folder import RunSettings, data_files, read_json, write_json
from vsim_tf.text.tokenizers import Tokenizer, WordTokenizer, build_vocab, decode_titles, load_tokenizer


class PretrainInputs(NamedTuple):
    """What a pre-training reads: record files, labelled pairs, known tags, the tokenizer; and the model that fits them."""

    train_files: list[str]
    val_files: list[str]
    pairs: list[Pair]
    tags: np.ndarray
    tokenizer: Tokenizer
    model: ModelConfig

    def settings(self, training: StageConfig) -> RunSettings:
        """All that decides the result."""
        data = {"train": data_files(self.train_files), "validation": data_files(self.val_files), "pairs": len(self.pairs)}
        return RunSettings("pretrain", self.model, training, self.tokenizer, self.tags, data)


def read_inputs(options: PretrainOptions) -> PretrainInputs:
    """Reads labels, tags and vocabulary, and looks the record files up; `UserError` for what is missing or does not fit."""
    spec = registry.model_spec(options.model)
    train_files, val_files = expand_pattern(options.train_records), expand_pattern(options.val_records)
    pairs, tags = read_labels(options.label_file), read_tag_list(options.tag_file)
    tokenizer = make_tokenizer(options, spec.encoder_kind, train_files)
    model = model_config(options, tokenizer.vocab_size, len(tags))
    return PretrainInputs(train_files, val_files, pairs, tags, tokenizer, model)


def model_config(options: PretrainOptions, vocab_size: int, num_tags: int) -> ModelConfig:
    """The model that was asked for; `UserError` for sizes that do not go together."""
    spec = registry.model_spec(options.model)
    encoder = registry.encoder_config(spec, options.size, vocab_size, _hub_config(options, spec.encoder_kind))
    return registry.model_config(spec, options.size, encoder, num_tags, **options.model_overrides)


def check_inputs(options: PretrainOptions):
    """`UserError` for anything missing that a pre-training reads, or that does not fit; records and weights are not read."""
    require_existing(options.label_file, options.tag_file, options.hub_dir, options.vocab)
    expand_pattern(options.train_records)
    expand_pattern(options.val_records)
    read_labels(options.label_file)
    vocabulary = options.hub_dir or options.vocab
    kind = registry.model_spec(options.model).encoder_kind
    vocab_size = load_tokenizer(vocabulary, kind).vocab_size if vocabulary else 1  # or as many as the titles have
    model_config(options, vocab_size, len(read_tag_list(options.tag_file)))
    if options.hub_dir:
        from vsim_tf.models.weight_files import weights_file

        weights_file(Path(options.hub_dir))


def _hub_config(options: PretrainOptions, kind: str) -> dict[str, Any] | None:
    if not options.hub_dir:
        return None
    from vsim_tf.models.hub_weights import read_encoder_config  # loads h5py

    return read_encoder_config(options.hub_dir, kind)


def make_tokenizer(options: PretrainOptions, kind: str, train_files: list[str]) -> Tokenizer:
    """The tokenizer of the Hugging Face folder, of the vocabulary given, or of one built from the training titles.

    Titles are read once: a run folder names the files that its vocabulary was built from.
    """
    if options.hub_dir or options.vocab:
        return load_tokenizer(options.hub_dir or options.vocab, kind)
    if not options.overwrite and (tokenizer := _built_before(options, kind, train_files)):
        return tokenizer
    vocabulary = build_vocab(read_titles(train_files), kind)
    return {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary)


def note_source(options: PretrainOptions, inputs: PretrainInputs):
    """Notes in the run folder which titles its vocabulary was built from, if it was built."""
    if not (options.hub_dir or options.vocab):
        path = options.folder / TOKENIZER / SOURCE
        note = _source(inputs.tokenizer, inputs.train_files)
        if not path.exists() or read_json(path) != note:
            write_json(path, note)


def _source(tokenizer: Tokenizer, train_files: list[str]) -> dict[str, Any]:
    return {"sha256": tokenizer.fingerprint, "titles_of": [stamp(file) for file in train_files]}


def _built_before(options: PretrainOptions, kind: str, train_files: list[str]) -> Tokenizer | None:
    """The run folder's tokenizer if it was built from these files, else None."""
    folder = options.folder / TOKENIZER
    try:
        tokenizer = load_tokenizer(folder, kind)
        return tokenizer if read_json(folder / SOURCE) == _source(tokenizer, train_files) else None
    except UserError:  # missing or damaged
        return None


def read_titles(files: list[str]) -> list[str]:
    """Titles of all records, in order; records are checked when they become batches."""
    from vsim_tf.records.videos import parse_example  # loads TensorFlow

    titles = []
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            titles.extend(parse_example(data, f"{file}, record {number}")[TITLE].bytes_list.value)
    return decode_titles(titles)

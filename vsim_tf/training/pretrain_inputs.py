"""The inputs of a pre-training and the settings that follow from them, without TensorFlow where titles need not be read."""

import dataclasses
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing, stamp
from vsim_tf.io.paths import SOURCE, TOKENIZER
from vsim_tf.models.architectures import Model
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.schema import TITLE
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern, read_records
from vsim_tf.runs.run_folder import RunSettings, data_files, read_json, write_json
from vsim_tf.runs.stage import Stage
from vsim_tf.text.tokenizers import Tokenizer, WordTokenizer, build_vocab, decode_titles, load_tokenizer

PADDED_VOCABULARY = 128
"""Token embeddings are padded to multiples of at most this; a table that exceeds its vocab.txt by more belongs to another."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """What a pre-training was asked for.

    Attributes:
        model: its parts; vocabulary and tags are not known yet.
        training: how to train.
        train_records, val_records: patterns of video records.
        label_file: labelled pairs among the videos of `val_records`.
        tag_file: one known tag per line.
        hub_dir: Hugging Face folder of the text encoder; empty to train it from scratch.
        vocab: vocabulary for training from scratch; empty to build one from the training titles.
        folder: the run folder.
        overwrite: replace what the folder holds.
        keep_optimizer: keep the optimizer's moments of the complete run.
    """

    model: Model
    training: Stage
    train_records: str
    val_records: str
    label_file: str
    tag_file: str
    hub_dir: str
    vocab: str
    folder: Path
    overwrite: bool = False
    keep_optimizer: bool = False

    def fitted_model(self, vocab_size: int, num_tags: int) -> Model:
        """The model for a vocabulary and a tag list; `UserError` for sizes that do not go together."""
        return self.model.fitted(vocab_size, num_tags, _hub_config(self.hub_dir, self.model.encoder.kind, vocab_size))


class PretrainInputs(NamedTuple):
    """What a pre-training reads: record files, labelled pairs, known tags, the tokenizer; and the model that fits them."""

    train_files: list[str]
    val_files: list[str]
    pairs: list[Pair]
    tags: np.ndarray
    tokenizer: Tokenizer
    model: Model

    def settings(self, training: Stage) -> RunSettings:
        """All that decides the result."""
        data = {"train": data_files(self.train_files), "validation": data_files(self.val_files), "pairs": len(self.pairs)}
        return RunSettings("pretrain", self.model, training, self.tokenizer, self.tags, data)


def read_inputs(options: PretrainOptions) -> PretrainInputs:
    """Reads labels, tags and vocabulary, and looks the record files up; `UserError` for what is missing or does not fit."""
    train_files, val_files = expand_pattern(options.train_records), expand_pattern(options.val_records)
    pairs, tags = read_labels(options.label_file), read_tag_list(options.tag_file)
    tokenizer = make_tokenizer(options, options.model.encoder.kind, train_files)
    return PretrainInputs(train_files, val_files, pairs, tags, tokenizer, options.fitted_model(tokenizer.vocab_size, len(tags)))


def check_inputs(options: PretrainOptions) -> None:
    """`UserError` for anything missing that a pre-training reads, or that does not fit; records and weights are not read."""
    require_existing(options.label_file, options.tag_file, options.hub_dir, options.vocab)
    expand_pattern(options.train_records)
    expand_pattern(options.val_records)
    read_labels(options.label_file)
    tokenizer = _given_tokenizer(options, options.model.encoder.kind)
    vocab_size = tokenizer.vocab_size if tokenizer else 1  # or as many as the titles have
    options.fitted_model(vocab_size, len(read_tag_list(options.tag_file)))
    if options.hub_dir:
        from vsim_tf.models.weight_files import weights_file

        weights_file(Path(options.hub_dir))


def _hub_config(folder: str, kind: str, vocab_size: int) -> dict[str, Any] | None:
    if not folder:
        return None
    from vsim_tf.models.hub_weights import read_encoder_config  # loads h5py

    values = read_encoder_config(folder, kind)
    if not 0 <= values["vocab_size"] - vocab_size < PADDED_VOCABULARY:
        raise UserError(f"the vocabulary has {vocab_size} entries, config.json next to it says {values['vocab_size']}")
    return values


def make_tokenizer(options: PretrainOptions, kind: str, train_files: list[str]) -> Tokenizer:
    """The tokenizer of the Hugging Face folder, of the vocabulary given, or of one built from the training titles.

    Titles are read once: a run folder names the files that its vocabulary was built from.
    """
    if tokenizer := _given_tokenizer(options, kind):
        return tokenizer
    if not options.overwrite and (tokenizer := _built_before(options, kind, train_files)):
        return tokenizer
    vocabulary = build_vocab(read_titles(train_files), kind)
    return {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary)


def _given_tokenizer(options: PretrainOptions, kind: str) -> Tokenizer | None:
    """The tokenizer of the Hugging Face folder or of the vocabulary; None where neither is given."""
    if options.hub_dir:
        from vsim_tf.models.hub_folder import load_hub_tokenizer

        return load_hub_tokenizer(options.hub_dir, kind)
    return load_tokenizer(options.vocab, kind) if options.vocab else None


def note_source(options: PretrainOptions, inputs: PretrainInputs) -> None:
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

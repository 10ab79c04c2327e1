"""The inputs of a pre-training and the settings that follow from them, without TensorFlow where titles need not be read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.components import fields_below
from vsim_tf.errors import UserError
from vsim_tf.io.files import require_existing, stamp
from vsim_tf.io.paths import SOURCE, TOKENIZER
from vsim_tf.models.architectures import Model
from vsim_tf.records.category_tags import with_categories
from vsim_tf.records.feature_origin import origin_of
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.schema import ASR_TEXT, OCR_TEXT, TITLE
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import count_records, expand_pattern, read_records
from vsim_tf.records.videos import parse_example
from vsim_tf.runs.phase import Phase
from vsim_tf.runs.run_folder import RunSettings, data_files, features_by, read_json, write_json
from vsim_tf.runs.stage import Stage
from vsim_tf.text.fields import ALL_FIELDS
from vsim_tf.text.tokenizers import Tokenizer, WordTokenizer, build_vocab, decode_titles, load_tokenizer

SETTING_OF_SET = {"pointwise": "train"}
"""Names of data sets in config.json, where they are others."""
PADDED_VOCABULARY = 128
"""Token embeddings are padded to multiples of at most this; a table that exceeds its vocab.txt by more belongs to another."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """What a pre-training was asked for.

    Attributes:
        model: its parts; vocabulary and tags are not known yet.
        training: how to train.
        train_records, val_records, test_records: patterns of video records: tagged ones, those of the labelled pairs, and those
            of the test sets, which only some stages train on.
        label_file: labelled pairs among the videos of `val_records`; empty for a model that is pre-trained without, whose loss is
            watched instead.
        tag_file: one known tag per line; empty for a model that predicts no tags.
        clip_dir: Hugging Face folder of the vision tower; empty for none, or to train it from scratch.
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
    test_records: str
    label_file: str
    tag_file: str
    hub_dir: str
    vocab: str
    folder: Path
    clip_dir: str = ""
    overwrite: bool = False
    keep_optimizer: bool = False

    def __post_init__(self) -> None:
        for name, task in self.training.tasks.items():
            with fields_below(f"training.tasks.{name}."):
                task.require_model(self.model)

    def fitted_model(self, vocab_size: int, num_tags: int, padding_token: int = 0) -> Model:
        """The model for a vocabulary and a tag list; `UserError` for sizes that do not go together."""
        hub = _hub_config(self.hub_dir, self.model.encoder.kind, vocab_size)
        return with_published_tower(self.model, self.clip_dir).fitted(vocab_size, num_tags, hub, padding_token)

    def patterns(self) -> dict[str, str]:
        """Patterns of the records of each data set that the stage trains on."""
        of_set = {"pointwise": self.train_records, "pairwise": self.val_records, "test": self.test_records}
        return {name: of_set[name] for name in self.training.data_sets}

    def videos_of_an_epoch(self) -> int:
        """How many videos the stage sees in an epoch, in its first phase; `UserError` for records that are not there."""
        first = next(iter(self.training.phases.values()), Phase())
        patterns = [self.patterns()[name] for group in first.sets for name in group]
        return sum(count_records(file) for pattern in patterns for file in expand_pattern(pattern))


class PretrainInputs(NamedTuple):
    """What a pre-training reads: record files, labelled pairs, known tags, the tokenizer; and the model that fits them.

    Attributes:
        files: of each data set that is trained on, by its name (`runs.phase.DATA_SETS`).
        val_files: videos of the labelled pairs.
    """

    files: dict[str, list[str]]
    val_files: list[str]
    pairs: list[Pair]
    tags: np.ndarray
    tokenizer: Tokenizer
    model: Model

    def settings(self, training: Stage) -> RunSettings:
        """All that decides the result."""
        read = {SETTING_OF_SET.get(name, name): data_files(files) for name, files in self.files.items()}
        origin = None if self.model.tower else origin_of([*self.training_files(), *self.val_files])
        data = read | {"validation": data_files(self.val_files), "pairs": len(self.pairs)} | features_by(origin)
        return RunSettings("pretrain", self.model, training, self.tokenizer, self.tags, data)

    @property
    def tagged_files(self) -> list[str]:
        """Files of videos whose tags are known."""
        return _tagged(self.files)

    def training_files(self) -> list[str]:
        """All files that are trained on, each once."""
        return list(dict.fromkeys(file for files in self.files.values() for file in files))

    def phases(self, training: Stage) -> list[tuple[int, list[list[str]]]]:
        """First step of each phase of a stage, and its files (`input.pipeline.TrainingData`)."""
        return [
            (phase.start, [[file for name in group for file in self.files[name]] for group in phase.sets])
            for phase in training.phases.values() or [Phase()]
        ]


def read_inputs(options: PretrainOptions) -> PretrainInputs:
    """Reads labels, tags and vocabulary, and looks the record files up; `UserError` for what is missing or does not fit."""
    files = {name: expand_pattern(pattern) for name, pattern in options.patterns().items()}
    pairs = read_labels(options.label_file) if options.label_file else []
    tags = read_tag_list(options.tag_file) if options.tag_file else np.zeros(0, np.int64)
    if options.model.categories:
        tags = with_categories(tags, _tagged(files))
    tokenizer = make_tokenizer(options, options.model.encoder.kind, _tagged(files))
    model = options.fitted_model(tokenizer.vocab_size, len(tags), tokenizer.pad_id)
    return PretrainInputs(files, expand_pattern(options.val_records), pairs, tags, tokenizer, model)


def _tagged(files: dict[str, list[str]]) -> list[str]:
    return [file for name, of_set in files.items() if name != "test" for file in of_set]


def check_records(options: PretrainOptions) -> None:
    """`UserError` for a pattern of records that matches nothing, and for features of several towers."""
    files = [file for pattern in (*options.patterns().values(), options.val_records) for file in expand_pattern(pattern)]
    if not (options.model.tower or options.clip_dir):
        origin_of(files)


def check_inputs(options: PretrainOptions) -> None:
    """`UserError` for anything missing that a pre-training is given, or that does not fit; records and weights are not read.

    Records of short videos are made by a stage before it (`check_records`).
    """
    require_existing(options.label_file, options.tag_file, options.hub_dir, options.vocab, options.clip_dir)
    if options.label_file:
        check_records(options)
        read_labels(options.label_file)
    tokenizer = _given_tokenizer(options, options.model.encoder.kind)
    vocab_size = tokenizer.vocab_size if tokenizer else 1  # or as many as the titles have
    options.fitted_model(vocab_size, len(read_tag_list(options.tag_file)) if options.tag_file else 0)
    from vsim_tf.models.weight_files import weights_file  # loads h5py

    for folder in filter(None, (options.hub_dir, options.clip_dir)):
        weights_file(Path(folder))


def with_published_tower(model: Model, clip_dir: str) -> Model:
    """The model with the sizes of a Hugging Face folder's vision tower; as it is where none is given."""
    if not clip_dir:
        return model
    from vsim_tf.models.clip_weights import read_vision_config

    return model.with_tower(read_vision_config(clip_dir))


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
    vocabulary = build_vocab(read_texts(train_files, text_keys(options.model)), kind)
    return {"bert": Tokenizer, "roformer": WordTokenizer}[kind](vocabulary)


def text_keys(model: Model) -> tuple[str, ...]:
    """Keys of the texts that a model reads."""
    return (TITLE, OCR_TEXT, ASR_TEXT) if model.text.form == ALL_FIELDS else (TITLE,)


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
        note = _source(inputs.tokenizer, inputs.tagged_files)
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


def read_texts(files: list[str], keys: Sequence[str] = (TITLE,)) -> list[str]:
    """Texts of all records, in order, where they are there; records are checked when they become batches."""
    texts = []
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            features = parse_example(data, f"{file}, record {number}")
            for key in keys:
                texts.extend(features[key].bytes_list.value)
    return decode_titles(texts)

"""Records to batches: whole batches are parsed, decoded and tokenised at once; frames stay float16.

The order of training batches is a function of the seed and the epoch alone, so that a run can be continued at any step.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from vsim_tf.data.frames import decode_frames
from vsim_tf.data.masking import mask_tokens
from vsim_tf.data.records import count_records, read_records
from vsim_tf.data.schema import (
    BYTES_PER_FRAME_VALUE,
    FRAME_FEATURE,
    ID,
    IGNORED_TOKEN,
    PAIR_SUFFIXES,
    SIMILARITY,
    TAG_ID,
    TITLE,
    PairBatch,
    VideoBatch,
)
from vsim_tf.data.text import Tokenizer, decode_titles
from vsim_tf.data.videos import check_video
from vsim_tf.errors import RecordError, UserError

SHUFFLE_BATCHES = 10
SHUFFLE_BYTES = 256 * 2**20
"""The shuffle buffer holds this many batches (2021: 8 for videos, 10 for pairs), or more where they fit into so many bytes: files
whose neighbours are alike would otherwise make batches of alike videos."""
FILES_READ_AT_ONCE = 16
PARALLEL_BATCHES = 3
"""Batches decoded side by side: one more than the cores of a small machine, because tokenizing waits for Python."""
BATCHES_AHEAD = 2
WINDOW_BATCHES = 16
"""Where batches are trimmed, records are sorted by length within so many batches before they are dealt into batches."""


@dataclasses.dataclass(frozen=True, eq=False)
class BatchFormat:
    """How records become batches; two are equal if they are the same object.

    Attributes:
        tokenizer: turns titles into token ids.
        tags: known tag ids in ascending order; others are dropped.
        max_text_length: tokens per title, [CLS] and [SEP] included.
        max_frames: frames per video.
        frame_embedding_size: numbers per frame.
        trim_text, trim_frames: cut a batch to its longest title, to its longest video.
    """

    tokenizer: Tokenizer
    tags: np.ndarray
    max_text_length: int
    max_frames: int
    frame_embedding_size: int
    trim_text: bool = False
    trim_frames: bool = False

    @property
    def trims(self) -> bool:
        """Whether sorting by length saves anything."""
        return self.trim_text or self.trim_frames


@contextlib.contextmanager
def readable_errors(files: Sequence[str], kind: str, batch_format: BatchFormat) -> Iterator[None]:
    """Turns what TensorFlow makes of a bad record into a `RecordError` that names file, record and video.

    Args:
        files: the record files that are read inside the block.
        kind: "videos" or "pairs".
        batch_format: how the records become batches.
    """
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.DataLossError, tf.errors.UnknownError, UnicodeDecodeError):
        # the last is TensorFlow's own failure to decode its message, which quotes the bytes of what is no Example
        for file in files:
            check_records(file, kind, batch_format.frame_embedding_size)
        raise


def check_records(file: str, kind: str, frame_embedding_size: int):
    """Reads a whole file and raises `RecordError` for the first record that is damaged or cannot become part of a batch."""
    for number, (_, data) in enumerate(read_records(file)):
        where = f"{file}, record {number}"
        for suffix in SUFFIXES[kind]:
            check_video(data, frame_embedding_size, where, suffix)
        similarity = tf.train.Example.FromString(data).features.feature[SIMILARITY].float_list.value
        if kind == "pairs" and len(similarity) != 1:
            raise RecordError(f"{where}: key '{SIMILARITY}' holds {len(similarity)} floats, 1 is needed")


def multi_hot(tags: tf.RaggedTensor, known: np.ndarray) -> tf.Tensor:
    """Tag ids of each video to `[batch, tags]` int8; unknown tags are dropped, repeated ones count once."""
    table = tf.constant(known, tf.int64)
    column = tf.searchsorted(table, tags.flat_values)
    found = tf.gather(table, tf.minimum(column, len(known) - 1)) == tags.flat_values
    where = tf.boolean_mask(tf.stack([tags.value_rowids(), tf.cast(column, tf.int64)], axis=1), found)
    shape = tf.stack([tags.nrows(), len(known)])
    return tf.cast(tf.scatter_nd(where, tf.ones_like(where[:, 0]), shape) > 0, tf.int8)


class VideoParser:
    """Serialised examples to a `VideoBatch`, once for each key suffix."""

    def __init__(self, batch_format: BatchFormat, suffix: str = ""):
        self.format = batch_format
        self.suffix = suffix
        dtypes = {ID: tf.string, TITLE: tf.string, FRAME_FEATURE: tf.string, TAG_ID: tf.int64}
        self.features = {key + suffix: tf.io.RaggedFeature(dtype, row_splits_dtype=tf.int64) for key, dtype in dtypes.items()}

    def __call__(self, parsed: dict, examples: tf.Tensor) -> VideoBatch:
        column = {key.removesuffix(self.suffix) if self.suffix else key: value for key, value in parsed.items()}
        frames = column[FRAME_FEATURE]
        frameless = tf.boolean_mask(examples, frames.row_lengths() == 0)
        ids, input_ids, mask = tf.numpy_function(
            self._check_and_tokenize,
            [
                frameless,
                column[ID].flat_values, column[ID].row_splits,
                column[TITLE].flat_values, column[TITLE].row_splits,
                tf.strings.length(frames.flat_values),
            ],
            [tf.string, tf.int32, tf.int32],
        )  # fmt: skip
        ids = tf.ensure_shape(ids, [None])
        positions = None if self.format.trim_text else self.format.max_text_length
        input_ids, mask = (tf.ensure_shape(x, [None, positions]) for x in (input_ids, mask))
        with tf.control_dependencies([ids]):  # bad byte lengths are reported before they are decoded
            frames = tf.identity(frames)
        sampling = (self.format.frame_embedding_size, self.format.max_frames, self.format.trim_frames)
        decoded, num_frames = decode_frames(frames, *sampling)
        tags = multi_hot(column[TAG_ID], self.format.tags)
        return VideoBatch(ids, input_ids, mask, decoded, num_frames, tags, tf.fill(tf.shape(input_ids), IGNORED_TOKEN))

    def _check_and_tokenize(self, frameless, ids, id_splits, titles, title_splits, lengths):
        """Ids and tokens of a batch; `readable_errors` finds out which record is meant and what is wrong with it."""
        counts_are_right = all((np.diff(splits) == 1).all() for splits in (id_splits, title_splits))
        lengths_are_right = (lengths == self.format.frame_embedding_size * BYTES_PER_FRAME_VALUE).all()
        key = FRAME_FEATURE + self.suffix
        no_frames = (tf.train.Example.FromString(data).features.feature for data in frameless)
        if not (counts_are_right and lengths_are_right and all(key in feature for feature in no_frames)):
            raise ValueError("a record of this batch is unusable")
        for video_id in ids:
            video_id.decode("utf-8")  # raises a ValueError too
        tokens, mask = self.format.tokenizer.encode_batch(decode_titles(titles), self.format.max_text_length)
        longest = mask.sum(axis=1).max() if self.format.trim_text else None
        return ids, tokens[:, :longest], mask[:, :longest]


def _parse_videos(batch_format: BatchFormat):
    parser = VideoParser(batch_format)

    def parse(examples):
        return parser(tf.io.parse_example(examples, parser.features), examples)

    return parse


def _parse_pairs(batch_format: BatchFormat):
    parsers = [VideoParser(batch_format, suffix) for suffix in PAIR_SUFFIXES]
    features = {SIMILARITY: tf.io.FixedLenFeature([], tf.float32)}

    def parse(examples):
        parsed = tf.io.parse_example(examples, features | parsers[0].features | parsers[1].features)
        first, second = (parser({key: parsed[key] for key in parser.features}, examples) for parser in parsers)
        return PairBatch(first, second, parsed[SIMILARITY])

    return parse


PARSERS = {"videos": _parse_videos, "pairs": _parse_pairs}


@functools.cache
def batch_parser(kind: str, batch_format: BatchFormat) -> Callable[[tf.Tensor], VideoBatch | PairBatch]:
    """The function from serialised examples to a batch, traced once however many data sets use it."""
    return tf.function(PARSERS[kind](batch_format), input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)


SUFFIXES = {"videos": ("",), "pairs": PAIR_SUFFIXES}


def record_lengths(examples: tf.Tensor, kind: str, batch_format: BatchFormat) -> tf.Tensor:
    """How much of a batch each serialised example needs, `[records]` int64: characters that are trimmed, plus frames.

    Frames are counted from the size of the record, of which they are nearly all.
    """
    lengths = tf.zeros(tf.shape(examples), tf.int64)
    sides = SUFFIXES[kind]
    if batch_format.trim_text:
        feature = tf.io.RaggedFeature(tf.string, row_splits_dtype=tf.int64)
        titles = tf.io.parse_example(examples, {TITLE + suffix: feature for suffix in sides})
        for title in titles.values():
            characters = tf.reduce_sum(tf.strings.length(title, unit="UTF8_CHAR"), axis=1)
            lengths += tf.cast(tf.minimum(characters, batch_format.max_text_length), tf.int64)
    if batch_format.trim_frames:
        frames = tf.strings.length(examples) // (batch_format.frame_embedding_size * BYTES_PER_FRAME_VALUE)
        lengths += tf.cast(tf.minimum(frames, batch_format.max_frames * len(sides)), tf.int64)
    return lengths


def prefetched(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The batches, some of them ahead of their reader.

    tf.data's tuning is off: every number that it could tune is given in this file, and deleting an iterator often waits for its
    thread, which looks around after 10 ms, then after twice as long each time, up to a minute.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.prefetch(BATCHES_AHEAD).with_options(options)


@tf.autograph.experimental.do_not_convert
def numbered_batches(files: list[str], kind: str, batch_format: BatchFormat, batch_size: int) -> tf.data.Dataset:
    """All records of the files once: their numbers from 0 on, `[batch]` int64, and the batch of them.

    In the order of the files, or sorted by length within windows where batches are trimmed. `kind` is "videos" or "pairs".
    """
    if not sum(count_records(file) for file in files):
        raise UserError(f"{', '.join(files)}: no records")
    records = tf.data.TFRecordDataset(list(files)).enumerate()
    if batch_format.trims:

        def by_length(numbers, examples):
            order = tf.argsort(record_lengths(examples, kind, batch_format), stable=True)
            return tf.data.Dataset.from_tensor_slices((tf.gather(numbers, order), tf.gather(examples, order)))

        records = records.batch(WINDOW_BATCHES * batch_size).flat_map(by_length)
    parse = batch_parser(kind, batch_format)
    batches = records.batch(batch_size)
    numbered = batches.map(lambda n, examples: (n, parse(examples)), num_parallel_calls=PARALLEL_BATCHES, deterministic=True)
    return prefetched(numbered)


@tf.autograph.experimental.do_not_convert
def evaluation_batches(files: list[str], kind: str, batch_format: BatchFormat, batch_size: int) -> tf.data.Dataset:
    """The batches of `numbered_batches` without the numbers."""
    return numbered_batches(files, kind, batch_format, batch_size).map(lambda _, batch: batch)


class TrainingData:
    """Endless shuffled batches, a function of the seed and the step.

    Args:
        files: TFRecord files.
        kind: "videos" or "pairs".
        batch_format: how records become batches.
        batch_size: global batch; the remainder of an epoch is dropped.
        seed: of the order and of word masking.
        mask_words: draw targets for the masked language model ("videos" only).
        bucket: videos of similar length share a batch where batches are trimmed.

    Raises:
        UserError: no records, or fewer than one batch.
        RecordError: a truncated file.
    """

    def __init__(
        self,
        files: list[str],
        kind: str,
        batch_format: BatchFormat,
        batch_size: int,
        seed: int,
        mask_words: bool = False,
        bucket: bool = True,
    ):
        self.files, self.kind, self.format = list(files), kind, batch_format
        self.batch_size, self.seed, self.mask_words = batch_size, seed, mask_words
        self.bucket = bucket and batch_format.trims
        self.num_records = sum(count_records(file) for file in self.files)
        if not self.num_records:
            raise UserError(f"{', '.join(self.files)}: no records")
        self.steps_per_epoch = self.num_records // batch_size
        record_bytes = sum(os.path.getsize(file) for file in self.files) // self.num_records + 1
        self.shuffle_buffer = max(SHUFFLE_BATCHES * batch_size, SHUFFLE_BYTES // record_bytes)
        if not self.steps_per_epoch:
            raise UserError(f"--batch_size={batch_size}: more than the {self.num_records} {kind} to train on")

    @tf.autograph.experimental.do_not_convert
    def batches(self, start_step: int = 0) -> tf.data.Dataset:
        """Batches from a step on, without end."""
        epoch, skipped = divmod(start_step, self.steps_per_epoch)
        epochs = tf.data.Dataset.counter(epoch).flat_map(self._epoch).skip(skipped)
        batches = epochs.map(batch_parser(self.kind, self.format), num_parallel_calls=PARALLEL_BATCHES, deterministic=True)
        if self.mask_words:
            batches = batches.enumerate(start_step).map(self._mask, num_parallel_calls=PARALLEL_BATCHES, deterministic=True)
        return prefetched(batches)

    def _epoch(self, epoch: tf.Tensor) -> tf.data.Dataset:
        tf.random.set_seed(1)  # of this dataset's graph alone: `shuffle` mixes it with the seed that it is given
        seeds = tf.random.split(tf.cast(tf.stack([self.seed, epoch]), tf.int32), 2)
        files = tf.random.experimental.stateless_shuffle(tf.constant(self.files), seed=seeds[0])
        records = tf.data.Dataset.from_tensor_slices(files).interleave(
            tf.data.TFRecordDataset, cycle_length=FILES_READ_AT_ONCE, block_length=1
        )
        shuffled = records.shuffle(
            min(self.shuffle_buffer, self.num_records),
            seed=tf.cast(seeds[1, 0], tf.int64),
            reshuffle_each_iteration=False,
        )
        if not self.bucket:
            return shuffled.batch(self.batch_size, drop_remainder=True)
        windows = shuffled.batch(WINDOW_BATCHES * self.batch_size)
        return windows.enumerate().flat_map(lambda n, window: self._by_length(window, seeds[0] + tf.cast(n, tf.int32)))

    def _by_length(self, examples: tf.Tensor, seed: tf.Tensor) -> tf.data.Dataset:
        """Batches of examples of similar length, in random order; what does not fill a batch is dropped."""
        examples = examples[: tf.size(examples) // self.batch_size * self.batch_size]
        order = tf.argsort(record_lengths(examples, self.kind, self.format), stable=True)
        batches = tf.random.experimental.stateless_shuffle(tf.reshape(order, [-1, self.batch_size]), seed=seed)
        return tf.data.Dataset.from_tensor_slices(batches).map(lambda batch: tf.gather(examples, batch))  # copied once

    def _mask(self, step: tf.Tensor, batch: VideoBatch) -> VideoBatch:
        tokenizer = self.format.tokenizer
        seed = tf.stack([self.seed, step])
        ids, labels = mask_tokens(batch.input_ids, seed, tokenizer.vocab_size, tokenizer.mask_id, list(tokenizer.special_ids))
        return batch._replace(input_ids=ids, mlm_labels=labels)

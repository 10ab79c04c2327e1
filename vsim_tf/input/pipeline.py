"""Records to batches that training and inference draw, read and decoded ahead of them.

The order of training batches is a function of the seed and the epoch alone, so that a run resumes at any step. Reading and
decoding run in threads of Python: with deterministic kernels tf.data would call Python functions one after the other.
"""

import contextlib
import functools
import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.input.decoding import CONTEXTS, BatchFormat, decode
from vsim_tf.input.frames import FrameDraw
from vsim_tf.input.order import WINDOW_BATCHES, EvaluationOrder
from vsim_tf.input.phased_order import PhasedOrder
from vsim_tf.input.record_lengths import RecordLengths
from vsim_tf.io.read_ahead import Ahead
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import UNTAGGED, PairBatch, VideoBatch
from vsim_tf.records.videos import read_ids
from vsim_tf.text.tokenizers import Tokenizer

BATCHES_AHEAD = 4
"""Batches that are being decoded, or wait for their use."""

Order = Callable[[int], np.ndarray]
"""Record numbers of the batch at a place."""

_failures: dict[str, Exception] = {}
_failure_numbers = itertools.count()
_FAILURE = "failure {} of the input"


class InputFailure(Exception):
    """What TensorFlow is told when reading fails; the message says which of the `_failures` it was."""


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Raises what reading records raised, usually a `RecordError`, instead of what TensorFlow makes of it."""
    try:
        yield
    except tf.errors.OpError as error:
        failure = re.search(_FAILURE.format(r"\d+"), error.message)
        if failure and failure[0] in _failures:
            raise _failures.pop(failure[0]) from None
        raise


def _told_to_tensorflow(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        try:
            return function(*args)
        except MemoryError:
            raise  # which TensorFlow knows
        except Exception as error:
            mark = _FAILURE.format(next(_failure_numbers))
            _failures[mark] = error
            raise InputFailure(mark) from error

    return call


class RecordBatches:
    """Batches of records of some files by record numbers.

    Args:
        files: TFRecord files.
        kind: "videos" or "pairs".
        batch_format: how records become batches.

    Raises:
        UserError: no records.
        RecordError: a truncated file.
    """

    def __init__(self, files: Sequence[str], kind: str, batch_format: BatchFormat):
        self.kind, self.format = kind, batch_format
        self.index = RecordIndex(files)
        self.lengths = RecordLengths(self.index, kind, batch_format)

    def batch(self, numbers: np.ndarray, draw: FrameDraw | None = None) -> VideoBatch | PairBatch:
        """The batch of these records, as NumPy arrays; in training, of drawn frames."""
        return decode(self.index.read(numbers), lambda row: self.index.where(numbers[row]), self.kind, self.format, draw)

    def spec(self) -> VideoBatch | PairBatch:
        """Shapes and types of a batch of any size."""
        form = self.format
        tokens = tf.TensorSpec([None, None if form.trim_text else form.max_text_length], tf.int32)
        frames = [None, None if form.trim_frames else form.max_frames, *form.frame_shape()]
        videos = VideoBatch(
            ids=tf.TensorSpec([None], tf.string),
            input_ids=tokens,
            attention_mask=tokens,
            frames=tf.TensorSpec(frames, tf.uint8 if form.picture else tf.float16),
            num_frames=tf.TensorSpec([None], tf.int32),
            targets=self._target_specs(),
        )
        return videos if self.kind == "videos" else PairBatch(videos, videos, {"similarity": tf.TensorSpec([None], tf.float32)})

    def _target_specs(self) -> dict[str, tf.TensorSpec]:
        form = self.format
        tokens = tf.TensorSpec([None, form.max_text_length], tf.int32)
        specs = {"tags": tf.TensorSpec([None, len(form.tags)], tf.int8)} if len(form.tags) else {}
        specs |= {"classes": tf.TensorSpec([None], tf.int32)} if form.classes else {}
        names = [f"{name}_{part}" for name in CONTEXTS for part in ("ids", "mask")] if form.context else []
        return specs | dict.fromkeys(names, tokens)

    def numbered(
        self, places: tf.data.Dataset, order: Order, end: int | None = None, draw_seed: int | None = None
    ) -> tf.data.Dataset:
        """Numbers, `[batch]` int64, and the batch of them.

        Args:
            places: which batches of the order, one after the other.
            order: record numbers of a batch; called by one thread, which is far ahead, because sorting may have to read titles.
            end: number of batches of the order; None: it has no end.
            draw_seed: of frames that are drawn, for each batch; None: they are sampled by rule.
        """
        numbers = Ahead(order, 1, WINDOW_BATCHES, end)

        def batch(place: int) -> list[np.ndarray]:
            of_batch = numbers(place)
            draw = None if draw_seed is None else FrameDraw((draw_seed, place), of_batch)
            arrays: list[np.ndarray] = tf.nest.flatten((of_batch, self.batch(of_batch, draw)))
            return arrays

        batches = Ahead(batch, 1, BATCHES_AHEAD, end)  # two threads wait for Python's lock
        spec = (tf.TensorSpec([None], tf.int64), self.spec())
        flat = tf.nest.flatten(spec)

        def read(place: tf.Tensor) -> Any:
            arrays = tf.numpy_function(_told_to_tensorflow(batches), [place], [each.dtype for each in flat])
            return tf.nest.pack_sequence_as(spec, [tf.ensure_shape(x, y.shape) for x, y in zip(arrays, flat, strict=True)])

        return places.map(read)


def without_threads(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The batches, read by their reader's thread: those of `Ahead` have decoded them before.

    A thread of tf.data that calls Python could wait for ever: Python's collector may delete an iterator while it holds a lock,
    deleting waits for the iterator's thread, and that thread for the lock. The tuning of tf.data has such a thread, too.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    options.experimental_optimization.inject_prefetch = False
    return batches.with_options(options)


@tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # TensorFlow has no types
def numbered_batches(
    files: Sequence[str],
    kind: str,
    batch_format: BatchFormat,
    batch_size: int,
    shard: tuple[int, int] = (0, 1),
    limit: int | None = None,
    chosen: np.ndarray | None = None,
    spread: int | None = None,
) -> tf.data.Dataset:
    """All records of the files once: their numbers from 0 on, `[batch]` int64, and the batch of them.

    In the order of the files, or sorted by length within windows where batches are trimmed.

    Args:
        files: TFRecord files.
        kind: "videos" or "pairs".
        batch_format: how records become batches.
        batch_size: records of a batch; the last one may have fewer.
        shard: (index, count) for batches number index, index + count, ... alone; others are not decoded.
        limit: only so many of the first records; None: all.
        chosen: record numbers of those that are read, ascending; None: all.
        spread: at most so many, evenly spread over all of them; None: all.
    """
    records = RecordBatches(files, kind, batch_format)
    numbers = records.index.spread(spread)[:limit] if chosen is None else chosen
    lengths = (lambda places: records.lengths(numbers[places])) if batch_format.trims else None
    order = EvaluationOrder(len(numbers), batch_size, lengths)
    first, every = shard
    places = range(first, len(order), every)
    numbered = records.numbered(tf.data.Dataset.range(len(places)), lambda place: numbers[order(places[place])], len(places))
    return without_threads(numbered)


class Draw(NamedTuple):
    """What a corruption of a batch draws its random numbers from.

    Attributes:
        seed: of the run and the step, `[2]` integers: the same seed gives the same numbers.
        whole: rows and text positions of the global batch, for all of which numbers are drawn, so that those of a video do not
            depend on which part of the batch it is in.
        max_frames: frame positions for which numbers are drawn.
        first_row: row of the global batch that is the first of this part.
        tokenizer: of the titles.
    """

    seed: tf.Tensor
    whole: tuple[int, int]
    max_frames: int
    first_row: int
    tokenizer: Tokenizer


Corruption = Callable[[VideoBatch, Draw], VideoBatch]


class TrainingData:
    """Endless shuffled batches, a function of the seed and the step. Each epoch is another permutation of all records.

    Args:
        files: TFRecord files.
        kind: "videos" or "pairs".
        batch_format: how records become batches.
        batch_size: global batch; the remainder of an epoch is dropped.
        seed: of the order and of corruptions.
        corruptions: what tasks make of a batch, one after the other.
        bucket: videos of similar length share a batch where batches are trimmed.
        phases: the first step of each phase, and lists of files: those of one list are shuffled together, the lists follow each
            other in each epoch; None: all files, shuffled together.
        untagged: files of videos whose tags are not known (`UNTAGGED`); of several videos with one id the first is read.
        numbers: record numbers that are read; None: all.
        drawn: frames of longer videos are drawn.

    Raises:
        UserError: no records, or fewer than one batch.
        RecordError: a truncated file.
    """

    def __init__(
        self,
        files: Sequence[str],
        kind: str,
        batch_format: BatchFormat,
        batch_size: int,
        seed: int,
        corruptions: Sequence[Corruption] = (),
        bucket: bool = True,
        phases: Sequence[tuple[int, Sequence[Sequence[str]]]] | None = None,
        untagged: Sequence[str] = (),
        numbers: np.ndarray | None = None,
        drawn: bool = False,
    ):
        self.kind, self.format, self.batch_size, self.seed, self.corruptions = kind, batch_format, batch_size, seed, corruptions
        self.records = RecordBatches(files, kind, batch_format)
        self.bucket = bucket and batch_format.trims
        index = self.records.index
        self.draw_seed = seed if drawn else None
        self.is_untagged, is_read = np.zeros(len(index), bool), np.ones(len(index), bool)
        if numbers is not None:
            is_read[:] = False
            is_read[numbers] = True
        if untagged:
            self.is_untagged[index.numbers_of(untagged)] = True
            is_read &= ~self.is_untagged
            is_read[_distinct(index, untagged)] = True
        self.phases = [(start, [self._part(part, is_read) for part in parts]) for start, parts in phases or [(0, [index.files])]]
        self.num_records = len(np.unique(np.concatenate([part for _, parts in self.phases for part in parts])))
        self.ended_epoch = self._order().ended_epoch
        """The steps of the epoch that ends with so many completed steps, else None."""

    def _part(self, files: Sequence[str], is_read: np.ndarray) -> np.ndarray:
        """Record numbers of files that are shuffled together."""
        of_files = self.records.index.numbers_of(files)
        numbers: np.ndarray = of_files[is_read[of_files]]
        if len(numbers) < self.batch_size:
            message = f"batch_size={self.batch_size}: more than the {len(numbers)} {self.kind} to train on"
            raise UserError(message, ["training.batch_size"])
        return numbers

    def _order(self) -> PhasedOrder:
        return PhasedOrder(self.phases, self.batch_size, self.seed, self.records.lengths if self.bucket else None)

    @tf.autograph.experimental.do_not_convert  # type: ignore[untyped-decorator]  # TensorFlow has no types
    def batches(self, start_step: int = 0, rows: tuple[int, int] | None = None) -> tf.data.Dataset:
        """Batches from a step on, without end.

        Args:
            start_step: the first batch; those before it cost nothing.
            rows: (first, last + 1) of each global batch, which alone are decoded, and trimmed to their own longest; None: all.
        """
        first, end = rows or (0, self.batch_size)
        order = self._order()
        steps = tf.data.Dataset.counter(start_step)
        batches = self.records.numbered(steps, lambda step: order(step)[first:end], draw_seed=self.draw_seed)
        batches = batches.map(self._without_unknown_tags)
        if self.corruptions:
            batches = batches.enumerate(start_step).map(functools.partial(self._corrupted, first_row=first))
        return without_threads(batches)

    def _without_unknown_tags(self, numbers: tf.Tensor, batch: VideoBatch | PairBatch) -> VideoBatch | PairBatch:
        """The batch, with `UNTAGGED` for the tags of videos without."""
        if not self.is_untagged.any():
            return batch
        unknown = tf.gather(self.is_untagged, numbers)[:, None]
        tags = tf.where(unknown, tf.constant(UNTAGGED, tf.int8), batch.targets["tags"])
        return batch._replace(targets=batch.targets | {"tags": tags})

    def _corrupted(self, step: tf.Tensor, batch: VideoBatch, first_row: int) -> VideoBatch:
        whole = (self.batch_size, self.format.max_text_length)
        draw = Draw(tf.stack([self.seed, step]), whole, self.format.max_frames, first_row, self.format.tokenizer)
        for corrupt in self.corruptions:
            batch = corrupt(batch, draw)
        return batch


def _distinct(index: RecordIndex, files: Sequence[str]) -> np.ndarray:
    """Numbers of the first record of each id in some files, ascending."""
    _, first = np.unique(read_ids(files), return_index=True)
    distinct: np.ndarray = np.sort(index.numbers_of(files)[first])
    return distinct

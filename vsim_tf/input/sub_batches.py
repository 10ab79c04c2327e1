"""Videos of pairs in two length-sorted sub-batches, which need less padding than first and second elements."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from vsim_tf.records.schema import PairBatch, VideoBatch


class SubBatches(NamedTuple):
    """The videos of a batch of pairs, `[batch]` in each sub-batch.

    Attributes:
        short, long: what a model reads; ids, tags and targets are not there.
        indices: of each video of `short`, then of `long`, among the first elements followed by the second ones, `[2 · batch]`.
    """

    short: VideoBatch
    long: VideoBatch
    indices: tf.Tensor

    def to_elements(self, short: tf.Tensor, long: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Results of the sub-batches, `[batch, ...]` each, as those of the first and the second elements."""
        results = tf.gather(tf.concat([short, long], axis=0), tf.argsort(self.indices))
        return results[: tf.shape(short)[0]], results[tf.shape(short)[0] :]


def length_sorted_sub_batches(pairs: PairBatch, trims_text: bool, trims_frames: bool) -> SubBatches:
    """Both elements together, sorted by what the model can trim of them, cut in the middle, each part trimmed to its longest."""
    elements = pairs.elements
    input_ids, mask = (
        _stack([getattr(element, name) for element in elements], _padded) for name in ("input_ids", "attention_mask")
    )
    frames = _stack([element.frames for element in elements], _repeated)
    num_frames = tf.concat([element.num_frames for element in elements], axis=0)
    tokens = tf.reduce_sum(mask, axis=1)
    indices = tf.argsort(tokens * trims_text + num_frames * trims_frames, stable=True)

    def part(rows: tf.Tensor) -> VideoBatch:
        text = tf.reduce_max(tf.gather(tokens, rows)) if trims_text else tf.shape(mask)[1]
        length = tf.maximum(tf.reduce_max(tf.gather(num_frames, rows)), 1) if trims_frames else tf.shape(frames)[1]
        videos = (tf.gather(input_ids[:, :text], rows), tf.gather(mask[:, :text], rows), tf.gather(frames[:, :length], rows))
        return VideoBatch((), *videos, tf.gather(num_frames, rows), {})

    middle = tf.shape(pairs.first.num_frames)[0]
    return SubBatches(part(indices[:middle]), part(indices[middle:]), indices)


def _stack(elements: list[tf.Tensor], lengthened: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    length = tf.maximum(*(tf.shape(each)[1] for each in elements))
    return tf.concat([lengthened(each, length) for each in elements], axis=0)


def _padded(tokens: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    return tf.pad(tokens, [[0, 0], [0, length - tf.shape(tokens)[1]]])


def _repeated(frames: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    return tf.gather(frames, tf.minimum(tf.range(length), tf.shape(frames)[1] - 1), axis=1)

"""Videos of pairs dealt by length: a shorter and a longer half need less padding than first and second sides."""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from vsim_tf.records.schema import PairBatch, VideoBatch


class Halves(NamedTuple):
    """The videos of a batch of pairs, `[batch]` in each half.

    Attributes:
        short, long: what a model reads; ids, tags and targets are not there.
        places: where each video of `short`, then of `long`, stands among the first sides followed by the second ones,
            `[2 · batch]`.
    """

    short: VideoBatch
    long: VideoBatch
    places: tf.Tensor

    def to_sides(self, short: tf.Tensor, long: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Results of the halves, `[batch, ...]` each, as those of the first and the second sides."""
        results = tf.gather(tf.concat([short, long], axis=0), tf.argsort(self.places))
        return results[: tf.shape(short)[0]], results[tf.shape(short)[0] :]


def halves_by_length(pairs: PairBatch, trims_text: bool, trims_frames: bool) -> Halves:
    """Both sides together, sorted by what the model can trim of them, cut in the middle, each half trimmed to its longest."""
    sides = (pairs.first, pairs.second)
    input_ids, mask = (_stack([getattr(side, name) for side in sides], _padded) for name in ("input_ids", "attention_mask"))
    frames = _stack([side.frames for side in sides], _repeated)
    num_frames = tf.concat([side.num_frames for side in sides], axis=0)
    tokens = tf.reduce_sum(mask, axis=1)
    places = tf.argsort(tokens * trims_text + num_frames * trims_frames, stable=True)

    def half(rows: tf.Tensor) -> VideoBatch:
        text = tf.reduce_max(tf.gather(tokens, rows)) if trims_text else tf.shape(mask)[1]
        length = tf.maximum(tf.reduce_max(tf.gather(num_frames, rows)), 1) if trims_frames else tf.shape(frames)[1]
        videos = (tf.gather(input_ids[:, :text], rows), tf.gather(mask[:, :text], rows), tf.gather(frames[:, :length], rows))
        return VideoBatch((), *videos, tf.gather(num_frames, rows), {})

    middle = tf.shape(pairs.first.num_frames)[0]
    return Halves(half(places[:middle]), half(places[middle:]), places)


def _stack(sides: list[tf.Tensor], lengthened: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    length = tf.maximum(*(tf.shape(side)[1] for side in sides))
    return tf.concat([lengthened(side, length) for side in sides], axis=0)


def _padded(tokens: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    return tf.pad(tokens, [[0, 0], [0, length - tf.shape(tokens)[1]]])


def _repeated(frames: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    return tf.gather(frames, tf.minimum(tf.range(length), tf.shape(frames)[1] - 1), axis=1)

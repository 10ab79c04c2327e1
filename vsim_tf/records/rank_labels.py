"""Similarities replaced by their rank: the label transform of the 2021 contest's first place."""

import functools

import numpy as np
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.records.schema import SIMILARITY, PairBatch

RECORDS_READ_AT_ONCE = 64


@functools.cache  # all folds rank the same files
def read_similarities(files: tuple[str, ...]) -> np.ndarray:
    """The similarity of every record of files of pairs, `[pairs]` float32."""

    def parse(examples: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_example(examples, {SIMILARITY: tf.io.FixedLenFeature([], tf.float32)})[SIMILARITY]

    records = tf.data.TFRecordDataset(list(files)).batch(RECORDS_READ_AT_ONCE)
    return np.concatenate(list(records.map(parse).as_numpy_iterator()))


class RankLabels:
    """Maps each similarity to its `rank_normalized` label.

    Equal steps of the label are then equally many pairs, as in Spearman's correlation, which does not change.

    Args:
        similarities: of all pairs, `[pairs]` float32.

    Raises:
        UserError: all similarities are the same.
    """

    def __init__(self, similarities: np.ndarray):
        self.similarities, first = np.unique(similarities, return_index=True)
        if len(self.similarities) < 2:
            message = f"labels=rank: every pair has the similarity {similarities[0]:g}, so no rank differs"
            raise UserError(message, ["training.labels"])
        self.labels = rank_normalized(similarities)[first].astype(np.float32)

    def __call__(self, batch: PairBatch) -> PairBatch:
        """The batch with labels for similarities, which must be among those given."""
        rows = tf.searchsorted(self.similarities, batch.targets["similarity"])
        return batch._replace(targets={"similarity": tf.gather(self.labels, rows)})

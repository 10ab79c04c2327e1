"""A network with the checkpoints of one or several folds, which embeds as their mean."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vsim_tf.inference.embed_files import load_embedder
from vsim_tf.inference.embedder import chunks
from vsim_tf.inference.items import Item, numbered_item_batches
from vsim_tf.io.read_ahead import read_ahead
from vsim_tf.runs.held_weights import HeldWeights

BATCHES_AHEAD = 4


class Member:
    """A part of a `Model`: checkpoints of one network, whose embeddings are averaged.

    Args:
        checkpoints: paths without `.index`, of runs of one model with one vocabulary.
        precision: dtype policy, or "auto".
        weight: of the mean in the model's sum.
        expected_model: registered name that the network must have; empty for any.

    Raises:
        UserError: a run folder or a checkpoint cannot be used.
    """

    def __init__(self, checkpoints: Sequence[str], precision: str, weight: float = 1.0, expected_model: str = ""):
        self.checkpoints, self.weight = tuple(checkpoints), weight
        folder = Path(os.path.abspath(checkpoints[0])).parent.parent
        self.embedder, self.format = load_embedder(folder, precision, expected_model)
        self.config = self.embedder.model.config
        self._weights = HeldWeights(self.embedder.model, checkpoints)
        self._lock = threading.Lock()  # checkpoints take turns in one network
        for checkpoint in self.checkpoints:  # all of them now: a damaged one is found before anything is embedded
            self._weights.put(checkpoint)

    def mean(self, items: Sequence[Item], batch_size: int) -> np.ndarray:
        """Mean over the checkpoints, `[items, dim]` float64, not normalised; arguments as of `numbered_item_batches`."""
        total = np.zeros((len(items), self.config.dim))
        batches = read_ahead(numbered_item_batches(items, self.format, batch_size), 1, BATCHES_AHEAD)
        at_a_time = self._weights.videos if len(self.checkpoints) > 1 else 1
        with self._lock:
            for chunk in chunks(batches, at_a_time):
                for checkpoint in self.checkpoints:
                    self._weights.put(checkpoint)
                    for numbers, values in self.embedder.vectors(chunk):
                        total[numbers] += values
        return total / len(self.checkpoints)

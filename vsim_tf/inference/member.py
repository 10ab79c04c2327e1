"""A network with the checkpoints of one or several folds, whose results are averaged."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from vsim_tf.inference.embed_files import load_embedder
from vsim_tf.inference.embedder import Embedder, chunks
from vsim_tf.inference.products import EMBEDDINGS, PREDICTIONS, Product
from vsim_tf.inference.videos import numbered_video_batches
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.io.read_ahead import read_ahead
from vsim_tf.records.predictions import softmax
from vsim_tf.runs.checkpoint_files import run_of
from vsim_tf.runs.held_weights import HeldWeights
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.runs.weights import model_weights

BATCHES_AHEAD = 4
Named = Callable[[int], str]
"""What messages call the video at an index."""


class Member:
    """A part of a `Model`: checkpoints of one network, whose results are averaged.

    Args:
        checkpoints: paths without `.index`, of runs of one model with one vocabulary and the same classes.
        precision: dtype policy, or "auto".
        weight: of the mean in the model's sum.
        expected_model: registered name that the network must have; empty for any.
        product: what it is made for; of predictions, it has embeddings too.

    Attributes:
        run: folder of the first checkpoint.
        config: the network's configuration.
        name: the registered name.
        dim: embedding dimension.
        frame_dim: feature dimension of a frame; 0 where pictures are read.
        max_frames: frames that are sampled of a video, at most.
        format: how videos become its batches.
        classes: ids of its classes; none of a model of embeddings.
        videos: how many videos are to be embedded between two turns of its checkpoints.

    Raises:
        UserError: a run folder or a checkpoint cannot be used.
    """

    def __init__(
        self,
        checkpoints: Sequence[str],
        precision: str,
        weight: float = 1.0,
        expected_model: str = "",
        product: Product = EMBEDDINGS,
    ):
        self.checkpoints, self.weight = tuple(checkpoints), weight
        folder = run_of(checkpoints[0])
        self.run = RunFolder.open(folder)
        self._maker, self.format = load_embedder(folder, precision, expected_model, product=product)
        self._network = self._maker.model
        self._embedder = self._maker if product is EMBEDDINGS else Embedder(self._network)
        self.config = self._network.config
        self.name, self.dim, frames = self.config.name, self.config.dim, self.config.frames
        self.frame_dim, self.max_frames = 0 if self.config.tower else frames.dim, frames.max_frames
        self.classes = self.run.classes.ids if product is PREDICTIONS else ()
        self._weights = HeldWeights(self._network, checkpoints)
        self.videos = self._weights.videos
        self._lock = threading.Lock()  # checkpoints take turns in one network
        for checkpoint in self.checkpoints:  # all of them now: a damaged one is found before anything is embedded
            self._weights.put(checkpoint)

    def embeddings(
        self, videos: Sequence[RawVideo], batch_size: int, name: Named, advance: Callable[[int], object]
    ) -> np.ndarray:
        """Mean of the checkpoints' embeddings, `[videos, dim]` float64, not normalised.

        Args:
            videos, batch_size, name: see `numbered_video_batches`.
            advance: called with the number of videos after each batch of each checkpoint.
        """
        total = np.zeros((len(videos), self.config.dim))
        self._add(total, self._embedder, lambda values: values, videos, batch_size, name, advance)
        return total / len(self.checkpoints)

    def probabilities(
        self, videos: Sequence[RawVideo], batch_size: int, name: Named, advance: Callable[[int], object]
    ) -> np.ndarray:
        """Mean of the checkpoints' class probabilities, `[videos, classes]` float64; arguments are those of `embeddings`."""
        total = np.zeros((len(videos), len(self.classes)))
        self._add(total, self._maker, softmax, videos, batch_size, name, advance)
        return total / len(self.checkpoints)

    def _add(
        self,
        total: np.ndarray,
        embedder: Embedder,
        transform: Callable[[np.ndarray], np.ndarray],
        videos: Sequence[RawVideo],
        batch_size: int,
        name: Named,
        advance: Callable[[int], object],
    ) -> None:
        """Adds what each checkpoint makes of the videos, transformed, to the rows of a sum."""
        batches = read_ahead(numbered_video_batches(videos, self.format, batch_size, name), 1, BATCHES_AHEAD)
        at_a_time = self.videos if len(self.checkpoints) > 1 else 1
        with self._lock:
            for chunk in chunks(batches, at_a_time):
                for checkpoint in self.checkpoints:
                    self._weights.put(checkpoint)
                    for numbers, values in embedder.vectors(chunk):
                        total[numbers] += transform(values)
                        advance(len(numbers))

    def write_weights(self, checkpoint: str, path: Path) -> None:
        """Writes the network's weights of one of the checkpoints; heads that only training needs are none of them."""
        with self._lock:
            self._weights.put(checkpoint)
            tf.train.Checkpoint(weights=model_weights(self._network)).write(os.fspath(path))

    @property
    def precision(self) -> str:
        """Dtype policy that the network computes by."""
        name: str = self._network.dtype_policy.name
        return name

    @property
    def parameters(self) -> int:
        """Numbers of a checkpoint's weights."""
        count: int = sum(value.shape.num_elements() for value in model_weights(self._network).values())
        return count

    @property
    def weight_bytes(self) -> int:
        """Bytes of the weights of all checkpoints."""
        needed: int = self._weights.needed
        return needed

"""Embeddings of videos and similarities of pairs by a trained model."""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf import losses
from vsim_tf.distributed.cluster import worker_shard
from vsim_tf.distributed.workers import gather_arrays
from vsim_tf.models.architectures import Model
from vsim_tf.models.network import VideoNetwork
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.runs.held_weights import HeldWeights
from vsim_tf.tasks.forward import call_elements, call_network

Part = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Numbers, ids and embeddings of a batch."""


def video_spec(config: Model) -> VideoBatch:
    """Shapes and types of a model's batches of any size and length."""
    tokens = tf.TensorSpec([None, None], tf.int32)
    return VideoBatch(
        ids=tf.TensorSpec([None], tf.string),
        input_ids=tokens,
        attention_mask=tokens,
        frames=tf.TensorSpec([None, None, *config.frame_shape], tf.uint8 if config.tower else tf.float16),
        num_frames=tf.TensorSpec([None], tf.int32),
        targets={"tags": tf.TensorSpec([None, config.num_tags], tf.int8)} if config.num_tags else {},
    )


class Embedder:
    """A model compiled for inference, once for all lengths of batches and all weights.

    With several replicas each takes a batch at a time. With several workers each reads its shard of the batches
    (`cluster.worker_shard`), and results are gathered: all workers get those of one process, in the order of the records.

    Args:
        model: made under the scope of the strategy.
        strategy: where the replicas live; by default one device.
        dims: similarities are also measured of the first so many numbers of the embeddings.

    Attributes:
        width: numbers of a video.
    """

    def __init__(self, model: VideoNetwork, strategy: tf.distribute.Strategy | None = None, dims: Sequence[int] = ()):
        self.model, self.strategy, self.width = model, strategy or tf.distribute.get_strategy(), model.config.dim
        self.dims = tuple(dims)
        self.replicas = max(self.strategy.num_replicas_in_sync // worker_shard()[1], 1)
        videos = video_spec(model.config)
        pairs = PairBatch(videos, videos, {"similarity": tf.TensorSpec([None], tf.float32)})
        self.videos = self._compiled(self._videos, videos)
        self.pairs = self._compiled(self._pairs, pairs)
        self.videos_and_tags = self._compiled(self._videos_and_tags, videos)

    def _compiled(self, function: Callable[..., Any], spec: VideoBatch | PairBatch) -> Callable[..., Any]:
        """The function of one batch; with several replicas, of a list with one batch for each."""
        if self.replicas == 1:
            compiled: Callable[..., Any] = tf.function(function, input_signature=[spec], autograph=False)
            return compiled

        def of_replicas(batches: list[VideoBatch | PairBatch]) -> Any:
            dealt = self.strategy.experimental_distribute_values_from_function(
                lambda context: batches[context.replica_id_in_sync_group % self.replicas]
            )
            return self.strategy.run(function, args=(dealt,))

        compiled = tf.function(of_replicas, input_signature=[[spec] * self.replicas], autograph=False)
        return compiled

    def _results(
        self, function: Callable[..., Any], batches: Iterable[tuple[tf.Tensor, Any]]
    ) -> Iterator[tuple[np.ndarray, Any, Any]]:
        """Numbers, batch, and what the function makes of it, of all batches in their order."""
        if self.replicas == 1:
            yield from ((numbers.numpy(), batch, function(batch)) for numbers, batch in batches)
            return
        batches = iter(batches)
        while group := list(itertools.islice(batches, self.replicas)):
            filled = (group * self.replicas)[: self.replicas]  # of a last, smaller group some are computed twice
            results = function([batch for _, batch in filled])
            parts = zip(*map(self.strategy.experimental_local_results, tf.nest.flatten(results)), strict=True)
            for (numbers, batch), part in zip(group, parts, strict=False):
                yield numbers.numpy(), batch, tf.nest.pack_sequence_as(results, part)

    def _videos(self, batch: VideoBatch) -> tf.Tensor:
        """`[batch, dim]` float32 embeddings, not normalised."""
        return call_network(self.model, batch, training=False).embedding

    def _videos_and_tags(self, batch: VideoBatch) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """`[batch, dim]` embeddings, `[batch, tags]` tag probabilities, and the `[batch]` cross-entropy of the tags."""
        output = call_network(self.model, batch, training=False)
        logits = output.logits["tags"]
        return output.embedding, tf.sigmoid(logits), losses.bce_from_logits(logits, batch.targets["tags"])

    def _pairs(self, batch: PairBatch) -> tf.Tensor:
        """`[batch, dims + 1]` cosines: of the first numbers of the embeddings, and of all."""
        first, second = (output.embedding for output in call_elements(self.model, batch, training=False))
        sizes = (*self.dims, self.width)
        return tf.stack([losses.cosine(first[:, :size], second[:, :size]) for size in sizes], axis=1)

    def vectors(self, batches: Iterable[tuple[tf.Tensor, VideoBatch]]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Numbers and `[batch, dim]` float32 embeddings of each batch; those of other workers are not gathered."""
        yield from ((numbers, values.numpy()) for numbers, _, values in self._results(self.videos, batches))

    def embed(self, batches: Iterable[tuple[tf.Tensor, VideoBatch]]) -> Embeddings:
        """Float32 embeddings of all videos of `numbered_batches`, in the order of their numbers."""
        return self._in_order(self._embed(batches))

    def embed_by_checkpoints(
        self, batches: tf.data.Dataset, checkpoints: Sequence[str], held: HeldWeights | None = None
    ) -> list[Embeddings]:
        """The same by each checkpoint; records are read and decoded once, weights as `held` decides."""
        held = held or HeldWeights(self.model, checkpoints)
        parts: list[list[Part]] = [[] for _ in checkpoints]
        for chunk in chunks(batches, held.videos):
            for part, checkpoint in zip(parts, checkpoints, strict=True):
                held.put(checkpoint)
                part += self._embed(chunk)
        return [self._in_order(part) for part in parts]

    def _embed(self, batches: Iterable[tuple[tf.Tensor, VideoBatch]]) -> list[Part]:
        """Numbers, ids and embeddings of each batch."""
        return [(numbers, batch.ids.numpy(), values.numpy()) for numbers, batch, values in self._results(self.videos, batches)]

    def _in_order(self, parts: list[Part]) -> Embeddings:
        numbers = _joined([numbers for numbers, _, _ in parts], np.int64)
        values = _joined([values for _, _, values in parts], np.float32, self.width)
        encoded = [video_id for _, part, _ in parts for video_id in part]
        lengths = np.array([len(video_id) for video_id in encoded], np.int64)
        letters = np.frombuffer(b"".join(encoded), np.uint8)
        numbers, lengths, letters, values = gather_arrays(self.strategy, (numbers, lengths, letters, values))
        ends = np.cumsum(lengths)
        ids = [letters[end - length : end].tobytes().decode() for end, length in zip(ends, lengths, strict=True)]
        order = np.argsort(numbers)
        return Embeddings([ids[row] for row in order], values[order])

    def similarities(self, batches: Iterable[tuple[tf.Tensor, PairBatch]]) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and human similarity of all pairs of `numbered_batches`, `[pairs]` float32 each, in their order."""
        predicted, target = self.similarities_by_dims(batches)
        return predicted[:, -1], target

    def similarities_by_dims(self, batches: Iterable[tuple[tf.Tensor, PairBatch]]) -> tuple[np.ndarray, np.ndarray]:
        """The same, where predictions are `[pairs, dims + 1]`: of the first numbers of the embeddings, and of all."""
        parts = [
            (numbers, cosines.numpy(), batch.targets["similarity"].numpy())
            for numbers, batch, cosines in self._results(self.pairs, batches)
        ]
        columns = zip(*parts, strict=True) if parts else ([], [], [])
        widths, types = [(), (len(self.dims) + 1,), ()], (np.int64, np.float32, np.float32)
        joined = [_joined(list(column), dtype, *width) for column, dtype, width in zip(columns, types, widths, strict=True)]
        numbers, predicted, target = gather_arrays(self.strategy, joined)
        order = np.argsort(numbers)
        return predicted[order], target[order]

    def embed_and_count(
        self, batches: Iterable[tuple[tf.Tensor, VideoBatch]], count: Callable[[np.ndarray, np.ndarray], Sequence[int]]
    ) -> tuple[Embeddings, np.ndarray, np.ndarray]:
        """Embeddings of all videos of `numbered_batches`, counts of each batch, `[batches, counts]` int64, and losses.

        The losses are the sum over tags of the binary cross-entropy, `[videos]` float32, in any order.

        Args:
            batches: of videos.
            count: gets tag probabilities and multi-hot tags of a batch, `[batch, tags]` each.
        """
        parts, counts, entropies = [], [], []
        for numbers, batch, (embeddings, probabilities, entropy) in self._results(self.videos_and_tags, batches):
            parts.append((numbers, batch.ids.numpy(), embeddings.numpy()))
            entropies.append(entropy.numpy())
            counts.append(np.array([count(probabilities.numpy(), batch.targets["tags"].numpy())]))
        width = counts[0].shape[1] if counts else 0
        rows, tag_losses = gather_arrays(self.strategy, [_joined(counts, np.int64, width), _joined(entropies, np.float32)])
        return self._in_order(parts), rows, tag_losses


def _joined(parts: list[np.ndarray], dtype: type, *width: int) -> np.ndarray:
    """The parts along their first axis; an empty array of that type and width where there is none."""
    return np.concatenate(parts) if parts else np.zeros((0, *width), dtype)


def chunks(batches: tf.data.Dataset, videos: int) -> Iterable[list[tuple[tf.Tensor, VideoBatch]]]:
    """Lists of consecutive numbered batches with about that many videos together."""
    chunk, held = [], 0
    for numbers, batch in batches:
        chunk.append((numbers, batch))
        held += batch.ids.shape[0]
        if held >= videos:
            yield chunk
            chunk, held = [], 0
    if chunk:
        yield chunk

"""Embeddings of videos and similarities of pairs by a trained model."""

from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from vsim_tf import losses
from vsim_tf.config import ModelConfig
from vsim_tf.data.labels import Pair
from vsim_tf.data.schema import PairBatch, VideoBatch
from vsim_tf.metrics import pair_spearman, spearman, tag_counts, tag_metrics
from vsim_tf.models import VideoModel
from vsim_tf.submission import Embeddings
from vsim_tf.training.checkpoints import restore_weights
from vsim_tf.training.objectives import call_model, call_sides

VIDEOS_IN_MEMORY = 4096
"""With several checkpoints, this many decoded videos are kept while each checkpoint embeds them."""


def video_spec(config: ModelConfig) -> VideoBatch:
    """Shapes and types of a model's batches of any size and length."""
    tokens = tf.TensorSpec([None, None], tf.int32)
    return VideoBatch(
        ids=tf.TensorSpec([None], tf.string),
        input_ids=tokens,
        attention_mask=tokens,
        frames=tf.TensorSpec([None, None, config.frame_embedding_size], tf.float16),
        num_frames=tf.TensorSpec([None], tf.int32),
        tags=tf.TensorSpec([None, config.num_tags], tf.int8),
        mlm_labels=tokens,
    )


class Embedder:
    """A model compiled for inference, once for all lengths of batches and all weights."""

    def __init__(self, model: VideoModel):
        self.model = model
        videos = video_spec(model.config)
        pairs = PairBatch(videos, videos, tf.TensorSpec([None], tf.float32))
        self.videos = tf.function(self._videos, input_signature=[videos], autograph=False)
        self.pairs = tf.function(self._pairs, input_signature=[pairs], autograph=False)
        self.videos_and_tags = tf.function(self._videos_and_tags, input_signature=[videos], autograph=False)

    def _videos(self, batch: VideoBatch):
        """`[batch, dim]` float32 embeddings, not normalised."""
        return call_model(self.model, batch, training=False).embedding

    def _videos_and_tags(self, batch: VideoBatch):
        """`[batch, dim]` embeddings and `[batch, tags]` tag probabilities."""
        output = call_model(self.model, batch, training=False)
        return output.embedding, tf.sigmoid(output.tag_logits)

    def _pairs(self, batch: PairBatch):
        """`[batch]` cosines."""
        return losses.cosine(*(output.embedding for output in call_sides(self.model, batch, training=False)))

    def embed(self, batches: Iterable[tuple[tf.Tensor, VideoBatch]]) -> Embeddings:
        """Float32 embeddings of all videos of `numbered_batches`, in the order of their numbers."""
        return _in_order(self._embed(batches))

    def embed_by_checkpoints(self, batches: tf.data.Dataset, checkpoints: Sequence[str]) -> list[Embeddings]:
        """The same by each checkpoint; records are read and decoded once."""
        parts = [[] for _ in checkpoints]
        for chunk in chunks(batches, VIDEOS_IN_MEMORY):
            for part, checkpoint in zip(parts, checkpoints, strict=True):
                restore_weights(self.model, checkpoint)
                part += self._embed(chunk)
        return [_in_order(part) for part in parts]

    def _embed(self, batches) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Numbers, ids and embeddings of each batch."""
        return [(numbers.numpy(), batch.ids.numpy(), self.videos(batch).numpy()) for numbers, batch in batches]

    def evaluate_pairs(self, batches: Iterable[PairBatch]) -> dict[str, float]:
        """Spearman and mean squared error of the predicted similarity of pairs."""
        predicted, target = [], []
        for batch in batches:
            predicted.append(self.pairs(batch).numpy())
            target.append(batch.similarity.numpy())
        predicted, target = np.concatenate(predicted), np.concatenate(target)
        return {"spearman": spearman(predicted, target), "mse": float(np.mean((predicted - target) ** 2))}

    def evaluate_videos(self, batches: Iterable[VideoBatch], pairs: Sequence[Pair]) -> dict[str, float]:
        """Spearman of labelled pairs among the videos of a data set; precision, recall, F1 of their tags (docs/facts.md 4.4)."""
        ids, values, counts = [], [], []
        for batch in batches:
            embeddings, probabilities = self.videos_and_tags(batch)
            ids.extend(video_id.decode() for video_id in batch.ids.numpy())
            values.append(embeddings.numpy())
            counts.append(tag_counts(probabilities.numpy(), batch.tags.numpy()))
        return {"spearman": pair_spearman(Embeddings(ids, np.concatenate(values)), pairs)} | tag_metrics(counts)


def _in_order(parts) -> Embeddings:
    numbers, ids, values = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(numbers)
    return Embeddings([video_id.decode() for video_id in ids[order]], values[order])


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

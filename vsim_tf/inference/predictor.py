"""Class logits of videos by a trained classifier."""

import tensorflow as tf

from vsim_tf.inference.embedder import Embedder
from vsim_tf.models.network import VideoNetwork
from vsim_tf.records.schema import VideoBatch
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.forward import call_network


class Predictor(Embedder):
    """An `Embedder` whose numbers are logits, one for each class: its `Embeddings` have them in the place of embeddings."""

    def __init__(self, model: VideoNetwork, strategy: tf.distribute.Strategy | None = None):
        super().__init__(model, strategy)
        self.width = model.config.num_classes

    def _videos(self, batch: VideoBatch) -> tf.Tensor:
        """`[batch, classes]` float32 logits."""
        return Classes.logits(self.model, call_network(self.model, batch, training=False).embedding)

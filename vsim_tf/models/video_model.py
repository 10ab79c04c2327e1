"""The base of both architectures: a text encoder, heads around it, and the two groups their weights train in."""

import keras
from keras import ops

from vsim_tf.config import ModelConfig
from vsim_tf.layers.transformer import NamedWeight, TransformerEncoder


class VideoModel(keras.Model):
    """Videos in, `VideoOutput` out.

    Call arguments: `input_ids`, `attention_mask` `[batch, text]`; `frames` `[batch, frames, dim]`, positions after the last
    frame repeat it; `num_frames` `[batch]`.
    """

    def __init__(self, config: ModelConfig, pooler: bool):
        super().__init__(name=config.architecture)
        self.config = config
        self.encoder = TransformerEncoder(config.encoder, pooler=pooler)

    @staticmethod
    def frame_mask(frames, num_frames):
        """`[batch, frames]` booleans: True at real frames."""
        return ops.arange(ops.shape(frames)[1]) < ops.expand_dims(num_frames, -1)

    def optimizer_groups(self) -> dict[str, list[keras.Variable]]:
        """Trainable variables of the "encoder" and "head" optimizers, in the order in which they are applied."""
        encoder = list(self.encoder.trainable_variables)
        ids = {id(v) for v in encoder}
        return {"encoder": encoder, "head": [v for v in self.trainable_variables if id(v) not in ids]}

    def head_weights(self) -> dict[str, NamedWeight]:
        """Weights outside the encoder by the name of their layer, e.g. `fusion_1/se/reduce/kernel`."""
        ids = {id(v) for v in self.encoder.weights}
        return {
            v.path.removeprefix(f"{self.name}/"): NamedWeight(v)
            for v in self.weights
            if id(v) not in ids and "seed_generator" not in v.path
        }

"""The base of all networks: a text encoder, and heads that tasks add."""

import keras
from keras import ops

from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.layers.vision_tower import VisionTower, pixel_values
from vsim_tf.models.model import Model
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.types import Tensor


class VideoNetwork(keras.Model):
    """Videos in, `VideoOutput` out.

    Call arguments: `input_ids`, `attention_mask` `[batch, text]`; `frames` `[batch, frames, dim]`, or for a tower pictures
    `[batch, frames, size, size, 3]`; `num_frames` `[batch]`.

    Attributes:
        config: the model that it was built from.
        encoder: of the text, or of text and frames.
        tower: makes features of pictures, if the model has one.
        heads: what tasks have added, by name.
    """

    def __init__(self, config: Model, name: str, pooler: bool = False):
        super().__init__(name=name)
        self.config = config
        self.encoder = TransformerEncoder(config.encoder, pooler=pooler)
        self.tower = VisionTower(config.tower) if config.tower else None
        self.heads: dict[str, keras.layers.Layer] = {}

    def add_tag_heads(self, head: TagHead) -> None:
        """Adds what `VideoOutput.logits["tags"]` needs; before the network is built."""
        raise NotImplementedError

    def features(self, frames: Tensor, num_frames: Tensor, training: bool | None = None) -> Tensor:
        """Frame features `[batch, frames, dim]` of the frames, in the network's type.

        Pictures are bytes from 0 to 255, or `pixel_values` as floats; behind the last of a video all pixel values are 0.
        """
        if self.tower is None:
            return ops.cast(frames, self.compute_dtype)
        pixels = frames if "float" in keras.backend.standardize_dtype(frames.dtype) else pixel_values(frames)
        real = ops.arange(ops.shape(frames)[1]) < ops.expand_dims(num_frames, -1)
        pixels = ops.where(real[..., None, None, None], ops.cast(pixels, "float32"), 0.0)
        vectors = self.tower(ops.reshape(pixels, (-1, *pixels.shape[2:])), training=training)
        return ops.reshape(vectors, (*ops.shape(frames)[:2], vectors.shape[-1]))

    def weights_by_name(self) -> dict[str, keras.Variable]:
        """Weights and BatchNorm statistics by their path without the network's name, e.g. `encoder/embedding/word`."""
        named = {v.path.removeprefix(f"{self.name}/"): v for v in self.weights if not is_random_state(v)}
        assert len(named) == sum(not is_random_state(v) for v in self.weights), "two weights share a path"
        return named

    def head_weights(self) -> dict[str, NamedWeight]:
        """Weights outside the encoder by the name of their layer, e.g. `fusion_1/se/reduce/kernel`."""
        ids = {id(v) for v in self.encoder.weights}
        return {name: NamedWeight(v) for name, v in self.weights_by_name().items() if id(v) not in ids}


def is_random_state(variable: keras.Variable) -> bool:
    """Whether a variable is the state of a dropout generator."""
    return "seed_generator" in variable.path

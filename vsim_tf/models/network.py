"""The base of all networks: a text encoder, and heads that tasks add."""

import keras
from keras import ops

from vsim_tf.layers.linear_embedding import LinearEmbedding
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
        linear: puts a linear embedding next to the network's, if the model has one.
        heads: what tasks have added, by name.
    """

    def __init__(self, config: Model, name: str, pooler: bool = False):
        super().__init__(name=name)
        self.config = config
        self.encoder = TransformerEncoder(config.encoder, pooler=pooler)
        self.tower = VisionTower(config.tower) if config.tower else None
        linear = config.linear
        self.linear = LinearEmbedding(linear, config.encoder.vocab_size, config.dim, name="linear") if linear else None
        self.heads: dict[str, keras.layers.Layer] = {}

    def add_tag_heads(self, head: TagHead) -> None:
        """Adds what `VideoOutput.logits["tags"]` needs; before the network is built."""
        raise NotImplementedError

    def features(self, frames: Tensor, num_frames: Tensor, training: bool | None = None) -> Tensor:
        """Frame features `[batch, frames, dim]` of the frames, in the network's type.

        Pictures are bytes from 0 to 255, or `pixel_values` as floats; behind the last of a video all pixel values are 0, so that
        one such picture goes through the tower for all of them.
        """
        if self.tower is None:
            return ops.cast(frames, self.compute_dtype)
        slots = (ops.shape(frames)[0], ops.shape(frames)[1])
        real = ops.reshape(ops.arange(slots[1]) < ops.expand_dims(num_frames, -1), (-1,))
        (indices,) = ops.nonzero(real)
        pictures = ops.take(ops.reshape(frames, (-1, *frames.shape[2:])), indices, axis=0)
        pixels = ops.cast(pictures, "float32") if is_float(pictures) else pixel_values(pictures)
        vectors = self.tower(ops.concatenate([ops.zeros((1, *frames.shape[2:])), pixels]), training=training)
        dim = vectors.shape[-1]
        # not by ops.take, whose gradient TensorFlow makes dense with a warning
        of_real = ops.scatter(ops.expand_dims(indices, -1), vectors[1:], (slots[0] * slots[1], dim))
        return ops.reshape(ops.where(real[:, None], of_real, vectors[0]), (*slots, dim))

    def beside_linear(
        self, embedding: Tensor, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor
    ) -> Tensor:
        """The embedding of the video, `[batch, dim]` float32, of the network's."""
        if self.linear is None:
            return embedding
        return self.linear.beside(embedding, self.linear(input_ids, attention_mask, frames, num_frames))

    def weights_by_name(self) -> dict[str, keras.Variable]:
        """Weights and BatchNorm statistics by their path without the network's name, e.g. `encoder/embedding/word`."""
        named = {v.path.removeprefix(f"{self.name}/"): v for v in self.weights if not is_random_state(v)}
        assert len(named) == sum(not is_random_state(v) for v in self.weights), "two weights share a path"
        return named

    def head_weights(self) -> dict[str, NamedWeight]:
        """Weights outside the encoder by the name of their layer, e.g. `fusion_1/se/reduce/kernel`."""
        ids = {id(v) for v in self.encoder.weights}
        return {name: NamedWeight(v) for name, v in self.weights_by_name().items() if id(v) not in ids}


def is_float(values: Tensor) -> bool:
    """Whether values are floating-point numbers."""
    return "float" in keras.backend.standardize_dtype(values.dtype)


def is_random_state(variable: keras.Variable) -> bool:
    """Whether a variable is the state of a dropout generator."""
    return "seed_generator" in variable.path

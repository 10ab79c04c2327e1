"""The base of all networks: a text encoder, and heads that tasks add."""

import keras

from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.architectures import Model
from vsim_tf.models.tag_heads import TagHead


class VideoNetwork(keras.Model):
    """Videos in, `VideoOutput` out.

    Call arguments: `input_ids`, `attention_mask` `[batch, text]`; `frames` `[batch, frames, dim]`, positions after the last
    frame repeat it; `num_frames` `[batch]`.

    Attributes:
        config: the model that it was built from.
        encoder: of the text, or of text and frames.
        heads: what tasks have added, by name.
    """

    def __init__(self, config: Model, name: str, pooler: bool = False):
        super().__init__(name=name)
        self.config = config
        self.encoder = TransformerEncoder(config.encoder, pooler=pooler)
        self.heads: dict[str, keras.layers.Layer] = {}

    def add_tag_heads(self, head: TagHead) -> None:
        """Adds what `VideoOutput.logits["tags"]` needs; before the network is built."""
        raise NotImplementedError

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

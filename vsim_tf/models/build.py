"""A model with all its weights made."""

from collections.abc import Iterable
from typing import Protocol

import keras
from keras import ops

from vsim_tf.components import require
from vsim_tf.models.architectures import Model
from vsim_tf.models.network import VideoNetwork


class AddsHeads(Protocol):
    """A task, as far as building a network is concerned."""

    def add_heads(self, network: VideoNetwork) -> None:
        """Adds heads to a network that is not built yet; those that its call does not build must be built here."""


def build_network(model: Model, tasks: Iterable[AddsHeads] = ()) -> VideoNetwork:
    """The network of a model with the heads of some tasks; without tasks, it embeds.

    Raises:
        UserError: the vocabulary's size is not known.
    """
    require(model.encoder.vocab_size > 0, "vocab_size=0: the vocabulary is not known", "encoder.vocab_size")
    network = model.network()
    with keras.name_scope(network.name):
        for task in tasks:
            task.add_heads(network)
    text = ops.ones((1, model.text.max_length), "int32")  # not masked: heads read [CLS], which packing must leave there
    frames = ops.zeros((1, model.frames.max_frames, *model.frame_shape))
    network(input_ids=text, attention_mask=text, frames=frames, num_frames=ops.zeros((1,), "int32"))
    return network

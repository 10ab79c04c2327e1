"""A model as one function of tensors: all networks with their weights, the sampling of frames, and the ensemble."""

import itertools

import tensorflow as tf

from vsim_tf.distributed.device import precision_scope
from vsim_tf.export.frame_sampling import sampled_frames
from vsim_tf.export.interface import FRAMES, NUM_FRAMES, PROBABILITIES, Interface, networks_of
from vsim_tf.inference.member import Member
from vsim_tf.inference.model import Model
from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.models.build import build_network
from vsim_tf.models.network import VideoNetwork
from vsim_tf.records.schema import VideoBatch
from vsim_tf.runs.weights import model_weights, restore_weights
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.forward import call_network


class ModelGraph:
    """A `Model` as one traced function.

    Args:
        model: of features.
        interface: that of the model.

    Attributes:
        function: keyword arguments are the inputs, the result is a dict with the output, `[batch, width]` float32.
        specs: shapes and types of the inputs.
        weights: all that the function reads.
    """

    def __init__(self, model: Model, interface: Interface):
        self.model, self.interface, self.members = model, interface, networks_of(model)
        self.networks = [[_network(member, checkpoint) for checkpoint in member.checkpoints] for member in self.members]
        self.weights = [value for each in itertools.chain(*self.networks) for value in model_weights(each).values()]
        self.specs = self._specs()
        self.function = tf.function(self._traced, input_signature=list(self.specs.values()), autograph=False)

    def _specs(self) -> dict[str, tf.TensorSpec]:
        specs: dict[str, tf.TensorSpec] = {}
        for place, text in enumerate(self.interface.texts):
            specs |= {name: tf.TensorSpec([None, text.max_length], tf.int32, name) for name in self.interface.names(place)}
        specs[FRAMES] = tf.TensorSpec([None, None, self.interface.frame_dim], tf.float32, FRAMES)
        specs[NUM_FRAMES] = tf.TensorSpec([None], tf.int32, NUM_FRAMES)
        return specs

    def _traced(self, *tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        inputs = dict(zip(self.specs, tensors, strict=True))
        members = zip(self.members, self.interface.of_members, self.networks, strict=True)
        results = [self._mean(self._batch(member, place, inputs), networks) for member, place, networks in members]
        return {self.interface.output: tf.ensure_shape(self._combined(results), [None, self.interface.width])}

    def _batch(self, member: Member, place: int, inputs: dict[str, tf.Tensor]) -> VideoBatch:
        """The batch of a member, cut to the longest text and video where that changes nothing."""
        config = member.config
        ids, mask = (inputs[name] for name in self.interface.names(place))
        if config.trims_text:
            longest = tf.reduce_max(tf.reduce_sum(mask, axis=1))
            ids, mask = ids[:, :longest], mask[:, :longest]
        features = tf.cast(inputs[FRAMES], tf.float16)  # as records hold them
        frames, num_frames = sampled_frames(features, inputs[NUM_FRAMES], config.frames, config.trims_frames)
        return VideoBatch((), ids, mask, frames, num_frames, {})

    def _mean(self, batch: VideoBatch, networks: list[VideoNetwork]) -> tf.Tensor:
        """Mean over the checkpoints of a member."""
        return tf.add_n([self._result(network, batch) for network in networks]) / len(networks)

    def _result(self, network: VideoNetwork, batch: VideoBatch) -> tf.Tensor:
        embedding = call_network(network, batch, training=False).embedding
        if self.interface.output != PROBABILITIES:
            return tf.cast(embedding, tf.float32)
        return tf.nn.softmax(Classes.logits(network, embedding))

    def _combined(self, results: list[tf.Tensor]) -> tf.Tensor:
        """The result of the ensemble, of those of its members."""
        members = self.members
        if self.model.projection:
            means, matrices = self.model.projection.means(), self.model.projection.matrices()
            parts = [
                l2_normalize(result - tf.constant(means[name], tf.float32)) @ tf.constant(matrices[name], tf.float32)
                for name, result in zip((member.name for member in members), results, strict=True)
            ]
            return tf.add_n(parts)
        total = sum(member.weight for member in members) if self.interface.output == PROBABILITIES else 1.0
        return tf.add_n([member.weight / total * result for member, result in zip(members, results, strict=True)])


def _network(member: Member, checkpoint: str) -> VideoNetwork:
    with precision_scope("float32"):
        network = build_network(member.config, [Classes()] if member.classes else [])
    restore_weights(network, checkpoint)
    return network

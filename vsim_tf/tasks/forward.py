"""Batches through a model."""

from vsim_tf.input.sub_batches import length_sorted_sub_batches
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.records.schema import PairBatch, VideoBatch


def call_network(network: VideoNetwork, batch: VideoBatch, training: bool) -> VideoOutput:
    """Runs a network on a batch of videos."""
    output: VideoOutput = network(batch.input_ids, batch.attention_mask, batch.frames, batch.num_frames, training=training)
    return output


def call_elements(network: VideoNetwork, batch: VideoBatch | PairBatch, training: bool) -> tuple[VideoOutput, ...]:
    """Runs a network on the videos of examples: one output for each of `batch.elements`.

    Where padding can be trimmed and no video's output depends on others, the videos of pairs go through the network as two
    length-sorted sub-batches instead: the same embeddings and logits, and no other outputs.
    """
    model = network.config
    if isinstance(batch, VideoBatch) or not (model.videos_are_independent and (model.trims_text or model.trims_frames)):
        return tuple(call_network(network, element, training) for element in batch.elements)
    sub_batches = length_sorted_sub_batches(batch, model.trims_text, model.trims_frames)
    short, long = (call_network(network, each, training) for each in (sub_batches.short, sub_batches.long))
    embeddings = sub_batches.to_elements(short.embedding, long.embedding)
    logits = {name: sub_batches.to_elements(short.logits[name], long.logits[name]) for name in short.logits}
    return tuple(VideoOutput(each, {name: elements[i] for name, elements in logits.items()}) for i, each in enumerate(embeddings))

"""Batches through a model."""

from vsim_tf.input.halves import halves_by_length
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.records.schema import PairBatch, VideoBatch


def call_network(network: VideoNetwork, batch: VideoBatch, training: bool) -> VideoOutput:
    """Runs a network on a batch of videos."""
    output: VideoOutput = network(batch.input_ids, batch.attention_mask, batch.frames, batch.num_frames, training=training)
    return output


def call_elements(network: VideoNetwork, batch: VideoBatch | PairBatch, training: bool) -> tuple[VideoOutput, ...]:
    """Runs a network on the videos of examples: one output for each of `batch.elements`.

    Where padding can be trimmed and no video's output depends on others, the videos of pairs go through the network as a shorter
    and a longer half instead: the same embeddings and logits, and no other outputs.
    """
    model = network.config
    if isinstance(batch, VideoBatch) or not (model.videos_are_independent and (model.trims_text or model.trims_frames)):
        return tuple(call_network(network, element, training) for element in batch.elements)
    halves = halves_by_length(batch, model.trims_text, model.trims_frames)
    short, long = (call_network(network, half, training) for half in (halves.short, halves.long))
    embeddings = halves.to_sides(short.embedding, long.embedding)
    logits = {name: halves.to_sides(short.logits[name], long.logits[name]) for name in short.logits}
    return tuple(VideoOutput(each, {name: sides[i] for name, sides in logits.items()}) for i, each in enumerate(embeddings))

"""Text and frames in encoders of their own that attend to each other."""

from keras import ops

from vsim_tf.layers.cross_attention import CrossLayer, Streams
from vsim_tf.layers.frame_block import FrameBlock
from vsim_tf.layers.transformer import TransformerEncoder, score_bias
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.stream_network import StreamNetwork
from vsim_tf.models.two_streams import TwoStream
from vsim_tf.types import Tensor


class TwoStreamNetwork(StreamNetwork):
    """The network of `TwoStream`."""

    config: TwoStream

    def __init__(self, config: TwoStream):
        super().__init__(config, name="two_stream")
        widths_differ = config.frames.dim != config.encoder.hidden_size
        self.frame_block = FrameBlock(config.vision, project=widths_differ, class_vector=True, name="frame_block")
        self.vision = TransformerEncoder(config.vision, tokens=False, name="vision")
        self.cross = [CrossLayer(config.cross, name=f"cross_{i}") for i in range(config.cross_layers)]

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        features = self.features(frames, num_frames, training=training)
        mask = self.vision_mask(features, num_frames)
        streams = self.streams(input_ids, attention_mask, features, mask, training=training)
        biases = (score_bias(attention_mask, features.dtype), score_bias(mask, features.dtype))
        for layer in self.cross:
            streams = layer(streams, biases, training=training)
        text, vision = (self.pooled(*each) for each in zip(streams, (attention_mask, mask), strict=True))
        return VideoOutput(ops.cast(ops.concatenate([vision, text], axis=-1), "float32"), {})

    def vision_mask(self, features: Tensor, num_frames: Tensor) -> Tensor:
        """True at the class vector and at real frames, `[batch, 1 + frames]`."""
        return ops.arange(ops.shape(features)[1] + 1) < ops.expand_dims(num_frames + 1, -1)

    def streams(
        self, input_ids: Tensor, attention_mask: Tensor, features: Tensor, mask: Tensor, training: bool | None = None
    ) -> Streams:
        """Encoded text and vision, before they attend to each other."""
        text, vision = self.encoder.embed(input_ids, training=training), self.frame_block(features, training=training)
        return (
            self.encoder(text, attention_mask, ops.arange(ops.shape(text)[1]), training=training),
            self.vision(vision, mask, ops.arange(ops.shape(vision)[1]), training=training),
        )

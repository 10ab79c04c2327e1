"""Text and frames in encoders of their own that attend to each other."""

from keras import ops

from vsim_tf.layers.cross_attention import CrossLayer
from vsim_tf.layers.frame_block import FrameBlock
from vsim_tf.layers.transformer import TransformerEncoder, score_bias
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.two_streams import TwoStream
from vsim_tf.types import Tensor


class TwoStreamNetwork(VideoNetwork):
    """The network of `TwoStream`."""

    config: TwoStream

    def __init__(self, config: TwoStream):
        super().__init__(config, name="two_stream")
        self.frame_block = FrameBlock(config.vision, project=False, class_vector=True, name="frame_block")
        self.vision = TransformerEncoder(config.vision, tokens=False, name="vision")
        self.cross = [CrossLayer(config.cross, name=f"cross_{i}") for i in range(config.cross_layers)]
        self.pool = config.pooling.build(self.encoder)

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        vision = self.frame_block(self.features(frames, num_frames, training=training), training=training)
        text, positions = self.encoder.embed(input_ids, training=training), ops.arange(ops.shape(input_ids)[1])
        mask = ops.arange(ops.shape(vision)[1]) < ops.expand_dims(num_frames + 1, -1)
        streams = (
            self.encoder(text, attention_mask, positions, training=training),
            self.vision(vision, mask, ops.arange(ops.shape(vision)[1]), training=training),
        )
        masks = (attention_mask, mask)
        biases = tuple(score_bias(each, vision.dtype) for each in masks)
        for layer in self.cross:
            streams = layer(streams, biases, training=training)
        pooled = [self._pooled(*each) for each in zip(streams, masks, strict=True)]
        return VideoOutput(ops.cast(ops.concatenate(pooled[::-1], axis=-1), "float32"), {})

    def _pooled(self, states: Tensor, mask: Tensor) -> Tensor:
        counts = ops.ones_like(mask) if self.config.pooling.reads_padding else mask
        return self.pool(states, ops.cast(counts, states.dtype))

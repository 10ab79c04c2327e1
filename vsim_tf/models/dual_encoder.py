"""A vision tower and a text encoder side by side."""

from keras import ops

from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.stream_network import StreamNetwork
from vsim_tf.models.two_streams import DualEncoder
from vsim_tf.types import Tensor


class DualEncoderNetwork(StreamNetwork):
    """The network of `DualEncoder`."""

    config: DualEncoder

    def __init__(self, config: DualEncoder):
        super().__init__(config, name="dual_encoder")

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        features = self.features(frames, num_frames, training=training)
        states = self.text_states(input_ids, attention_mask, training=training)
        real = ops.arange(ops.shape(features)[1]) < ops.expand_dims(num_frames, -1)
        video, text = self.pooled(features, real), self.pooled(states, attention_mask)
        return VideoOutput(ops.cast(video, "float32"), {}, text=ops.cast(text, "float32"))

    def text_states(self, input_ids: Tensor, attention_mask: Tensor, training: bool | None = None) -> Tensor:
        """Encoded tokens, `[batch, text, hidden]`."""
        embedded = self.encoder.embed(input_ids, training=training)
        return self.encoder(embedded, attention_mask, ops.arange(ops.shape(input_ids)[1]), training=training)

"""Text and frames in one encoder."""

import keras
from keras import ops

from vsim_tf.models.architectures import SingleStream
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.sequence import Sequence, frame_sequence, text_sequence
from vsim_tf.types import Tensor


class SingleStreamNetwork(VideoNetwork):
    """The network of `SingleStream`."""

    config: SingleStream

    def __init__(self, config: SingleStream):
        super().__init__(config, name="uniter")  # with which weight paths of checkpoints begin
        self.frame_map = config.frame_embedding.build(config.encoder.hidden_size)
        self.fc = keras.layers.Dense(config.embedding_size, name="fc")
        self.pool = config.pooling.build(self.encoder)
        self.classifier: keras.layers.Dense | None = None

    def add_tag_heads(self) -> None:
        self.classifier = keras.layers.Dense(self.config.num_tags, dtype="float32", name="classifier")

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        sequence = self.sequence(input_ids, attention_mask, frames, num_frames, training=training)
        states = self.encoder(sequence.states, sequence.mask, sequence.positions, training=training)
        sequence = sequence._replace(states=self.fc(states))
        embedding = ops.cast(self.pool(sequence.states, sequence.counted(self.config.pooling.reads_padding)), "float32")
        logits = {"tags": self.classifier(embedding)} if self.classifier else {}
        return VideoOutput(embedding, logits, sequence)

    def sequence(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> Sequence:
        """The encoder's input."""
        config = self.config
        text = text_sequence(self.encoder.embed(input_ids, training=training), attention_mask)
        states = self.frame_map(ops.cast(frames, self.compute_dtype))
        of_frames = frame_sequence(states, num_frames, config.frames.max_frames)
        sequence = config.layout(text, of_frames, config.text.max_length, config.frames.max_frames)
        return sequence.packed() if config.pack else sequence

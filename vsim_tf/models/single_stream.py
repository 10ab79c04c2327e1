"""Text and frames in one encoder."""

import keras
from keras import ops

from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.models.architectures import SingleStream
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.sequence import Sequence, frame_sequence, text_sequence
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.types import Tensor


class SingleStreamNetwork(VideoNetwork):
    """The network of `SingleStream`."""

    config: SingleStream

    def __init__(self, config: SingleStream):
        super().__init__(config, name="uniter")  # with which weight paths of checkpoints begin
        self.frame_map = config.frame_embedding.build(config.encoder)
        self.fc = config.projection.dense(config.embedding_size, config.encoder.hidden_size)
        self.pool = config.pooling.build(self.encoder)
        self.tag_head: TagHead | None = None
        self.classifier: keras.layers.Dense | None = None

    def add_tag_heads(self, head: TagHead) -> None:
        config = self.config
        self.tag_head = head
        self.classifier = head.dense(config.num_tags, config.encoder.hidden_size, config.dim)

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        sequence = self.sequence(input_ids, attention_mask, frames, num_frames, training=training)
        sequence, embedding = self.config.projection(self.fc, self.pooled, self.encoded(sequence, training=training))
        embedding = ops.cast(embedding, "float32")
        logits = {}
        if self.tag_head and self.classifier:
            logits["tags"] = self.classifier(self.tag_head.features(sequence, embedding))
        embedding = self.beside_linear(embedding, input_ids, attention_mask, frames, num_frames)
        return VideoOutput(l2_normalize(embedding) if self.config.unit_norm else embedding, logits, sequence)

    def pooled(self, sequence: Sequence) -> Tensor:
        """One vector of the states of a sequence, `[batch, dim]`."""
        return self.pool(sequence.states, sequence.counted(self.config.pooling.reads_padding))

    def encoded(self, sequence: Sequence, training: bool | None = None) -> Sequence:
        """The sequence behind the encoder."""
        return sequence._replace(states=self.encoder(sequence.states, sequence.mask, sequence.positions, training=training))

    def text_alone(self, input_ids: Tensor, attention_mask: Tensor, training: bool | None = None) -> Sequence:
        """Encoded tokens `[batch, text]` without frames."""
        return self.encoded(text_sequence(self.encoder.embed(input_ids, training=training), attention_mask), training=training)

    def sequence(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> Sequence:
        """The encoder's input."""
        config = self.config
        text = text_sequence(self.encoder.embed(input_ids, training=training), attention_mask)
        states = self.frame_map(self.features(frames, num_frames, training=training))
        of_frames = frame_sequence(states, num_frames, config.frames.max_frames)
        sequence = config.layout(text, of_frames, config.text.max_length, config.frames.max_frames)
        return sequence.packed() if config.pack else sequence

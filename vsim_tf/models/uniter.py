"""Uniter: text and frames in one encoder, mean over all positions (2021 solution, facts 3.4 and 3.5)."""

import keras
from keras import ops

from vsim_tf.config import ModelConfig
from vsim_tf.layers.heads import MaskedLanguageModelHead
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.video_model import VideoModel


def mean_pooling(states, mask):
    """Mean over all positions, padding included (quirk 10)."""
    del mask
    return ops.mean(states, axis=1)


def cls_pooling(states, mask):
    """State of the first position."""
    del mask
    return states[:, 0]


def max_pooling(states, mask):
    """Maximum over unmasked positions: masked ones are lowered by 1000."""
    return ops.max(states - 1000.0 * (1.0 - ops.cast(mask, states.dtype))[:, :, None], axis=1)


POOLINGS = {"mean": mean_pooling, "cls": cls_pooling, "max": max_pooling}


class Uniter(VideoModel):
    """Single-stream model with an optional masked-language-model head (pre-training only)."""

    def __init__(self, config: ModelConfig, mlm_head: bool = False):
        super().__init__(config, pooler=False)
        self.frame_map = keras.layers.Dense(config.encoder.hidden_size, activation="relu", name="frame_map")
        self.fc = keras.layers.Dense(config.embedding_size, name="fc")
        self.classifier = keras.layers.Dense(config.num_tags, dtype="float32", name="classifier")
        self.mlm = MaskedLanguageModelHead(config.encoder, name="mlm") if mlm_head else None

    def call(self, input_ids, attention_mask, frames, num_frames, training=None):
        frames = ops.cast(frames, self.compute_dtype)
        frame_mask = self.frame_mask(frames, num_frames)
        states = self.encoder(input_ids, attention_mask, self.frame_map(frames), frame_mask, training=training)
        token_states = self.fc(states)
        mask = ops.concatenate([ops.cast(attention_mask, "bool"), frame_mask], axis=1)
        embedding = ops.cast(POOLINGS[self.config.pooling](token_states, mask), "float32")
        if self.mlm and not self.mlm.built:
            self.mlm.build((None, self.config.embedding_size))
        return VideoOutput(embedding, self.classifier(embedding), token_states)

    def mlm_logits(self, token_states):
        """Word logits `[..., vocab]` of embedding-wide states `[..., embedding_size]`, in float32."""
        return ops.cast(self.mlm(token_states, self.encoder.embedding.word), "float32")

    def optimizer_groups(self):
        """With the masked-language-model head the encoder's embedding block is in both groups: two updates a step (quirk 1)."""
        groups = super().optimizer_groups()
        if self.mlm:
            groups["head"] = groups["head"] + self.encoder.embedding_variables()
        return groups

"""Uniter: text and frames in one encoder, pooled over positions (2021 solution, docs/facts.md 3.4 and 3.5)."""

import keras
from keras import ops

from vsim_tf.config import ModelConfig
from vsim_tf.layers.heads import MaskedLanguageModelHead
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.video_model import VideoModel


def mean_pooling(states, mask, trimmed):
    """Mean over all positions, padding included (quirk 10), or over unmasked ones where padding is ignored.

    Trimmed positions count as the last one: frames have no position in BERT, so those that repeat the last frame have its
    state (apart from dropout's noise).
    """
    if trimmed is None:
        weights = ops.cast(mask, states.dtype)[:, :, None]
        return ops.sum(states * weights, axis=1) / ops.sum(weights, axis=1)
    total = ops.sum(states, axis=1) + ops.cast(trimmed, states.dtype) * states[:, -1]
    return total / ops.cast(ops.shape(states)[1] + trimmed, states.dtype)


def cls_pooling(states, mask, trimmed):
    """State of the first position."""
    del mask, trimmed
    return states[:, 0]


def max_pooling(states, mask, trimmed):
    """Maximum over unmasked positions: masked ones are lowered by 1000."""
    del trimmed
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
        config = self.config
        states = self.encoder(
            input_ids, attention_mask, self.frame_map(frames), frame_mask,
            text_positions=config.max_text_length, pack=config.ignore_padding, training=training,
        )  # fmt: skip
        token_states = self.fc(states)
        mask = ops.concatenate([ops.cast(attention_mask, "bool"), frame_mask], axis=1)
        if config.ignore_padding:
            mask = ops.arange(ops.shape(states)[1]) < ops.sum(ops.cast(mask, "int32"), axis=1, keepdims=True)
        trimmed = None if config.ignore_padding else config.max_frames - ops.shape(frames)[1]
        embedding = ops.cast(POOLINGS[config.pooling](token_states, mask, trimmed), "float32")
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

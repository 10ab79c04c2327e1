"""MixNextVLAD: three NeXtVLAD experts fused with text and mixed by a gate (2021 solution, docs/facts.md 3.2 and 3.3)."""

import keras
from keras import ops

from vsim_tf.config import ModelConfig
from vsim_tf.layers.fusion import ConcatDenseSE
from vsim_tf.layers.nextvlad import NeXtVLAD, batch_normalization
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.video_model import VideoModel


class MixNextVLAD(VideoModel):
    """Mixture of experts; the embedding is the gated sum of the experts' and has no negative number."""

    def __init__(self, config: ModelConfig):
        super().__init__(config, pooler=config.pooling == "pooler")
        self.bert_map = keras.layers.Dense(config.vlad_hidden_size, activation="relu", name="bert_map")
        self.gate_norm = batch_normalization("gate_bn")
        self.gate = keras.layers.Dense(config.num_experts, activation="softmax", dtype="float32", name="gate")
        numbers = range(1, config.num_experts + 1)
        self.nextvlads = [
            NeXtVLAD(
                config.vlad_clusters, config.vlad_groups, config.vlad_expansion, config.vlad_hidden_size, config.dropout,
                config.ignore_padding, name=f"nextvlad_{k}",
            )
            for k in numbers
        ]  # fmt: skip
        self.fusions = [
            ConcatDenseSE(config.embedding_size, config.se_ratio, config.dropout, name=f"fusion_{k}") for k in numbers
        ]
        self.classifiers = [keras.layers.Dense(config.num_tags, dtype="float32", name=f"classifier_{k}") for k in numbers]

    def call(self, input_ids, attention_mask, frames, num_frames, training=None):
        frames = ops.cast(frames, self.compute_dtype)
        text = self.bert_map(self.text_vector(input_ids, attention_mask, training=training))
        mask = self.frame_mask(frames, num_frames)
        has_frames = ops.cast(num_frames > 0, self.compute_dtype)[:, None]
        vectors = [nextvlad(frames, mask, training=training) * has_frames for nextvlad in self.nextvlads]
        experts = [fuse(vector, text, training=training) for fuse, vector in zip(self.fusions, vectors, strict=True)]
        logits = [classify(expert) for classify, expert in zip(self.classifiers, experts, strict=True)]
        gate = self.gate_weights(frames, mask, text, training=training)
        return VideoOutput(
            embedding=mixture(gate, [ops.cast(expert, "float32") for expert in experts]),
            tag_logits=mixture(gate, logits),
            expert_logits=logits,
            expert_vectors=vectors,
            expert_embeddings=experts,
            text_vector=text,
            gate=gate,
        )

    def text_vector(self, input_ids, attention_mask, training=None):
        """`[batch, hidden]`: BERT's pooler, or the maximum over all positions, padding included (quirk 11) or ignored."""
        if self.config.pooling == "pooler":
            return self.encoder.pool(self.encoder(input_ids, attention_mask, first_only=True, training=training))
        states = self.encoder(input_ids, attention_mask, training=training)
        if self.config.ignore_padding:
            states = ops.where(attention_mask[:, :, None] == 1, states, -1000.0)
        return ops.max(states, axis=1)

    def gate_weights(self, frames, mask, text, training=None):
        """`[batch, experts]` from text and the mean over frame positions, the repeated last frame included (quirk 12) or not."""
        if self.config.ignore_padding:
            weights = ops.cast(mask, frames.dtype)[:, :, None]
            mean = ops.sum(frames * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
        else:
            mean = ops.mean(frames, axis=1)
        features = ops.concatenate([mean, text], axis=-1)
        return self.gate(self.gate_norm(features, training=training))


def mixture(weights, vectors: list):
    """Σ_k weights[:, k] · vectors[k], `[batch, experts]` and a list of `[batch, dim]` to `[batch, dim]`."""
    return sum(weights[:, k, None] * vector for k, vector in enumerate(vectors))

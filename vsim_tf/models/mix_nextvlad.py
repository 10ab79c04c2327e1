"""Three NeXtVLAD experts fused with text and mixed by a gate (2021 solution, docs/facts.md 3.2 and 3.3)."""

import keras
from keras import ops

from vsim_tf.layers.fusion import ConcatDenseSE
from vsim_tf.layers.nextvlad import NeXtVLAD, batch_normalization
from vsim_tf.models.architectures import MixNextVLAD
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.outputs import Experts, VideoOutput
from vsim_tf.models.sequence import Sequence, frame_sequence, text_sequence
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.types import Tensor


class MixNextVLADNetwork(VideoNetwork):
    """The network of `MixNextVLAD`; the embedding is the gated sum of the experts' and has no negative number."""

    config: MixNextVLAD

    def __init__(self, config: MixNextVLAD):
        super().__init__(config, name="mix_nextvlad", pooler=config.text_pooling.uses_pooler)
        self.pool = config.text_pooling.build(self.encoder)
        self.bert_map = keras.layers.Dense(config.vlad_size, activation="relu", name="bert_map")
        self.gate_norm = batch_normalization("gate_bn")
        self.gate = keras.layers.Dense(config.num_experts, activation="softmax", dtype="float32", name="gate")
        self.numbers = range(1, config.num_experts + 1)
        self.nextvlads = [
            NeXtVLAD(
                config.clusters, config.groups, config.expansion, config.vlad_size, config.dropout,
                ignore_padding=not config.frame_padding, name=f"nextvlad_{k}",
            )
            for k in self.numbers
        ]  # fmt: skip
        self.fusions = [
            ConcatDenseSE(config.embedding_size, config.se_ratio, config.dropout, name=f"fusion_{k}") for k in self.numbers
        ]
        self.classifiers: list[keras.layers.Dense] = []

    def add_tag_heads(self, head: TagHead) -> None:
        del head  # each expert's embedding is read
        self.classifiers = [
            keras.layers.Dense(self.config.num_tags, dtype="float32", name=f"classifier_{k}") for k in self.numbers
        ]

    def call(
        self, input_ids: Tensor, attention_mask: Tensor, frames: Tensor, num_frames: Tensor, training: bool | None = None
    ) -> VideoOutput:
        frames = ops.cast(frames, self.compute_dtype)
        text = self.bert_map(self.text_vector(input_ids, attention_mask, training=training))
        sequence = frame_sequence(frames, num_frames, self.config.frames.max_frames)
        has_frames = ops.cast(num_frames > 0, self.compute_dtype)[:, None]
        vectors = [each(sequence.states, sequence.mask, training=training) * has_frames for each in self.nextvlads]
        fused = [fuse(vector, text, training=training) for fuse, vector in zip(self.fusions, vectors, strict=True)]
        experts = [embedding for embedding, _ in fused]
        logits = [classify(expert) for classify, expert in zip(self.classifiers, experts, strict=False)]
        gate = self.gate_weights(sequence, text, training=training)
        embedding = mixture(gate, [ops.cast(expert, "float32") for expert in experts])
        return VideoOutput(
            embedding=self.beside_linear(embedding, input_ids, attention_mask, frames, num_frames),
            logits={"tags": mixture(gate, logits)} if logits else {},
            experts=Experts(logits, vectors, experts, text, gate, tuple(se_gate for _, se_gate in fused)),
        )

    def text_vector(self, input_ids: Tensor, attention_mask: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, hidden]`: the pooled states of the text."""
        text = text_sequence(self.encoder.embed(input_ids, training=training), attention_mask)
        first_only = self.config.text_pooling.first_only
        states = self.encoder(text.states, text.mask, text.positions, first_only=first_only, training=training)
        return self.pool(states, text.counted(self.config.text_pooling.reads_padding))

    def gate_weights(self, sequence: Sequence, text: Tensor, training: bool | None = None) -> Tensor:
        """`[batch, experts]` from text and the mean over frame positions, the repeated last frame included (quirk 12) or not."""
        frames = sequence.states
        if self.config.frame_padding:
            mean = ops.mean(frames, axis=1)
        else:
            weights = sequence.counted(padding=False)[:, :, None]
            mean = ops.sum(frames * weights, axis=1) / ops.maximum(ops.sum(weights, axis=1), 1.0)
        features = ops.concatenate([mean, text], axis=-1)
        return self.gate(self.gate_norm(features, training=training))


def mixture(weights: Tensor, vectors: list[Tensor]) -> Tensor:
    """Σ_k weights[:, k] · vectors[k], `[batch, experts]` and a list of `[batch, dim]` to `[batch, dim]`."""
    return sum(weights[:, k, None] * vector for k, vector in enumerate(vectors))

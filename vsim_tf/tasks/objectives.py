"""What is minimised: a loss and its terms, as functions of a model and a batch.

Logged losses are means over videos. What is differentiated is the sum, i.e. the global batch size times the mean (twice that for
pairs), as in 2021, so that Adam's epsilon means the same and replicas simply add their gradients (docs/facts.md 4.1, 5.2). Every
term below returns this replica's part of that sum.
"""

from typing import Any, NamedTuple

import tensorflow as tf
from keras import ops

from vsim_tf import losses
from vsim_tf.input.halves import halves_by_length
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.video_model import VideoModel
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch, VideoBatch

TAG_LOSSES = {
    "bce": {
        "pretrain": losses.bce_from_logits,
        "pair": lambda logits, labels: losses.bce_from_probabilities(ops.sigmoid(logits), labels),
    },
    "asl": {
        "pretrain": lambda logits, labels: losses.asymmetric_loss(ops.sigmoid(logits), labels),
        "pair": lambda logits, labels: losses.asymmetric_loss(ops.sigmoid(logits), labels),
    },
}


class GlobalBatch(NamedTuple):
    """What this replica knows of the global batch before its forward pass, so that a compiled pass needs no other replica.

    Attributes:
        replicas: number of replicas.
        size: videos (pre-training) or pairs (fine-tuning) of all replicas, a float32 scalar.
        offset: position of this replica's first row in the global batch, an integer scalar.
        masked_tokens: tokens to predict in all replicas, a float32 scalar.
    """

    replicas: int
    size: Any
    offset: Any
    masked_tokens: Any

    @classmethod
    def of(cls, size, labels=None) -> "GlobalBatch":
        """From this replica's number of rows, and targets of its masked tokens where there are any."""
        masked = tf.math.count_nonzero(labels != IGNORED_TOKEN, dtype=tf.int32) if labels is not None else tf.constant(0)
        context = tf.distribute.get_replica_context()
        counts = tf.stack([size, masked])[None]
        counts = counts if context.num_replicas_in_sync == 1 else context.all_gather(counts, axis=0)
        size, masked = tf.unstack(tf.cast(tf.reduce_sum(counts, axis=0), tf.float32), 2)
        index = context.replica_id_in_sync_group
        return cls(context.num_replicas_in_sync, size, tf.reduce_sum(counts[:index, 0]), masked)

    def gather(self, value):
        """Values of all replicas along the batch axis; gradients flow back to each."""
        return value if self.replicas == 1 else tf.distribute.get_replica_context().all_gather(value, axis=0)


def call_model(model: VideoModel, batch: VideoBatch, training: bool) -> VideoOutput:
    """Runs a model on a batch of videos."""
    return model(batch.input_ids, batch.attention_mask, batch.frames, batch.num_frames, training=training)


def call_sides(model: VideoModel, pairs: PairBatch, training: bool) -> list[VideoOutput]:
    """Runs a model on the first and on the second videos of pairs.

    Where padding can be trimmed and no video's output depends on others, the videos go through the model as a shorter
    and a longer half instead: the same embeddings and tag logits, and no other outputs.
    """
    if not (model.config.videos_are_independent and (model.config.trims_text or model.config.trims_frames)):
        return [call_model(model, side, training) for side in (pairs.first, pairs.second)]
    halves = halves_by_length(pairs, model.config)
    short, long = (call_model(model, half, training) for half in (halves.short, halves.long))
    embeddings = halves.to_sides(short.embedding, long.embedding)
    return list(map(VideoOutput, embeddings, halves.to_sides(short.tag_logits, long.tag_logits)))


def tag_term(model, output: VideoOutput, batch: VideoBatch, world: GlobalBatch):
    """Σ_b tag loss of the (mixture's) logits."""
    del world
    return ops.sum(TAG_LOSSES[model.config.tag_loss]["pretrain"](output.tag_logits, batch.tags))


def expert_tag_term(model, output: VideoOutput, batch: VideoBatch, world: GlobalBatch):
    """Σ_b Σ_k tag loss of expert k."""
    del world
    loss = TAG_LOSSES[model.config.tag_loss]["pretrain"]
    return sum(ops.sum(loss(logits, batch.tags)) for logits in output.expert_logits)


def regulariser_term(model, output: VideoOutput, batch: VideoBatch, world: GlobalBatch):
    """B times the mixture regulariser R."""
    del model, batch, world
    return ops.sum(losses.mixture_regulariser(output.tag_logits, list(output.expert_logits)))


def contrastive_term(model, output: VideoOutput, batch: VideoBatch, world: GlobalBatch):
    """Σ_b Σ_k C(v_k, t) with the negatives of the global batch."""
    del model, batch
    text = ops.cast(output.text_vector, "float32")
    all_text = world.gather(text)
    vectors = [ops.cast(v, "float32") for v in output.expert_vectors]
    return sum(ops.sum(losses.contrastive(v, text, world.gather(v), all_text, world.offset)) for v in vectors)


def mlm_term(model, output: VideoOutput, batch: VideoBatch, world: GlobalBatch):
    """B times the mean cross-entropy of all masked positions of the global batch; 0 when none is masked.

    Logits are computed at masked positions only: same value and gradient as computing all and dropping the rest (quirk 15).
    """
    masked = tf.where(batch.mlm_labels != IGNORED_TOKEN)
    logits = model.mlm_logits(tf.gather_nd(output.token_states, masked))
    loss = ops.sum(losses.cross_entropy(logits, tf.gather_nd(batch.mlm_labels, masked)))
    return world.size * loss / tf.maximum(world.masked_tokens, 1.0)


PRETRAIN_TERMS = {
    "tag": tag_term,
    "expert_tags": expert_tag_term,
    "regulariser": regulariser_term,
    "contrastive": contrastive_term,
    "mlm": mlm_term,
}


class PretrainObjective:
    """The weighted sum of a model's pre-training losses (`ModelConfig.pretrain_losses`)."""

    videos = 1

    @staticmethod
    def global_batch(batch: VideoBatch) -> GlobalBatch:
        """What the loss needs of all replicas' batches."""
        return GlobalBatch.of(tf.shape(batch.num_frames)[0], batch.mlm_labels)

    def __call__(self, model: VideoModel, batch: VideoBatch, world: GlobalBatch | None = None, training: bool = True):
        """Returns this replica's part of the sum (a scalar) and of each weighted term's mean (a dictionary of scalars)."""
        return self.from_output(model, call_model(model, batch, training), batch, world)

    @staticmethod
    def from_output(model: VideoModel, output: VideoOutput, batch: VideoBatch, world: GlobalBatch | None = None):
        """The same from the model's output."""
        world = world or GlobalBatch.of(ops.shape(output.embedding)[0], batch.mlm_labels)
        weights = model.config.pretrain_losses
        terms = {name: weights[name] * PRETRAIN_TERMS[name](model, output, batch, world) for name in weights}
        return summed(terms, world.size)


class PairObjective:
    """2B·(Σ(s−t)² + kl_weight·Σ t·log(t/s)) + Σ tag loss of both videos (docs/facts.md 5.2).

    Args:
        kl_weight: weight of the KL term.
    """

    videos = 2

    def __init__(self, kl_weight: float):
        self.kl_weight = kl_weight

    @staticmethod
    def global_batch(batch: PairBatch) -> GlobalBatch:
        """What the loss needs of all replicas' batches."""
        return GlobalBatch.of(tf.shape(batch.similarity)[0])

    def __call__(self, model: VideoModel, batch: PairBatch, world: GlobalBatch | None = None, training: bool = True):
        """Returns this replica's part of the sum (a scalar) and of each weighted term's mean (a dictionary of scalars)."""
        return self.from_outputs(model, call_sides(model, batch, training), batch, world)

    def from_outputs(self, model: VideoModel, outputs: list[VideoOutput], batch: PairBatch, world: GlobalBatch | None = None):
        """The same from the model's outputs of the first and second videos."""
        videos = 2 * (world or self.global_batch(batch)).size
        similarity = losses.cosine(outputs[0].embedding, outputs[1].embedding)
        tag_loss = TAG_LOSSES[model.config.tag_loss]["pair"]
        tags = (batch.first.tags, batch.second.tags)
        terms = {
            "mse": videos * ops.sum(losses.squared_error(similarity, batch.similarity)),
            "kl": videos * self.kl_weight * ops.sum(losses.similarity_divergence(similarity, batch.similarity)),
            "tag": sum(ops.sum(tag_loss(output.tag_logits, labels)) for output, labels in zip(outputs, tags, strict=True)),
        }
        return summed(terms, videos)


def summed(terms: dict[str, Any], videos):
    """The sum of the terms, and what is logged: the sum and each term per video of the global batch."""
    total = sum(terms.values())
    return total, {name: value / videos for name, value in ({"loss": total} | terms).items()}

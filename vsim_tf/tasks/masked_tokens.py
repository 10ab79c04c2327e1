"""Masked language model over titles."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops, tf
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.task import Step, Task
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

TARGETS = "tokens"
HEAD = "mlm"


class MaskedTokens(Task, name="masked_tokens"):
    """B times the mean cross-entropy over all masked tokens of the global batch; 0 when none is masked.

    Logits are computed at masked positions only: same value and gradient as computing all and dropping the rest (quirk 15).
    """

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.heads import MaskedLanguageModelHead

        head = MaskedLanguageModelHead(network.config.encoder, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, network.config.embedding_size))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        from vsim_tf.input.masking import mask_tokens

        tokenizer = draw.tokenizer
        ids, targets = mask_tokens(
            batch.input_ids,
            draw.seed,
            tokenizer.vocab_size,
            tokenizer.mask_id,
            list(tokenizer.special_ids),
            draw.whole,
            draw.first_row,
        )
        return batch._replace(input_ids=ids, targets=batch.targets | {TARGETS: targets})

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(batch.targets[TARGETS] != IGNORED_TOKEN, dtype=tf.int32)

    def loss(self, step: Step) -> Tensor:
        (output,), targets = step.outputs, step.batch.targets[TARGETS]
        assert output.sequence is not None
        masked = tf.where(targets != IGNORED_TOKEN)
        first, _ = output.sequence.spans["text"]
        states = tf.gather_nd(output.sequence.states, masked + tf.stack([0, tf.cast(first, tf.int64)]))
        loss = ops.sum(losses.cross_entropy(self.logits(step.network, states), tf.gather_nd(targets, masked)))
        return step.videos * loss / tf.maximum(step.count, 1.0)

    @staticmethod
    def logits(network: "VideoNetwork", states: Tensor) -> Tensor:
        """Token logits `[..., vocab]` of embedding-wide states `[..., embedding_size]`, in float32."""
        return ops.cast(network.heads[HEAD](states, network.encoder.embedding.word), "float32")

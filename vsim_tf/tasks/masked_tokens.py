"""Masked language model over titles."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops, tf
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.task import Step, Task, require_single_stream
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import Draw
    from vsim_tf.models.architectures import Model
    from vsim_tf.models.network import VideoNetwork
    from vsim_tf.records.schema import VideoBatch

TARGETS = "tokens"
HEAD = "mlm"


class MaskedTokens(Task, name="masked_tokens"):
    """B times the mean cross-entropy over all masked tokens of the global batch; 0 when none is masked.

    Logits are computed at masked positions only: same value and gradient as computing all and dropping the rest (quirk 15).

    Attributes:
        probability: of a token to be selected.
        spare_unknown: [UNK] and [MASK] are not selected either (rank-1 quirk 10), next to [CLS], [SEP] and [PAD].
        tied: logits are products with the token embeddings, else with a matrix of the head's own.
    """

    probability: float = 0.15
    spare_unknown: bool = False
    tied: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_probability("probability")

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.heads import MaskedLanguageModelHead

        head = MaskedLanguageModelHead(network.config.encoder, tied=self.tied, name=HEAD)
        network.heads[HEAD] = head
        head.build((None, network.config.state_size))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        from vsim_tf.input.masking import mask_tokens

        tokenizer = draw.tokenizer
        spared = {*tokenizer.special_ids, *((tokenizer.unk_id, tokenizer.mask_id) if self.spare_unknown else ())}
        ids, targets = mask_tokens(
            batch.input_ids,
            draw.seed,
            tokenizer.vocab_size,
            tokenizer.mask_id,
            sorted(spared),
            draw.whole,
            draw.first_row,
            self.probability,
        )
        return batch._replace(input_ids=ids, targets=batch.targets | {TARGETS: targets})

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(batch.targets[TARGETS] != IGNORED_TOKEN, dtype=tf.int32)

    def loss(self, step: Step) -> Tensor:
        (output,), targets = step.outputs, step.batch.targets[TARGETS]
        assert output.sequence is not None
        masked = tf.where(targets != IGNORED_TOKEN)
        places = output.sequence.places("text", masked, tf.shape(targets)[1])
        states = tf.gather_nd(output.sequence.states, places)
        loss = ops.sum(losses.cross_entropy(self.logits(step.network, states), tf.gather_nd(targets, masked)))
        return step.videos * loss / tf.maximum(step.count, 1.0)

    @staticmethod
    def logits(network: "VideoNetwork", states: Tensor) -> Tensor:
        """Token logits `[..., vocab]` of embedding-wide states `[..., embedding_size]`, in float32."""
        assert network.encoder.embedding is not None
        return ops.cast(network.heads[HEAD](states, network.encoder.embedding.word), "float32")

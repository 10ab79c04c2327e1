"""Masked language model over titles."""

from typing import TYPE_CHECKING

from vsim_tf import losses
from vsim_tf.lazy import ops, tf
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.batch_parts import ALL, NO_TEXT, PARTS, rows_of, target
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
        part: of the batch, in which tokens are masked (`vsim_tf.tasks.batch_parts`).
    """

    probability: float = 0.15
    spare_unknown: bool = False
    tied: bool = True
    part: str = ALL

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_probability("probability")
        self.require_one_of("part", PARTS)

    @property
    def target(self) -> str:
        """Key of the masked tokens' ids among the targets, `[batch, text]`."""
        return target(TARGETS, self.part)

    def require_model(self, model: "Model") -> None:
        require_single_stream(self, model)

    def add_heads(self, network: "VideoNetwork") -> None:
        from vsim_tf.layers.heads import MaskedLanguageModelHead

        if HEAD not in network.heads:
            head = MaskedLanguageModelHead(network.config.encoder, tied=self.tied, name=HEAD)
            network.heads[HEAD] = head
            head.build((None, network.config.state_size))

    def corrupt(self, batch: "VideoBatch", draw: "Draw") -> "VideoBatch":
        ids, targets = self.masked(batch, draw)
        if self.part != ALL:
            inside = rows_of(self.part, batch, draw)[:, None]
            ids, targets = tf.where(inside, ids, batch.input_ids), tf.where(inside, targets, IGNORED_TOKEN)
        return batch._replace(input_ids=ids, targets=batch.targets | {self.target: targets})

    def masked(self, batch: "VideoBatch", draw: "Draw") -> tuple[Tensor, Tensor]:
        """Ids after masking, and targets, `[batch, text]` each, as if the task took all rows."""
        from vsim_tf.input.masking import mask_tokens

        tokenizer = draw.tokenizer
        spared = {*tokenizer.special_ids, *((tokenizer.unk_id, tokenizer.mask_id) if self.spare_unknown else ())}
        return mask_tokens(
            batch.input_ids,
            draw.seed,
            tokenizer.vocab_size,
            tokenizer.mask_id,
            sorted(spared),
            draw.whole,
            draw.first_row,
            self.probability,
        )

    def count(self, batch: "VideoBatch") -> Tensor:
        return tf.math.count_nonzero(batch.targets[self.target] != IGNORED_TOKEN, dtype=tf.int32)

    def loss(self, step: Step) -> Tensor:
        (output,), targets = step.outputs, step.batch.targets[self.target]
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


class HiddenText(MaskedTokens, name="hidden_text"):
    """The same for a part of the batch in which every token is masked (docs/facts_rank8.md 5.1), [CLS] too (rank-8 quirk 8)."""

    part: str = NO_TEXT

    def masked(self, batch: "VideoBatch", draw: "Draw") -> tuple[Tensor, Tensor]:
        token = tf.cast(batch.attention_mask, tf.bool)
        ids = tf.where(token, draw.tokenizer.mask_id, batch.input_ids)
        return ids, tf.where(token, batch.input_ids, IGNORED_TOKEN)

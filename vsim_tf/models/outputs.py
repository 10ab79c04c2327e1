"""The output of every model."""

from typing import NamedTuple

from vsim_tf.lazy import ops
from vsim_tf.models.sequence import Sequence
from vsim_tf.types import Tensor


class VideoOutput(NamedTuple):
    """Result of a model on a batch of videos.

    Attributes:
        embedding: `[batch, dim]`, as wide as `Model.dim`.
        logits: of the heads that the model was built with, by name: "tags", `[batch, tags]`.
        sequence: single-stream: embedding-wide states of all positions.
        experts: MixNextVLAD: what its losses need.
        text: dual encoder: the vector of the text, `[batch, dim]`; the embedding is that of the frames.
    """

    embedding: Tensor
    logits: dict[str, Tensor]
    sequence: Sequence | None = None
    experts: "Experts | None" = None
    text: Tensor | None = None

    def gate_weights(self) -> dict[str, Tensor]:
        """How far each gate of the model is open for each video, `[batch]` float32, by names for the log."""
        return self.experts.gate_weights() if self.experts else {}


class Experts(NamedTuple):
    """Parts of a mixture.

    Attributes:
        logits: tag logits of each expert, a list of `[batch, tags]`; empty without tag heads.
        vectors: each expert's frame vector v_k, a list of `[batch, vlad_size]`.
        embeddings: each expert's embedding e_k, a list of `[batch, embedding_size]`.
        text: mapped text t, `[batch, vlad_size]`.
        gate: weight of each expert, `[batch, experts]`.
        se_gates: weights of each expert's squeeze-and-excitation gate, `[batch, embedding_size]` each.
    """

    logits: list[Tensor]
    vectors: list[Tensor]
    embeddings: list[Tensor]
    text: Tensor
    gate: Tensor
    se_gates: tuple[Tensor, ...] = ()

    def gate_weights(self) -> dict[str, Tensor]:
        """Weight of each expert, and mean weight of each squeeze-and-excitation gate, `[batch]` float32 each."""
        of_experts = {f"gate/expert_{k}": self.gate[:, k - 1] for k in range(1, self.gate.shape[-1] + 1)}
        means = [ops.mean(ops.cast(each, "float32"), axis=-1) for each in self.se_gates]
        return of_experts | {f"gate/se_{k}": mean for k, mean in enumerate(means, start=1)}

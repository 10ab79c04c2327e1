"""The output of every model."""

from typing import NamedTuple

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


class Experts(NamedTuple):
    """Parts of a mixture.

    Attributes:
        logits: tag logits of each expert, a list of `[batch, tags]`; empty without tag heads.
        vectors: each expert's frame vector v_k, a list of `[batch, vlad_size]`.
        embeddings: each expert's embedding e_k, a list of `[batch, embedding_size]`.
        text: mapped text t, `[batch, vlad_size]`.
        gate: weight of each expert, `[batch, experts]`.
    """

    logits: list[Tensor]
    vectors: list[Tensor]
    embeddings: list[Tensor]
    text: Tensor
    gate: Tensor

"""What every model returns."""

from typing import Any, NamedTuple


class VideoOutput(NamedTuple):
    """Result of a model on a batch of videos.

    Attributes:
        embedding: `[batch, embedding_size]`, not normalised.
        tag_logits: `[batch, tags]`.
        token_states: Uniter: embedding-wide states of all positions, `[batch, text + frames, embedding_size]`.
        expert_logits: MixNextVLAD: tag logits of each expert, a list of `[batch, tags]`.
        expert_vectors: MixNextVLAD: each expert's frame vector v_k, a list of `[batch, vlad_hidden_size]`.
        expert_embeddings: MixNextVLAD: each expert's embedding e_k, a list of `[batch, embedding_size]`.
        text_vector: MixNextVLAD: mapped text t, `[batch, vlad_hidden_size]`.
        gate: MixNextVLAD: weight of each expert, `[batch, experts]`.
    """

    embedding: Any
    tag_logits: Any
    token_states: Any = None
    expert_logits: Any = ()
    expert_vectors: Any = ()
    expert_embeddings: Any = ()
    text_vector: Any = None
    gate: Any = None

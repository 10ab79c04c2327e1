"""Loss terms as pure functions of tensors, in `keras.ops` only.

Every function returns one number per sample (or position), but for those of a batch at the end; the tasks in `vsim_tf.tasks`
say how they are summed and weighted.
"""

from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.lazy import ops
from vsim_tf.types import Tensor

PROBABILITY_EPSILON = 1e-7
CONTRASTIVE_TEMPERATURE = 0.07
MIXTURE_TEMPERATURE = 2.0
VARIANCE_EPSILON = 1e-8
"""Added to variances of similarities: a deviation of 0.0001 counts as constant."""


def bce_from_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """Σ_j BCE(sigmoid(z_j), y_j) in the stable form, the tag loss of pre-training (docs/facts.md 4.1).

    Args:
        logits, labels: `[batch, tags]`.

    Returns:
        `[batch]`.
    """
    labels = ops.cast(labels, logits.dtype)
    positive = logits >= 0  # not maximum and abs: their gradients do not add up to sigmoid(0) - y where z is exactly 0
    negative_size = ops.where(positive, -logits, logits)
    return ops.sum(ops.where(positive, logits, 0.0) - logits * labels + ops.log1p(ops.exp(negative_size)), axis=-1)


def bce_from_probabilities(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Σ_j −[y·log(p̃ + ε) + (1−y)·log(1 + ε − p̃)], p̃ = clip(p, ε, 1−ε), ε = 1e-7, of fine-tuning (docs/facts.md 5.2).

    It is `bce_from_logits` away from saturation; near it gradients fade, and are 0 where p is clipped (quirk 7). The order of
    additions, (1 + ε) − p̃, is the one that TensorFlow 2.5's graph optimizer made of the code and decides values at saturation.

    Args:
        probabilities, labels: `[batch, tags]`.

    Returns:
        `[batch]`.
    """
    epsilon = PROBABILITY_EPSILON
    labels = ops.cast(labels, probabilities.dtype)
    p = ops.clip(probabilities, epsilon, 1.0 - epsilon)
    return -ops.sum(labels * ops.log(p + epsilon) + (1.0 - labels) * ops.log((1.0 + epsilon) - p), axis=-1)


def asymmetric_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """Σ_j −[y·log p̃ + (1−y)·p·log(1−p)~], clipped to [1e-7, 1−1e-7]: ASL with γ₋ = 1, γ₊ = 0 and no shift (docs/facts.md 4.1).

    Ben-Baruch et al. 2020, arXiv 2009.14119. The focusing weight p of negatives is differentiated too (quirk 5). In this form
    a positive at p = 1 has the gradient 0 where the 2021 code has NaN (quirk 4).

    Args:
        probabilities, labels: `[batch, tags]`.

    Returns:
        `[batch]`.
    """
    epsilon = PROBABILITY_EPSILON
    labels = ops.cast(labels, probabilities.dtype)
    log_p = ops.log(ops.clip(probabilities, epsilon, 1.0 - epsilon))
    log_not_p = ops.log(ops.clip(1.0 - probabilities, epsilon, 1.0 - epsilon))
    return -ops.sum(labels * log_p + (1.0 - labels) * probabilities * log_not_p, axis=-1)


def contrastive(
    video: Tensor,
    text: Tensor,
    all_video: Tensor | None = None,
    all_text: Tensor | None = None,
    offset: int | Tensor = 0,
    temperature: float | Tensor = CONTRASTIVE_TEMPERATURE,
) -> Tensor:
    """½·(cross-entropy of v_i against all t + cross-entropy of t_i against all v), cosines / τ, target i (docs/facts.md 4.1).

    Args:
        video, text: `[batch, dim]`, this replica's part of the batch.
        all_video, all_text: `[global batch, dim]`; the same as `video` and `text` with one replica.
        offset: where this replica's part starts in the global batch.
        temperature: τ.

    Returns:
        `[batch]`.
    """
    v, t = l2_normalize(video), l2_normalize(text)
    all_v, all_t = (v, t) if all_video is None else (l2_normalize(all_video), l2_normalize(all_text))
    targets = ops.arange(ops.shape(v)[0]) + offset
    rows = cross_entropy(ops.matmul(v, ops.transpose(all_t)) / temperature, targets)
    columns = cross_entropy(ops.matmul(t, ops.transpose(all_v)) / temperature, targets)
    return 0.5 * (rows + columns)


def mixture_regulariser(logits: Tensor, expert_logits: list[Tensor]) -> Tensor:
    """Σ_k KL(q ‖ a_k), q = softmax(z/2), a_k = softmax(z_k/2) over the tags, logarithms of p + 1e-8 (docs/facts.md 3.2).

    The gradient flows through the mixture too (quirk 40).

    Args:
        logits: mixture z, `[batch, tags]`.
        expert_logits: z_k, each `[batch, tags]`.

    Returns:
        `[batch]`; the 2021 R is its mean.
    """
    q = ops.softmax(logits / MIXTURE_TEMPERATURE)
    log_q = ops.log(q + 1e-8)
    experts = [ops.softmax(z / MIXTURE_TEMPERATURE) for z in expert_logits]
    return sum(ops.sum(q * (log_q - ops.log(a + 1e-8)), axis=-1) for a in experts)


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """−log softmax(z)[target] of `[..., classes]` logits and `[...]` integer targets, shape `[...]`."""
    return ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def cosine(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of corresponding rows, `[batch, dim]` twice to `[batch]`."""
    return ops.sum(l2_normalize(first) * l2_normalize(second), axis=-1)


def squared_error(similarity: Tensor, target: Tensor) -> Tensor:
    """(s − t)², `[batch]`."""
    return ops.square(similarity - target)


def similarity_divergence(similarity: Tensor, target: Tensor) -> Tensor:
    """t̃·log(t̃/s̃), both clipped to [1e-7, 1] (docs/facts.md 5.2): no divergence of distributions, no gradient < 1e-7 (quirk 8).

    Args:
        similarity: predicted cosines, `[batch]`.
        target: human scores, `[batch]`.

    Returns:
        `[batch]`.
    """
    s = ops.clip(similarity, PROBABILITY_EPSILON, 1.0)
    t = ops.clip(target, PROBABILITY_EPSILON, 1.0)
    return t * ops.log(t / s)


# --- of all pairs of a batch at once: `[batch]` similarities and targets to a scalar -------------------------------------


def pearson_distance(similarity: Tensor, target: Tensor) -> Tensor:
    """1 − r, r Pearson's correlation of similarities and targets; 1 where one of them is constant, and for a single pair."""
    s, t = similarity - ops.mean(similarity), target - ops.mean(target)
    variances = [ops.mean(ops.square(values)) + VARIANCE_EPSILON for values in (s, t)]
    return 1.0 - ops.mean(s * t) / ops.sqrt(variances[0] * variances[1])


def cosent(similarity: Tensor, target: Tensor, scale: float) -> Tensor:
    """log(1 + Σ over i, j with t_i > t_j of exp(scale·(s_j − s_i))), CoSENT (Su 2022); 0 where all targets tie."""
    differences, ordered = _combinations(similarity, target)
    exponents = ops.where(ordered, scale * differences, -1e9)  # not −inf, of which gradients are NaN
    return ops.logsumexp(ops.append(ops.reshape(exponents, (-1,)), [0.0]))


def ranking(similarity: Tensor, target: Tensor, scale: float) -> Tensor:
    """Mean over i, j with t_i > t_j of log(1 + exp(scale·(s_j − s_i))), RankNet (Burges et al. 2005); 0 where all targets tie."""
    differences, ordered = _combinations(similarity, target)
    total = ops.sum(ops.where(ordered, ops.softplus(scale * differences), 0.0))
    return total / ops.maximum(ops.sum(ops.cast(ordered, total.dtype)), 1.0)


def _combinations(similarity: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """s_j − s_i, and whether t_i > t_j, `[batch, batch]` each, i in rows."""
    return similarity[None, :] - similarity[:, None], target[:, None] > target[None, :]

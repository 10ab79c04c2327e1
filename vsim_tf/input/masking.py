"""Random masking of tokens and frames (docs/facts.md 4.3, docs/facts_rank1.md 4.2 and 4.3)."""

from typing import Any

import tensorflow as tf

from vsim_tf.records.schema import IGNORED_TOKEN

REPLACED_BY_MASK, REPLACED_BY_RANDOM = 0.8, 0.1


def mask_tokens(
    input_ids: tf.Tensor,
    seed: tf.Tensor,
    vocab_size: int,
    mask_id: int,
    special_ids: list[int],
    whole: tuple[int, int] | None = None,
    first_row: int = 0,
    probability: float = 0.15,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects tokens; of these 80% become [MASK], 10% a random id of the whole vocabulary, 10% stay.

    Args:
        input_ids: `[batch, text]` int32.
        seed: two integers; the same seed gives the same masks.
        vocab_size: random ids are drawn from 0 up to it, special tokens included.
        mask_id: id of [MASK].
        special_ids: ids that are never selected, such as [CLS], [SEP] and [PAD].
        whole: rows and columns of the batch that `input_ids` is a part of, for all of which random numbers are drawn, so that a
            token's do not depend on the part; None: `input_ids` is all of it.
        first_row: row of the whole batch that is the first of `input_ids`; columns begin with the first.
        probability: of a token to be selected.

    Returns:
        masked ids and targets (the original id where selected, else -100), both `[batch, text]` int32.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 3)

    def drawn(seed: tf.Tensor, **options: Any) -> tf.Tensor:
        return _drawn(tf.shape(input_ids), seed, whole, first_row, **options)

    selected = drawn(seeds[0]) < token_probability(input_ids, special_ids, probability)
    action = drawn(seeds[1])
    random_ids = drawn(seeds[2], maxval=vocab_size, dtype=tf.int32)
    by_mask = action < REPLACED_BY_MASK
    by_random = ~by_mask & (action < REPLACED_BY_MASK + REPLACED_BY_RANDOM)
    return replaced_tokens(input_ids, selected, by_mask, by_random, random_ids, mask_id)


def token_probability(input_ids: tf.Tensor, special_ids: list[int], probability: float) -> tf.Tensor:
    """How probable it is that a token is selected, `[batch, text]` float32: 0 for special ones."""
    special = tf.reduce_any(input_ids[..., None] == tf.constant(special_ids, tf.int32), axis=-1)
    return tf.where(special, 0.0, probability)


def replaced_tokens(
    input_ids: tf.Tensor,
    selected: tf.Tensor,
    by_mask: tf.Tensor,
    by_random: tf.Tensor,
    random_ids: tf.Tensor,
    mask_id: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Masked ids and targets, `[batch, text]` int32, of which tokens are selected and what becomes of those."""
    replaced = tf.where(by_mask, mask_id, tf.where(by_random, random_ids, input_ids))
    return tf.where(selected, replaced, input_ids), tf.where(selected, input_ids, IGNORED_TOKEN)


def choose_frames(
    real: tf.Tensor, seed: tf.Tensor, probability: float, whole: tuple[int, int] | None = None, first_row: int = 0
) -> tf.Tensor:
    """Chooses frames to be masked, `[batch, frames]` booleans.

    Args:
        real: whether there is a frame, `[batch, frames]` booleans.
        seed, whole, first_row: see `mask_tokens`.
        probability: of a real frame to be chosen.
    """
    return _drawn(tf.shape(real), seed, whole, first_row) < frame_probability(real, probability)


def frame_probability(real: tf.Tensor, probability: float) -> tf.Tensor:
    """How probable it is that a frame is chosen, `[batch, frames]` float32: 0 for padding."""
    return tf.where(real, probability, 0.0)


def _drawn(shape: tf.Tensor, seed: tf.Tensor, whole: tuple[int, int] | None, first_row: int, **options: Any) -> tf.Tensor:
    """Uniform random numbers of a part of a batch, drawn for all of it."""
    rows, columns = tf.unstack(shape)
    numbers = tf.random.stateless_uniform(whole or shape, seed, **options)
    return numbers[first_row : first_row + rows, :columns]

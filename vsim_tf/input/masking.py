"""Random masking of words for the masked language model (2021 solution, docs/facts.md 4.3)."""

from typing import Any

import tensorflow as tf

from vsim_tf.records.schema import IGNORED_TOKEN

SELECTED, REPLACED_BY_MASK, REPLACED_BY_RANDOM = 0.15, 0.8, 0.1


def mask_tokens(
    input_ids: tf.Tensor,
    seed: tf.Tensor,
    vocab_size: int,
    mask_id: int,
    special_ids: list[int],
    whole: tuple[int, int] | None = None,
    first_row: int = 0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Selects 15% of the tokens; of these 80% become [MASK], 10% a random id of the whole vocabulary, 10% stay.

    Args:
        input_ids: `[batch, text]` int32.
        seed: two integers; the same seed gives the same masks.
        vocab_size: random ids are drawn from 0 up to it, special tokens included.
        mask_id: id of [MASK].
        special_ids: ids that are never selected ([CLS], [SEP], [PAD]).
        whole: rows and columns of the batch that `input_ids` is a part of, for all of which random numbers are drawn, so that a
            token's do not depend on the part; None: `input_ids` is all of it.
        first_row: row of the whole batch that is the first of `input_ids`; columns begin with the first.

    Returns:
        masked ids and targets (the original id where selected, else -100), both `[batch, text]` int32.
    """
    seeds = tf.random.split(tf.cast(seed, tf.int32), 3)
    rows, columns = tf.unstack(tf.shape(input_ids))

    def drawn(seed: tf.Tensor, **options: Any) -> tf.Tensor:
        numbers = tf.random.stateless_uniform(whole or tf.shape(input_ids), seed, **options)
        return numbers[first_row : first_row + rows, :columns]

    special = tf.reduce_any(input_ids[..., None] == tf.constant(special_ids, tf.int32), axis=-1)
    selected = (drawn(seeds[0]) < SELECTED) & ~special
    action = drawn(seeds[1])
    random_ids = drawn(seeds[2], maxval=vocab_size, dtype=tf.int32)
    replaced = tf.where(action < REPLACED_BY_MASK, mask_id, random_ids)
    changed = selected & (action < REPLACED_BY_MASK + REPLACED_BY_RANDOM)
    return tf.where(changed, replaced, input_ids), tf.where(selected, input_ids, IGNORED_TOKEN)

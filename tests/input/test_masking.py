"""Which tokens and frames are masked, how often, and with what."""

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.input.masking import choose_frames, mask_tokens
from vsim_tf.records.schema import IGNORED_TOKEN

VOCAB, PAD, CLS, SEP, MASK = 1000, 0, 2, 3, 4
TOKENS = 200 * 500


@pytest.fixture(scope="module")
def masked():
    """Ids of 200 rows of 502 tokens, what became of them, and the targets."""
    ids = np.random.default_rng(0).integers(5, VOCAB, (200, 502)).astype("int32")
    ids[:, 0], ids[:, -1] = CLS, SEP
    return ids, *(x.numpy() for x in mask_tokens(tf.constant(ids), tf.constant([1, 2]), VOCAB, MASK, [PAD, CLS, SEP]))


def assert_binomial(count, draws, probability):
    """Within five standard deviations of what is expected."""
    assert abs(count - draws * probability) < 5 * (draws * probability * (1 - probability)) ** 0.5


def test_15_percent_are_selected(masked):
    _, _, labels = masked
    assert_binomial((labels != IGNORED_TOKEN).sum(), TOKENS, 0.15)


def test_of_these_80_percent_are_masked_10_random_and_10_stay(masked):
    ids, changed, labels = masked
    selected = labels != IGNORED_TOKEN
    count = selected.sum()
    assert_binomial((changed == MASK)[selected].sum(), count, 0.8 + 0.1 / VOCAB)
    assert_binomial((changed == ids)[selected].sum(), count, 0.1 + 0.1 / VOCAB)


def test_random_words_come_from_the_whole_vocabulary(masked):
    ids, changed, labels = masked
    random = changed[(labels != IGNORED_TOKEN) & (changed != ids) & (changed != MASK)]
    assert random.min() >= 0
    assert random.max() < VOCAB
    share, _ = np.histogram(random, bins=10, range=(0, VOCAB))
    for count in share:
        assert_binomial(count, len(random), 0.1)


def test_targets_are_the_original_words_and_others_are_left_alone(masked):
    ids, changed, labels = masked
    selected = labels != IGNORED_TOKEN
    np.testing.assert_array_equal(labels[selected], ids[selected])
    np.testing.assert_array_equal(changed[~selected], ids[~selected])


def test_every_position_is_selected_as_often(masked):
    _, _, labels = masked
    for half in np.split(labels[:, 1:-1], 2, axis=1):
        assert_binomial((half != IGNORED_TOKEN).sum(), TOKENS // 2, 0.15)


def test_special_tokens_are_never_selected():
    ids = tf.constant(np.random.default_rng(1).choice([PAD, CLS, SEP], (100, 100)).astype("int32"))
    changed, labels = mask_tokens(ids, tf.constant([1, 2]), VOCAB, MASK, [PAD, CLS, SEP])
    np.testing.assert_array_equal(changed, ids)
    assert (labels.numpy() == IGNORED_TOKEN).all()


def test_the_seed_decides():
    ids = tf.fill((20, 50), 7)
    runs = [mask_tokens(ids, tf.constant(seed), VOCAB, MASK, [PAD]) for seed in ([1, 2], [1, 2], [1, 3], [2, 2])]
    (first, first_labels), (same, same_labels), *others = runs
    assert bool(tf.reduce_all(first == same)) and bool(tf.reduce_all(first_labels == same_labels))
    for _, labels in others:
        assert not bool(tf.reduce_all(first_labels == labels))


def test_masks_of_a_part_are_those_of_the_whole():
    ids = np.random.default_rng(1).integers(5, VOCAB, (12, 20)).astype("int32")
    seed = tf.constant([1, 2])
    whole = mask_tokens(tf.constant(ids), seed, VOCAB, MASK, [PAD])
    part = mask_tokens(tf.constant(ids[3:7, :11]), seed, VOCAB, MASK, [PAD], whole=(12, 20), first_row=3)
    for expected, actual in zip(whole, part, strict=True):
        np.testing.assert_array_equal(actual, expected[3:7, :11])


# --- frames -----------------------------------------------------------------------------------------------------------


def test_real_frames_are_chosen_with_their_probability():
    real = np.arange(100) < np.random.default_rng(3).integers(0, 101, (500, 1))
    chosen = choose_frames(tf.constant(real), tf.constant([1, 2]), 0.135).numpy()
    assert not chosen[~real].any()
    assert_binomial(chosen.sum(), real.sum(), 0.135)
    for half in (slice(0, 20), slice(20, 100)):
        assert_binomial(chosen[:, half].sum(), real[:, half].sum(), 0.135)


def test_the_seed_decides_which_frames():
    real = tf.ones((20, 50), tf.bool)
    first, same, other = (choose_frames(real, tf.constant(seed), 0.5).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, same)
    assert (first != other).any()


def test_frames_of_a_part_are_those_of_the_whole():
    """Of some rows, and where the batch is trimmed."""
    seed, real = tf.constant([1, 2]), tf.ones((12, 20), tf.bool)
    whole = choose_frames(real, seed, 0.5).numpy()
    part = choose_frames(real[3:7, :11], seed, 0.5, whole=(12, 20), first_row=3)
    np.testing.assert_array_equal(part, whole[3:7, :11])


@pytest.mark.parametrize("probability", [0.15, 0.25, 0.6])
def test_tokens_are_selected_with_the_probability_given(probability):
    ids = tf.fill((200, 500), 7)
    _, labels = mask_tokens(ids, tf.constant([1, 2]), VOCAB, MASK, [PAD], probability=probability)
    assert_binomial((labels.numpy() != IGNORED_TOKEN).sum(), TOKENS, probability)

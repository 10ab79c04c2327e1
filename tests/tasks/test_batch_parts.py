"""Parts of a batch: the rows of each, and what tasks leave alone outside of theirs."""

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys
from by_hand import video_batch
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.input.pipeline import Draw
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.batch_parts import ALL, JOINT, NO_FRAMES, NO_TEXT, bounds, rows_of, target
from vsim_tf.tasks.masked_frames import HiddenFrames, MaskedFrames
from vsim_tf.tasks.masked_tokens import HiddenText, MaskedTokens
from vsim_tf.tasks.matching import Matching

BERT = toys.TOKENIZERS["bert"]


@pytest.mark.parametrize(
    ("rows", "no_frames", "no_text", "joint"),
    [
        (8, (0, 1), (1, 2), (2, 8)),
        (9, (0, 1), (1, 2), (2, 9)),
        (12, (0, 1), (1, 3), (3, 12)),
        (64, (0, 8), (8, 16), (16, 64)),
        (7, (0, 0), (0, 1), (1, 7)),  # below 8 the first part is empty
    ],
)
def test_bounds(rows, no_frames, no_text, joint):
    assert [bounds(part, rows) for part in (NO_FRAMES, NO_TEXT, JOINT, ALL)] == [no_frames, no_text, joint, (0, rows)]


@given(rows=st.integers(1, 300))
def test_parts_follow_each_other_and_fill_the_batch(rows):
    first, second, third = (bounds(part, rows) for part in (NO_FRAMES, NO_TEXT, JOINT))
    assert first[0] == 0 and first[1] == second[0] and second[1] == third[0] and third[1] == rows
    assert all(start <= end for start, end in (first, second, third))


@given(rows=st.integers(1, 40), cut=st.integers(0, 40))
def test_rows_at_hand_are_those_of_the_whole_batch(rows, cut):
    """Whatever workers read of it."""
    cut = min(cut, rows)
    for part in (ALL, NO_FRAMES, NO_TEXT, JOINT):
        found = [
            rows_of(part, video_batch([1] * (end - first)), Draw(tf.constant([1, 2]), (rows, 4), 4, first, BERT)).numpy()
            for first, end in ((0, cut), (cut, rows))
            if end > first
        ]
        first, end = bounds(part, rows)
        assert np.flatnonzero(np.concatenate(found)).tolist() == list(range(first, end))


def test_targets_of_a_part_have_its_name():
    assert (target("tokens", ALL), target("tokens", JOINT)) == ("tokens", "tokens/joint")


@pytest.mark.parametrize("task", [MaskedTokens, MaskedFrames, Matching])
def test_parts_that_there_are_not(task):
    with pytest.raises(UserError, match="part='others'"):
        task(part="others")


@pytest.mark.parametrize("part", [NO_FRAMES, NO_TEXT])
def test_matching_takes_parts_that_end_with_the_batch(part):
    with pytest.raises(UserError, match=f"part='{part}'"):
        Matching(part=part)


# --- what tasks make of their rows ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clean():
    """64 videos of the 8th place's single stream."""
    return toy_short_videos.clean_batch(toys.model("wbdc_single"), 64)


def corrupted(task, clean):
    return toy_short_videos.corrupted(clean, {"task": task})


def assert_rows_unchanged(before, after, rows):
    for name in ("input_ids", "attention_mask", "frames", "num_frames"):
        np.testing.assert_array_equal(getattr(after, name).numpy()[rows], getattr(before, name).numpy()[rows], err_msg=name)


def test_the_text_of_its_rows_is_hidden_with_special_tokens(clean):
    """docs/facts_rank8.md 5.1: [CLS] and [SEP] too; rank-8 quirk 8: padding shows how long it was."""
    hidden, (first, end) = corrupted(HiddenText(), clean), bounds(NO_TEXT, 64)
    token = clean.attention_mask.numpy()[first:end] == 1
    assert token[:, 0].all() and not token.all()
    np.testing.assert_array_equal(hidden.input_ids[first:end], np.where(token, BERT.mask_id, BERT.pad_id))
    labels = hidden.targets["tokens/no_text"].numpy()
    np.testing.assert_array_equal(labels[first:end], np.where(token, clean.input_ids[first:end], IGNORED_TOKEN))
    others = np.r_[0:first, end:64]
    assert (labels[others] == IGNORED_TOKEN).all()
    assert_rows_unchanged(clean, hidden, others)
    assert int(HiddenText().count(hidden)) == token.sum()


def test_all_real_frames_of_its_rows_are_hidden(clean):
    hidden, (first, end) = corrupted(HiddenFrames(), clean), bounds(NO_FRAMES, 64)
    assert not hidden.frames.numpy()[first:end].any()
    np.testing.assert_array_equal(hidden.num_frames, clean.num_frames)
    np.testing.assert_array_equal(hidden.targets["frames/no_frames"], clean.frames)
    real = np.arange(toys.FRAMES) < clean.num_frames.numpy()[:, None]
    inside = np.arange(64) < end
    np.testing.assert_array_equal(hidden.targets["masked_frames/no_frames"], real & inside[:, None])
    np.testing.assert_array_equal(hidden.targets["rows/no_frames"], inside)
    assert_rows_unchanged(clean, hidden, slice(end, 64))
    assert int(HiddenFrames().count(hidden)) == real[:end].sum()


def test_candidates_of_hidden_frames_are_those_of_its_rows(clean):
    task, (_, end) = HiddenFrames(), bounds(NO_FRAMES, 64)
    rows = task.shared_rows(corrupted(task, clean))
    counts = clean.num_frames.numpy() * (np.arange(64) < end)
    np.testing.assert_array_equal(rows.counts, counts)
    expected = np.concatenate([clean.frames.numpy()[row, :count] for row, count in enumerate(counts)])
    np.testing.assert_array_equal(rows.rows, expected)


@pytest.mark.parametrize(("kind", "name"), [(MaskedTokens, "tokens/joint"), (MaskedFrames, "masked_frames/joint")])
def test_masked_rows_are_those_that_the_whole_batch_would_have(kind, name, clean):
    first, _ = bounds(JOINT, 64)
    part, whole = (corrupted(kind(probability=0.5, part=part), clean) for part in (JOINT, ALL))
    assert_rows_unchanged(clean, part, slice(0, first))
    assert_rows_unchanged(whole, part, slice(first, 64))
    ours, theirs = part.targets[name].numpy(), whole.targets[name.split("/")[0]].numpy()
    np.testing.assert_array_equal(ours[first:], theirs[first:])
    assert (ours[:first] == (IGNORED_TOKEN if kind is MaskedTokens else 0)).all()
    assert (ours[first:] != ours[0, 0]).any()


def test_two_tasks_on_tokens_have_targets_of_their_own(clean):
    both = toy_short_videos.corrupted(clean, {"mlm": MaskedTokens(part=JOINT, probability=0.3), "mmm": HiddenText()})
    joint, hidden = both.targets["tokens/joint"].numpy(), both.targets["tokens/no_text"].numpy()
    assert (joint != IGNORED_TOKEN).any() and (hidden != IGNORED_TOKEN).any()
    assert not ((joint != IGNORED_TOKEN).any(axis=1) & (hidden != IGNORED_TOKEN).any(axis=1)).any()


@pytest.mark.parametrize(
    ("size", "order"),
    [
        (8, [0, 1, 2, 3, 4, 7, 6, 5]),  # 2 to 7: three and three
        (9, [0, 1, 2, 3, 4, 8, 7, 6, 5]),  # 2 to 8: three, and four in reversed order
        (12, [0, 1, 2, 3, 4, 5, 6, 11, 10, 9, 8, 7]),  # 3 to 11: four, and five, of which the middle one stays
    ],
)
@pytest.mark.parametrize("with_padding", [False, True])
def test_the_second_half_of_the_joint_part_is_reversed(size, order, with_padding):
    clean = toy_short_videos.clean_batch(toys.model("wbdc_single"), size)
    task = Matching(units=2, with_padding=with_padding, part=JOINT)
    found = corrupted(task, clean)
    np.testing.assert_array_equal(found.frames, clean.frames.numpy()[order])
    np.testing.assert_array_equal(found.num_frames, clean.num_frames.numpy()[order] if with_padding else clean.num_frames)
    np.testing.assert_array_equal(found.targets["matching"], np.equal(order, range(size)))
    np.testing.assert_array_equal(task.rows(found), np.arange(size) >= bounds(JOINT, size)[0])
    assert int(task.count(found)) == size - bounds(JOINT, size)[0]

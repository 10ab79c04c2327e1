"""Masked frames by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf
import toys
from by_hand import logs_and_gradients, video_batch

from vsim_tf.input.pipeline import Draw
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.masked_frames import HiddenFrames, MaskedFrames, MaskedSlots
from vsim_tf.tasks.matching import Matching
from vsim_tf.tasks.objective import Objective

TASKS = {"mfm": MaskedFrames(weight=0.5)}
FRAMES = np.float16([[[1, 0], [0, 2]], [[1, 1], [9, 9]]])
"""Two videos: frames (1, 0) and (0, 2); the frame (1, 1) and padding, which is not zeros here."""
MASKED = np.array([[False, True], [True, False]])
STATES = np.float32([[[7, 7], [5, 5], [1, 1]], [[7, 7], [0, 1], [5, 5]]])
"""[CLS], then a state of each frame: (1, 1) predicts the second frame of the first video, (0, 1) that of the second."""


def by_hand():
    """Loss and gradient: logits of (1, 1) with the three real frames are 1, 2, 2, and of (0, 1) they are 0, 2, 1."""
    first, second = math.e + 2 * math.e**2, 1 + math.e**2 + math.e
    loss = (math.log(first) - 2 + math.log(second) - 1) / 2
    frames = np.array([[1, 0], [0, 2], [1, 1]])
    gradient = np.zeros((2, 3, 2))
    gradient[0, 2] = (np.exp([1, 2, 2]) / first) @ frames - [0, 2]
    gradient[1, 1] = (np.exp([0, 2, 1]) / second) @ frames - [1, 1]
    return 0.5 * loss, 0.5 * gradient / 2


def batch(frames=FRAMES, num_frames=(2, 1), masked=MASKED):
    return video_batch(num_frames, np.zeros_like(frames), frames=frames, masked_frames=masked)


def test_by_hand():
    logs, gradient = logs_and_gradients(TASKS, batch(), tf.constant(STATES))
    loss, expected = by_hand()
    assert float(logs["mfm"]) == float(logs["loss"]) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_padding_has_no_part():
    """Neither its frames nor its states."""
    frames, states = FRAMES.copy(), STATES.copy()
    frames[1, 1], states[1, 2] = 100, -3
    logs, gradient = logs_and_gradients(TASKS, batch(frames), tf.constant(states))
    loss, expected = by_hand()
    assert float(logs["mfm"]) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_frames_of_all_replicas_are_candidates(on_two):
    """Of one video each; they have another number of frames, and one masked frame each."""
    logs, gradient = on_two(TASKS, batch(), states=tf.constant(STATES))
    loss, expected = by_hand()
    assert float(logs["mfm"]) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-7)


def test_parts_of_a_batch_add_up():
    """Of one video each."""
    whole = batch()
    world, found = Objective(TASKS).global_batch(whole), []
    for video in range(2):
        part = tf.nest.map_structure(lambda x, video=video: x[video : video + 1], (whole, tf.constant(STATES)))
        found.append(logs_and_gradients(TASKS, *part, world=world.part(video, video + 1)))
    loss, expected = by_hand()
    assert sum(float(logs["mfm"]) for logs, _ in found) == pytest.approx(loss, rel=1e-6)
    np.testing.assert_allclose(np.concatenate([gradient for _, gradient in found]), expected, rtol=1e-5, atol=1e-7)


def test_a_replica_without_masked_frames_gives_candidates(on_two):
    """log(1 + e² + e) - 1 for (0, 1), alone."""
    only = batch(masked=np.array([[False, False], [True, False]]))
    one, two = logs_and_gradients(TASKS, only, tf.constant(STATES)), on_two(TASKS, only, states=tf.constant(STATES))
    assert float(one[0]["mfm"]) == pytest.approx(0.5 * (math.log(1 + math.e**2 + math.e) - 1), rel=1e-6)
    assert float(two[0]["mfm"]) == pytest.approx(float(one[0]["mfm"]), rel=1e-6)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("num_frames", [(2, 1), (0, 0)])
def test_without_masked_frames_the_loss_is_0(num_frames):
    none = batch(num_frames=num_frames, masked=np.zeros((2, 2), bool))
    logs, gradient = logs_and_gradients(TASKS, none, tf.constant(STATES))
    assert float(logs["mfm"]) == 0
    assert not tf.convert_to_tensor(gradient).numpy().any()


def test_large_products_stay_finite():
    """Nothing is normalised: 300 · 300 · 2 is far behind what exp can hold."""
    frames = np.full_like(FRAMES, 300)
    logs, gradient = logs_and_gradients(TASKS, batch(frames), tf.fill(STATES.shape, 300.0))
    assert float(logs["mfm"]) == pytest.approx(0.5 * math.log(3), rel=1e-5)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["qq_job1", "qq_job2"])
def test_a_batch_without_anything_masked_has_finite_gradients(name):
    """Tokens and frames; then without any frame."""
    network, tasks = toys.network(name, "pretrain"), toys.tasks(name, "pretrain")
    plain = toys.random_batch(network.config)
    nothing = {"tokens": tf.fill(plain.targets["tokens"].shape, IGNORED_TOKEN)}
    nothing["masked_frames"] = tf.zeros_like(plain.targets["masked_frames"])
    for num_frames in (plain.num_frames, tf.zeros_like(plain.num_frames)):
        unmasked = plain._replace(num_frames=num_frames, targets=plain.targets | nothing)
        with tf.GradientTape() as tape:
            total, logs = Objective(tasks)(network, unmasked)
        assert float(logs["mlm"]) == float(logs["mfm"]) == 0
        gradients = tape.gradient(total, [v.value for v in network.trainable_variables])
        assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)


def drawn(task, videos, seed=(1, 2)):
    size = len(videos.num_frames)
    draw = Draw(tf.constant(seed), (size, toys.TEXT), toys.FRAMES, 0, toys.TOKENIZERS["bert"])
    return task.corrupt(videos, draw)


def plain_videos(size=64):
    videos = toys.random_batch(toys.model("qq_job1"), size)
    return videos._replace(frames=videos.targets["frames"], targets={})


def test_masked_frames_are_zeros_and_all_are_targets():
    plain = plain_videos()
    masked = drawn(MaskedFrames(probability=0.5), plain)
    chosen = masked.targets["masked_frames"].numpy()
    real = np.arange(toys.FRAMES) < plain.num_frames.numpy()[:, None]
    assert 0.3 < chosen[real].mean() < 0.7 and not chosen[~real].any()
    np.testing.assert_array_equal(masked.frames, np.where(chosen[..., None], 0, plain.frames))
    np.testing.assert_array_equal(masked.targets["frames"], plain.frames)
    np.testing.assert_array_equal(masked.num_frames, plain.num_frames)
    assert masked.frames.dtype == plain.frames.dtype


def test_frames_that_are_reversed_afterwards_are_predicted_where_they_were():
    """docs/facts_rank1.md 4.4: the target of masked frames stays."""
    plain = plain_videos(6)
    both = drawn(Matching(), drawn(MaskedFrames(probability=0.5), plain))
    np.testing.assert_array_equal(both.targets["frames"], plain.frames)
    alone = drawn(MaskedFrames(probability=0.5), plain)
    np.testing.assert_array_equal(both.frames, tf.gather(alone.frames, [0, 1, 2, 5, 4, 3]))
    np.testing.assert_array_equal(both.targets["masked_frames"], alone.targets["masked_frames"])


def test_frames_and_tokens_are_not_masked_by_the_same_numbers():
    """With as many tokens as frames, all of them real."""
    videos = plain_videos()._replace(num_frames=tf.fill((64,), toys.FRAMES), input_ids=tf.fill((64, toys.FRAMES), 9))
    draw = Draw(tf.constant([1, 2]), (64, toys.FRAMES), toys.FRAMES, 0, toys.TOKENIZERS["bert"])
    tasks = toys.tasks("qq_job1", "pretrain")
    frames = tasks["mfm"].replace(probability=0.5).corrupt(videos, draw).targets["masked_frames"].numpy()
    tokens = tasks["mlm"].replace(probability=0.5).corrupt(videos, draw).targets["tokens"].numpy() != IGNORED_TOKEN
    assert 0.35 < (frames == tokens).mean() < 0.65


# --- all slots as candidates ------------------------------------------------------------------------------------------

SLOTS = {"mfm": MaskedSlots()}
PADDED = np.float16([[[1, 0], [0, 2]], [[1, 1], [0, 0]]])
"""Two videos of 2 and 1 frames whose frames have been exchanged: the model sees 1 and 2."""


def slots_loss(masked, state):
    states = np.zeros((2, 3, 2), np.float32)
    states[:, 1:][masked] = state
    logs, _ = logs_and_gradients(SLOTS, batch(PADDED, (1, 2), masked), tf.constant(states))
    return float(logs["mfm"])


def test_padding_is_that_of_the_frames_that_the_model_sees():
    """(0, 1) at the first slot of the second video: logits 0, 2, 1, 0, of which the second is padding and the last not."""
    loss = slots_loss(np.array([[False, False], [True, False]]), [0, 1])
    assert loss == pytest.approx(math.log(1 + math.e + 1) - 1, rel=1e-6)


@pytest.mark.parametrize(
    ("state", "rounded"),
    [([8, 8], [8, 16, 16, 0]), ([3, 3], [0, 8, 8, 0]), ([1, 1], [0, 0, 0, 0])],  # products are 8, 16, 16, 0 and so on
)
def test_a_row_of_padding_is_rounded_to_multiples_of_8(state, rounded):
    """Rank-8 quirk 1: next to 1e8 float32 numbers are 8 apart, and the softmax sees all four slots."""
    loss = slots_loss(np.array([[False, True], [False, False]]), state)
    assert loss == pytest.approx(math.log(np.exp(rounded).sum()) - rounded[1], rel=1e-6)


def test_slots_of_all_replicas_are_candidates(on_two):
    masked, states = np.array([[True, False], [True, False]]), tf.constant(STATES)
    exchanged = batch(PADDED, (1, 2), masked)
    one, two = logs_and_gradients(SLOTS, exchanged, states), on_two(SLOTS, exchanged, states=states)
    assert float(two[0]["mfm"]) == pytest.approx(float(one[0]["mfm"]), rel=1e-6)
    np.testing.assert_allclose(two[1], one[1], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("task", [MaskedSlots, HiddenFrames])
def test_parts_without_a_video_or_a_frame_have_no_loss(task):
    """Of 2 videos none is to be seen without frames, and none of the others has one."""
    videos = plain_videos(2)._replace(num_frames=tf.zeros(2, tf.int32))
    states = tf.ones((2, 1 + toys.FRAMES, toys.DIM))
    logs, gradient = logs_and_gradients({"mfm": task()}, drawn(task(), videos), states)
    assert float(logs["mfm"]) == 0
    assert not tf.convert_to_tensor(gradient).numpy().any()


def test_behind_matching_slots_and_frames_are_the_same_where_none_is_padding():
    """Put right: frames are masked in the order that the model sees, with their own padding (recipe plus)."""
    matched = drawn(Matching(with_padding=True), plain_videos(6))
    masked = drawn(MaskedFrames(probability=0.5), matched)
    np.testing.assert_array_equal(masked.targets["frames"], matched.frames)
    real = np.arange(toys.FRAMES) < masked.num_frames.numpy()[:, None]
    assert not masked.targets["masked_frames"].numpy()[~real].any()
    states = tf.random.stateless_normal((6, 1 + toys.FRAMES, toys.DIM), (1, 2))
    slots, frames = (logs_and_gradients({"mfm": task}, masked, states)[0]["mfm"] for task in (MaskedSlots(), MaskedFrames()))
    assert float(slots) == pytest.approx(float(frames), rel=1e-6)

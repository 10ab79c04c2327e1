"""Micro-batches: their gradients add up to those of the whole batch, one after the other and on every device."""

import functools
import re

import numpy as np
import pytest
import tensorflow as tf
import toys
from test_jit_compile import assert_same
from tiers import slow_but

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.records.schema import VideoBatch
from vsim_tf.tasks.global_batch import GlobalBatch
from vsim_tf.training.accumulation import accumulated
from vsim_tf.training.loop import Trainer
from vsim_tf.training.pretraining import make_trainer

CASES = {
    "videos": ("uniter", "pretrain", toys.random_batch),
    "masked frames": ("qq_job1", "pretrain", toys.random_batch),
    "pairs": ("uniter", "finetune", toys.random_pair_batch),
}
BATCH, STEPS = 5, 2


def losses_and_moments(kind, accumulate, strategy=None, num_layers=1, **stage):
    """Logged terms of some steps without dropout, and the first moments of the gradients after them."""
    name, stage_kind, make_batch = CASES[kind]
    settings = toys.stage(8, (name, stage_kind), batch_size=BATCH, accumulate=accumulate, **stage)
    model = toys.model(name, {"encoder.num_layers": num_layers}, dropout=0.0)
    trainer = make_trainer(model, settings, strategy or tf.distribute.get_strategy())
    batches = [make_batch(model, BATCH, seed) for seed in range(STEPS)]
    data = trainer.batches(lambda start, rows: concatenated(batches, rows), 0)
    logs = [{name: float(value) for name, value in trainer.train_step(next(data)).items()} for _ in range(STEPS)]
    assert trainer.traces == 1
    terms = [value for step in logs for _, value in sorted(step.items())]
    return terms, {name: slot.numpy() for name, slot in trainer.optimizer.slots.items() if name.endswith("/m")}


@functools.cache
def of_whole_batches(kind, **settings):
    """The same of whole batches, which are what micro-batches must come to."""
    return losses_and_moments(kind, 1, **settings)


def concatenated(batches, rows) -> tf.data.Dataset:
    first, last = rows or (0, BATCH)
    cut = [tf.nest.map_structure(lambda field: field[first:last], batch.without_ids()) for batch in batches]
    data = tf.data.Dataset.from_tensors(cut[0])
    for batch in cut[1:]:
        data = data.concatenate(tf.data.Dataset.from_tensors(batch))
    return data


@pytest.mark.parametrize("kind", slow_but(["videos", "masked frames"], CASES))
def test_micro_batches_add_up(kind):
    """5 = 2 + 2 + 1; candidates of masked frames are those of the whole batch."""
    assert_same(losses_and_moments(kind, 3), of_whole_batches(kind))


@pytest.mark.slow
@pytest.mark.parametrize("kind", CASES)
def test_micro_batches_of_two_replicas_add_up(kind, two_replicas):
    """3 = 2 + 1 and 2 = 1 + 1; the norm of the sum over micro-batches and replicas is clipped."""
    assert_same(losses_and_moments(kind, 2, two_replicas, clip_norm=0.5), of_whole_batches(kind, clip_norm=0.5))


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_compiled_micro_batches_add_up(replicas, two_replicas):
    strategy = two_replicas if replicas == 2 else None
    assert_same(losses_and_moments("videos", 2, strategy, jit_compile=True), of_whole_batches("videos"))


@pytest.mark.parametrize(("accumulate", "compilations"), [(1, 1), (2, 2), (5, 1)])
def test_xla_compiles_every_size_of_a_micro_batch(accumulate, compilations):
    """5 = 3 + 2 = 5 · 1; shapes are noted before a step."""
    stage = toys.stage(8, batch_size=BATCH, accumulate=accumulate, jit_compile=True)
    model = toys.model("uniter")
    trainer = make_trainer(model, stage, tf.distribute.get_strategy())
    trainer.compiled_step = lambda batch: {}
    trainer.train_step(toys.random_pair_batch(model, BATCH).without_ids())
    assert trainer.compilations == compilations


class Twice(GradientMethod, name="test_twice"):
    """The mean gradient of two passes."""

    def gradients(self, compute, network, variables):
        (logs, first), (_, second) = compute(), compute()
        return logs, [None if a is None else (tf.convert_to_tensor(a) + b) / 2 for a, b in zip(first, second, strict=True)]


def test_a_gradient_method_calls_passes_over_whole_batches():
    assert_same(losses_and_moments("videos", 2, gradient_method=Twice()), of_whole_batches("videos"))


@pytest.mark.slow
def test_micro_batches_with_recomputed_blocks_add_up():
    """A block before the last one is computed again."""
    assert_same(losses_and_moments("videos", 2, num_layers=2, remat=True), of_whole_batches("videos", num_layers=2))


def test_dropout_differs_between_micro_batches():
    """Every layer draws once for each."""
    model, stage = toys.model("uniter", dropout=0.1), toys.stage(8, ("uniter", "pretrain"), batch_size=BATCH, accumulate=4)
    trainer = make_trainer(model, stage, tf.distribute.get_strategy())
    trainer.train_step(toys.random_batch(model, BATCH))
    assert trainer.state.random_states
    assert {int(state.numpy()[1]) for state in trainer.state.random_states.values()} == {4}


# --- a pass of one's own ----------------------------------------------------------------------------------------------


def sums_of_rows(variables):
    """Σ over examples of 2·row of a table, and of the frames; logs say how the batch was cut. One variable takes no part."""
    table, weight, _ = variables

    def one_pass(batch, world):
        with tf.GradientTape() as tape:
            total = 2 * tf.reduce_sum(tf.gather(table, batch.input_ids)) + weight * tf.reduce_sum(batch.frames)
            mean = total / world.examples
        size = tf.cast(tf.shape(batch.num_frames)[0], tf.float32)
        logs = {"examples": size, "squares": size**2, "offsets": size * tf.cast(world.offset, tf.float32)}
        return logs, tape.gradient(mean, variables)

    return one_pass


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize(
    ("parts", "squares", "offsets"),
    [(2, 9 + 4, 10 * 3 + 13 * 2), (3, 4 + 4 + 1, 10 * 2 + 12 * 2 + 14 * 1), (5, 5, 10 + 11 + 12 + 13 + 14)],
)
def test_how_a_batch_is_cut(graph, parts, squares, offsets):
    """Into 3 + 2, 2 + 2 + 1 or 5 · 1 examples, the first of which is the tenth of the global batch."""
    variables = [tf.Variable(tf.zeros((4, 3))), tf.Variable(0.0), tf.Variable(1.0)]
    batch = VideoBatch((), tf.constant([0, 2, 2, 1, 2]), None, tf.range(5.0), tf.ones(5, tf.int32), {"tags": tf.zeros((5, 2))})
    world = GlobalBatch(1, tf.constant(20.0), tf.constant(10), {}, {})
    whole = accumulated(sums_of_rows(variables), variables, parts)
    logs, (of_table, of_weight, of_unused) = (tf.function(whole) if graph else whole)(batch, world)
    assert {name: float(value) for name, value in logs.items()} == {"examples": 5, "squares": squares, "offsets": offsets}
    np.testing.assert_allclose(of_table, np.array([1, 1, 3, 0])[:, None] * np.ones(3) * 2 / 20, rtol=1e-6)
    assert float(of_weight) == pytest.approx((0 + 1 + 2 + 3 + 4) / 20)
    assert of_unused is None


# --- what cannot be cut -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "accumulate", "message"),
    [
        ("uniter", 6, "accumulate=6: a micro-batch has at least one example, and batch_size=5 has 5; give 5 or less"),
        ("mix_nextvlad", 2, "accumulate=2: mix_nextvlad needs the whole batch at once (BatchNorm, a loss of all its examples)"),
    ],
)
def test_what_cannot_be_cut_is_refused(name, accumulate, message):
    stage = toys.stage(8, (name, "pretrain"), batch_size=BATCH, accumulate=accumulate)
    with pytest.raises(UserError, match=re.escape(message)):
        Trainer(build_network(toys.model(name), stage.tasks.values()), stage, tf.distribute.get_strategy())


def test_the_smallest_batch_of_a_replica_counts():
    model, stage = toys.model("uniter"), toys.stage(batch_size=BATCH, accumulate=3)
    stage.require_micro_batches(model, 1)
    with pytest.raises(UserError, match="batch_size=5 on 2 replicas has 2; give 2 or less"):
        stage.require_micro_batches(model, 2)

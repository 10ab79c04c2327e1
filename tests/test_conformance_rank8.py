"""What every model of the 8th place must do in its stage: the same on two replicas, in micro-batches, in bfloat16; and learn."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys
from tiers import slow_but

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.runs.weights import model_weights
from vsim_tf.tasks.forward import call_network
from vsim_tf.training.loop import GRADIENT_NORM, Trainer
from vsim_tf.training.pretraining import make_trainer

BATCH = 9  # on two replicas 5 and 4
FGM, PLUS = "fgm", "plus"
CASES = {
    "single stream": ("wbdc_single", {}),
    "single stream put right": ("wbdc_single", {"tasks": PLUS}),
    "dual encoder": ("wbdc_clip", {}),
    "classes": ("wbdc_1", {"gradient_method": FGM}),
    "classes of two streams": ("wbdc_3", {"gradient_method": None}),
}


def make(case, strategy=None, dropout=0.0, **fields) -> Trainer:
    (name, changes), recipe = CASES[case], "2021"
    if changes.get("tasks") == PLUS:
        changes, recipe = toys.registered(name).stage_of_plus, "plus"
    stage = toys.stage(8, (name, "stage"), 3e-3, changes, batch_size=BATCH, **fields)
    return make_trainer(toys.model(name, dropout=dropout, recipe=recipe), stage, strategy or tf.distribute.get_strategy())


def batches_of(trainer, count=2):
    make_batch = toy_short_videos.training_batch
    return [make_batch(trainer.network.config, trainer.stage.tasks, BATCH, seed).without_ids() for seed in range(count)]


def losses_and_moments(trainer, count=2):
    """Logged terms of some steps, and the first moments of the gradients after them."""
    batches = batches_of(trainer, count)

    def data(start, rows):
        first, last = rows or (0, BATCH)
        parts = [tf.nest.map_structure(lambda field: field[first:last], batch) for batch in batches]
        joined = tf.data.Dataset.from_tensors(parts[0])
        for part in parts[1:]:
            joined = joined.concatenate(tf.data.Dataset.from_tensors(part))
        return joined

    dealt = iter(trainer.batches(data, 0))
    logs = [{name: float(value) for name, value in trainer.train_step(next(dealt)).items()} for _ in range(count)]
    logs = [{name: value for name, value in log.items() if name != GRADIENT_NORM} for log in logs]  # which is of log steps alone
    return logs, {name: slot.numpy() for name, slot in trainer.optimizer.slots.items() if name.endswith("/m")}


def assert_same(actual, expected):
    for ours, theirs in zip(actual[0], expected[0], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4, abs=1e-6)
        assert all(theirs.values())
    for name, moment in expected[1].items():
        limit = 1e-4 * max(np.abs(moment).max(), 1e-4)
        np.testing.assert_allclose(actual[1][name], moment, rtol=0, atol=limit, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_replicas_equal_one(case, two_replicas):
    """Parts of the batch, negatives and candidates are those of the global batch, and so is the step of FGM."""
    assert_same(losses_and_moments(make(case, two_replicas)), losses_and_moments(make(case)))


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("case", ["classes", "classes of two streams"])
def test_micro_batches_add_up(case, replicas, two_replicas):
    """9 = 3 + 3 + 3, or 5 = 2 + 2 + 1 and 4 = 2 + 1 + 1; the step of FGM is that of the whole batch."""
    strategy = two_replicas if replicas == 2 else None
    assert_same(losses_and_moments(make(case, strategy, accumulate=3)), losses_and_moments(make(case)))


@pytest.mark.slow
def test_parts_of_the_batch_are_those_of_the_whole_in_micro_batches():
    """Without the contrast, which sees outputs of the whole batch."""
    changes = {"tasks": {name: t.to_dict() for name, t in toys.tasks("wbdc_single", "stage").items() if name != "ict"}}
    found = []
    for accumulate in (1, 4):
        stage = toys.stage(8, ("wbdc_single", "stage"), 3e-3, changes, batch_size=BATCH, accumulate=accumulate)
        trainer = make_trainer(toys.model("wbdc_single", dropout=0.0), stage, tf.distribute.get_strategy())
        found.append(losses_and_moments(trainer))
    assert_same(found[1], found[0])


@pytest.mark.parametrize("case", ["single stream", "single stream put right", "dual encoder"])
def test_contrast_is_not_cut_into_micro_batches(case):
    name = CASES[case][0]
    with pytest.raises(UserError, match=re.escape(f"accumulate=2: {name} needs the whole batch at once")) as caught:
        make(case, accumulate=2)
    assert list(caught.value.fields) == ["training.accumulate"]


@pytest.mark.parametrize("case", ["single stream", "dual encoder"])
def test_contrast_over_replicas_is_not_compiled(case, two_replicas):
    with pytest.raises(UserError, match="jit_compile=True with 2 replicas"):
        make(case, two_replicas, jit_compile=True)


@pytest.mark.parametrize("case", slow_but(["single stream"], CASES))
def test_one_batch_can_be_overfitted(case):
    trainer = make(case)
    (batch,) = batches_of(trainer, 1)
    first = trainer.train_step(batch)
    for _ in range(80):
        logs = trainer.train_step(batch)
    assert float(logs["loss"] / first["loss"]) < 0.8


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_mixed_precision_stays_finite_and_near(case):
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = make(case, dropout=0.1, precision="mixed_bfloat16")
    logs, _ = losses_and_moments(trainer)
    assert all(np.isfinite(list(log.values())).all() for log in logs)
    weights = model_weights(trainer.network)
    assert {value.dtype for value in weights.values()} == {tf.float32}
    batch = toy_short_videos.clean_batch(trainer.network.config, BATCH)
    output = call_network(trainer.network, batch, training=False)
    keras.config.set_dtype_policy("float32")
    exact = build_network(trainer.network.config, trainer.stage.tasks.values())
    for key, value in model_weights(exact).items():
        value.assign(weights[key])
    expected = call_network(exact, batch, training=False)
    assert output.embedding.dtype == tf.float32
    difference = np.abs(output.embedding - expected.embedding)
    assert 0 < difference.max() < 0.1 * np.abs(expected.embedding).max()

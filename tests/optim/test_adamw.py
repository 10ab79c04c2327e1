"""Adam with decay against plain arithmetic."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.groups import grouped
from vsim_tf.optim.schedules import CosineSchedule, LinearSchedule
from vsim_tf.optim.settings import Adam
from vsim_tf.presets.aiac2021_rank1 import ADAMW

RATE, DECAY = 0.1, 0.5
CONSTANT = {"a": LinearSchedule(peak=RATE, warmup=0, horizon=10**9)}


def optimizer(settings, **values) -> tuple[GroupAdam, dict[str, keras.Variable]]:
    """An optimizer of one group of named variables."""
    variables = {name: keras.Variable(np.array(value, "float32")) for name, value in values.items()}
    names = {id(variable): name for name, variable in variables.items()}
    return GroupAdam({"a": list(variables.values())}, CONSTANT, settings, names), variables


def apply(adam, gradients, step=0):
    adam.apply([None if g is None else tf.constant(g, tf.float32) for g in gradients], tf.constant(step, tf.int64))


def test_one_step_by_hand():
    """m = 0.1·g and v = 0.001·g²: θ − lr·√0.001/0.1·m/(√v + ε) is θ − lr·g/(g + ε/√0.001); of that, lr·decay is lost."""
    epsilon, gradient = 1e-3, 0.02
    adam, values = optimizer(Adam(epsilon=epsilon, decay=DECAY, undecayed="bias"), kernel=[2.0], bias=[2.0])
    apply(adam, [[gradient], [gradient]])
    adam_alone = 2 - RATE * gradient / (gradient + epsilon / 0.001**0.5)
    assert float(values["bias"].numpy()[0]) == pytest.approx(adam_alone, rel=1e-6)
    assert float(values["kernel"].numpy()[0]) == pytest.approx(adam_alone * (1 - RATE * DECAY), rel=1e-6)
    assert adam_alone == pytest.approx(2 - 0.1 * 0.38743, rel=1e-5)  # ε is more than the root of v here


def test_moments_do_not_see_the_decay():
    adam, values = optimizer(Adam(decay=DECAY), kernel=[1.0])
    for step in range(3):
        apply(adam, [[0.0]], step)
    assert float(values["kernel"].numpy()[0]) == pytest.approx((1 - RATE * DECAY) ** 3, rel=1e-6)
    assert not any(slot.numpy().any() for slot in adam.slots.values())


def test_a_weight_without_a_gradient_does_not_decay():
    adam, values = optimizer(Adam(decay=DECAY), kernel=[1.0], other=[1.0])
    apply(adam, [[0.0], None])
    assert values["kernel"].numpy() < 1 and values["other"].numpy() == 1


def test_the_rate_of_the_step_decays():
    """At half of the warm-up, half of it."""
    variable = keras.Variable(np.float32([1.0]))
    adam = GroupAdam(
        {"a": [variable]}, {"a": CosineSchedule(peak=RATE, warmup=4, horizon=8)}, Adam(decay=DECAY), {id(variable): "k"}
    )
    apply(adam, [[0.0]], 2)
    assert float(variable.numpy()[0]) == pytest.approx(1 - RATE / 2 * DECAY, rel=1e-6)
    apply(adam, [[0.0]], 0)  # the first step of a warm-up does nothing
    assert float(variable.numpy()[0]) == pytest.approx(1 - RATE / 2 * DECAY, rel=1e-6)


def test_weights_are_the_same_on_all_replicas(two_replicas):
    with two_replicas.scope():
        value = keras.Variable(np.float32([1.0, -2.0]))
        adam = GroupAdam({"a": [value]}, CONSTANT, Adam(epsilon=1e-6, decay=DECAY), {id(value): "kernel"})

    @tf.function
    def step():
        two_replicas.run(lambda: adam.apply([tf.constant([0.25, 0.5])], tf.constant(0, tf.int64)))

    step()
    first, second = two_replicas.experimental_local_results(value.value)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first, np.array([0.9, -2.1]) * (1 - RATE * DECAY), rtol=1e-4)


def test_the_row_of_padding_gets_no_gradient_but_decays():
    """Its states are pooled, so there is a gradient to be stopped; with decay alone the row goes towards zero."""
    stage = toys.stage(of=("qq_job1", "finetune"))
    network = build_network(toys.model("qq_job1", dropout=0.0), stage.tasks.values())
    names = {id(v): name for name, v in network.weights_by_name().items()}
    adam = GroupAdam(grouped(network, stage.groups), stage.schedules, stage.optimizer, names)
    word, pad = network.encoder.embedding.word, toys.TOKENIZERS["bert"].pad_id
    assert not word.numpy()[pad].any()  # as in PyTorch
    word.assign(np.ones(word.shape))
    batch = toys.random_batch(network.config)
    with tf.GradientTape() as tape:
        output = network(*batch[1:5], training=True)
        loss = tf.reduce_sum(output.embedding * tf.random.normal(output.embedding.shape))
    gradient = tf.convert_to_tensor(tape.gradient(loss, word.value)).numpy()
    assert not gradient[pad].any() and gradient[np.unique(batch.input_ids)[1:]].any(axis=1).all()
    apply(adam, [gradient if v is word.value else None for v in adam.variables])
    rate = stage.groups["encoder"].schedule.peak
    np.testing.assert_allclose(word.numpy()[pad], 1 - rate * 0.01, rtol=1e-7)


@pytest.mark.parametrize(
    ("name", "decay"),
    [
        ("fc/kernel", 0.01), ("fc/bias", 0), ("encoder/block_0/attention_norm/gamma", 0), ("mfm/layer_norm/beta", 0),
        ("encoder/embedding/word", 0.01), ("frame_block/position", 0.01), ("mlm/bias", 0), ("mlm/decoder", 0.01),
    ],
)  # fmt: skip
def test_weights_that_the_1st_place_decays(name, decay):
    assert ADAMW.decay_of(name) == decay


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"epsilon": 0.0}, "epsilon=0.0: a number above 0 and below 1"),
        ({"epsilon": float("nan")}, "epsilon=nan"),
        ({"decay": -1.0}, "decay=-1.0: a number from 0"),
        ({"undecayed": "("}, "undecayed='(': no regular expression: missing )"),
    ],
)
def test_settings_that_make_no_sense(values, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Adam(**values)

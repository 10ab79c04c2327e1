"""Classification by hand, and what its head reads."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys

from vsim_tf.errors import UserError
from vsim_tf.models.build import build_network
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.objective import Objective


def test_loss_by_hand():
    """Logits (0, ln 3) of class 1 and (0, 0) of class 0: probabilities 3/4 and 1/2."""
    logits = tf.constant([[0, math.log(3)], [0, 0]], tf.float32)

    network = SimpleNamespace(heads={"classes": lambda embedding: embedding})
    batch = toy_short_videos.clean_batch(toys.model("wbdc_1"), 2)
    batch = batch._replace(targets={"classes": tf.constant([1, 0])})
    with tf.GradientTape() as tape:
        tape.watch(logits)
        output = VideoOutput(logits, {})
        total, logs = Objective({"classes": Classes(weight=2.0)}).of_outputs(network, (output,), batch)
    assert float(logs["classes"]) == pytest.approx(2 * (math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)
    assert float(total) == pytest.approx(2 * float(logs["loss"]), rel=1e-6)
    expected = 2 * (np.array([[1 / 4, 3 / 4], [1 / 2, 1 / 2]]) - [[0, 1], [1, 0]])
    np.testing.assert_allclose(tape.gradient(total, logits), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("name", "width"), [("wbdc_1", 16), ("wbdc_3", 32)])
def test_the_head_is_one_dense_layer_on_pooled_states(name, width):
    """Of two streams those of both, next to each other; kernel and bias begin within ±1/√width."""
    model = toys.model(name)
    network = build_network(model, [Classes()])
    head = network.heads["classes"]
    assert head.kernel.shape == (width, toys.CLASSES)
    for weight in (head.kernel, head.bias):
        assert 0 < np.abs(weight.numpy()).max() <= width**-0.5
    embedding = call_network(network, toy_short_videos.clean_batch(model, 3), training=False).embedding
    expected = embedding.numpy() @ head.kernel.numpy() + head.bias.numpy()
    np.testing.assert_allclose(Classes.logits(network, embedding), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["uniter", "mix_nextvlad", "qq_job1"])
def test_models_that_it_cannot_train(name):
    with pytest.raises(UserError, match=f"the task classes reads pooled states, which {name} does not have: embedding_size=0"):
        Classes().require_model(toys.model(name))

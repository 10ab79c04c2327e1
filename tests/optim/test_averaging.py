"""Averages of weights, and when they are updated and evaluated."""

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys

from vsim_tf.errors import UserError
from vsim_tf.optim.averaging import ExponentialAverage
from vsim_tf.training.pretraining import make_trainer


def test_by_hand():
    """0.9·1 + 0.1·3 = 1.2, then 0.9·1.2 + 0.1·2 = 1.28: no correction of the bias towards the first weights."""
    average = ExponentialAverage(decay=0.9)
    first = average.update(tf.constant(1.0), tf.constant(3.0), tf.constant(1))
    assert float(first) == pytest.approx(1.2, rel=1e-6)
    assert float(average.update(first, tf.constant(2.0), tf.constant(2))) == pytest.approx(1.28, rel=1e-6)


@pytest.mark.parametrize("decay", [0.0, 1.0, -0.5, 2.0])
def test_decays_that_make_no_sense(decay):
    with pytest.raises(UserError, match=f"decay={decay}: a probability above 0 and below 1"):
        ExponentialAverage(decay=decay)


@pytest.mark.parametrize("replicas", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_it_follows_every_step_of_a_classifier_and_is_what_is_evaluated(replicas, two_replicas):
    """Of every trained weight, from the weights at the start on; frozen ones have none."""
    model = toys.model("wbdc_3", {"tower.trainable_blocks": 1}, dropout=0.0)
    stage = toys.stage(3, ("wbdc_3", "stage"), 1e-2, {"average.decay": 0.5, "gradient_method": None}, batch_size=4)
    strategy = two_replicas if replicas == 2 else tf.distribute.get_strategy()
    trainer = make_trainer(model, stage, strategy)
    trainer.state.start_average()
    batch = toy_short_videos.clean_batch(model, 4).without_ids()
    data = trainer.batches(lambda start, rows: repeated(batch, rows), 0)
    expected = {name: trainer.state.weights[name].numpy() for name in trainer.state.averages}
    trained = {id(v) for v in trainer.network.trainable_variables}
    assert expected.keys() == {name for name, v in trainer.network.weights_by_name().items() if id(v) in trained}
    for _ in range(3):
        trainer.train_step(next(data))
        expected = {name: 0.5 * before + 0.5 * trainer.state.weights[name].numpy() for name, before in expected.items()}
    now = {name: weight.numpy() for name, weight in trainer.state.weights.items()}
    with trainer.state.averaged():
        for name, value in expected.items():
            np.testing.assert_allclose(trainer.state.weights[name], value, rtol=1e-5, atol=1e-7, err_msg=name)
    for name, value in now.items():
        np.testing.assert_array_equal(trainer.state.weights[name], value, err_msg=name)
    assert np.abs(now["classes/kernel"] - expected["classes/kernel"]).max() > 1e-3


def repeated(batch, rows):
    first, last = rows or (0, 4)
    return tf.data.Dataset.from_tensors(tf.nest.map_structure(lambda field: field[first:last], batch)).repeat()

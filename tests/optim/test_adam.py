"""Learning rates and Adam steps against plain arithmetic."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.schedules import LinearSchedule


def rate_of(schedule, step):
    return float(schedule.rate(tf.constant(step, tf.int64)))


@pytest.mark.parametrize(
    ("step", "rate"), [(0, 0.0), (1, 0.1), (5, 0.5), (10, 1.0), (11, 0.975), (30, 0.5), (50, 0.0), (60, 0.0)]
)
def test_learning_rate(step, rate):
    assert rate_of(LinearSchedule(peak=1.0, warmup=10, horizon=50), step) == pytest.approx(rate, abs=1e-6)


def test_without_warm_up_the_first_rate_is_the_peak():
    assert rate_of(LinearSchedule(peak=0.5, warmup=0, horizon=4), 0) == 0.5


@given(warmup=st.integers(0, 100), length=st.integers(1, 1000), step=st.integers(0, 2000))
@settings(deadline=None, max_examples=50)
def test_learning_rate_stays_within_its_bounds(warmup, length, step):
    assert -1e-9 <= rate_of(LinearSchedule(peak=3e-5, warmup=warmup, horizon=warmup + length), step) <= 3e-5 * (1 + 1e-6)


class Adam:
    """Adam in numpy, in float64."""

    def __init__(self, value):
        self.value, self.m, self.v, self.t = np.array(value, np.float64), 0.0, 0.0, 0

    def step(self, gradient, rate):
        self.t += 1
        self.m = 0.9 * self.m + 0.1 * gradient
        self.v = 0.999 * self.v + 0.001 * np.square(gradient)
        rate = rate * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t)
        self.value = self.value - rate * self.m / (np.sqrt(self.v) + 1e-8)


CONSTANT = {"a": LinearSchedule(peak=0.1, warmup=0, horizon=10**9), "b": LinearSchedule(peak=0.02, warmup=0, horizon=10**9)}


def variable(*values):
    return keras.Variable(np.array(values, "float32"))


def apply(optimizer, gradients, step, max_norm=None):
    optimizer.apply(gradients, tf.constant(step, tf.int64), max_norm)


def test_each_group_has_its_own_rate():
    first, second = variable(1.0, -2.0), variable(3.0)
    optimizer = GroupAdam({"a": [first], "b": [second]}, CONSTANT)
    expected = Adam([1.0, -2.0]), Adam([3.0])
    for step, (g, h) in enumerate([([0.5, -1e-9], [2.0]), ([-0.1, 0.0], [1e4]), ([0.3, 1.0], [-3.0])]):
        apply(optimizer, [tf.constant(g), tf.constant(h)], step)
        expected[0].step(np.array(g), 0.1)
        expected[1].step(np.array(h), 0.02)
    np.testing.assert_allclose(first.numpy(), expected[0].value, rtol=1e-5)
    np.testing.assert_allclose(second.numpy(), expected[1].value, rtol=1e-5)


def test_a_variable_in_two_groups_is_updated_twice_with_moments_of_its_own():
    shared = variable(1.0)
    optimizer = GroupAdam({"a": [shared], "b": [shared]}, CONSTANT)
    assert len(optimizer.variables) == 1
    assert len(optimizer.slots) == 4
    one, two = Adam([0.0]), Adam([0.0])
    for step, gradient in enumerate((0.5, -0.2, 0.1)):
        apply(optimizer, [tf.constant([gradient])], step)
        one.step(gradient, 0.1)
        two.step(gradient, 0.02)
    np.testing.assert_allclose(shared.numpy(), 1.0 + one.value + two.value, rtol=1e-5)


def test_repeated_rows_of_an_embedding_are_added_before_they_are_squared():
    table = variable([1.0, 1.0], [2.0, 2.0], [3.0, 3.0])
    optimizer = GroupAdam({"a": [table]}, CONSTANT)
    rows = tf.IndexedSlices(tf.constant([[0.5, 1.0], [0.25, 1.0]]), tf.constant([1, 1]), tf.constant([3, 2]))
    apply(optimizer, [rows], 0)
    apply(optimizer, [rows], 1)
    expected = Adam([2.0, 2.0])
    expected.step(np.array([0.75, 2.0]), 0.1)
    expected.step(np.array([0.75, 2.0]), 0.1)
    np.testing.assert_allclose(table.numpy(), [[1, 1], expected.value, [3, 3]], rtol=1e-6)
    np.testing.assert_allclose(optimizer.slots[f"a/{table.path}/v"][1], [0.75**2 * 0.001999, 4 * 0.001999], rtol=1e-4)


def test_a_variable_without_a_gradient_is_left_alone():
    used, unused = variable(1.0), variable(1.0)
    optimizer = GroupAdam({"a": [used, unused]}, CONSTANT)
    apply(optimizer, [tf.constant([1.0]), None], 0)
    assert used.numpy() == pytest.approx(0.9, rel=1e-5)
    assert unused.numpy() == 1.0
    assert not optimizer.slots[f"a/{unused.path}/m"].numpy().any()


def test_gradients_of_replicas_are_summed(two_replicas):
    with two_replicas.scope():
        value = variable(1.0)
        optimizer = GroupAdam({"a": [value]}, CONSTANT)

    @tf.function
    def step():
        def replica():
            index = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
            optimizer.apply([tf.stack([1.0 + 2.0 * index])], tf.constant(0, tf.int64))

        two_replicas.run(replica)

    step()
    moment = optimizer.slots[f"a/{value.path}/m"]
    assert [float(part[0]) for part in two_replicas.experimental_local_results(moment)] == pytest.approx([0.4, 0.4])


def test_long_gradients_are_scaled_to_the_largest_norm_of_all_together():
    first, second, unused = variable(1.0, 2.0), variable(3.0), variable(4.0)
    optimizer = GroupAdam({"a": [first, unused], "b": [second]}, CONSTANT)
    apply(optimizer, [tf.constant([3.0, 4.0]), None, tf.constant([12.0])], 0, max_norm=2.6)  # of length 13, a fifth of it is left
    np.testing.assert_allclose(optimizer.slots[f"a/{first.path}/m"], [0.06, 0.08], rtol=1e-6)
    np.testing.assert_allclose(optimizer.slots[f"b/{second.path}/m"], [0.24], rtol=1e-6)


def test_short_gradients_are_left_as_they_are():
    value = variable(1.0, 2.0)
    optimizer = GroupAdam({"a": [value]}, CONSTANT)
    apply(optimizer, [tf.constant([3.0, 4.0])], 0, max_norm=5.0)
    np.testing.assert_allclose(optimizer.slots[f"a/{value.path}/m"], [0.3, 0.4], rtol=1e-6)


def test_a_variable_in_two_groups_counts_once_in_the_norm():
    shared = variable(1.0)
    optimizer = GroupAdam({"a": [shared], "b": [shared]}, CONSTANT)
    apply(optimizer, [tf.constant([5.0])], 0, max_norm=5.0)
    assert [float(optimizer.slots[f"{group}/{shared.path}/m"][0]) for group in "ab"] == pytest.approx([0.5, 0.5])


def test_gradients_of_replicas_are_summed_before_they_are_scaled(two_replicas):
    """3 and 4 on one, 0 and -3 on the other: 3 and 1 together, which are scaled to half of their length."""
    with two_replicas.scope():
        value = variable(1.0, 2.0)
        optimizer = GroupAdam({"a": [value]}, CONSTANT)

    @tf.function
    def step():
        def replica():
            index = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
            optimizer.apply([tf.stack([3.0 - 3.0 * index, 4.0 - 7.0 * index])], tf.constant(0, tf.int64), 0.5 * 10**0.5)

        two_replicas.run(replica)

    step()
    moment = optimizer.slots[f"a/{value.path}/m"]
    for part in two_replicas.experimental_local_results(moment):
        np.testing.assert_allclose(part, [0.15, 0.05], rtol=1e-6)


def test_rates_are_those_of_the_update_after_the_completed_steps():
    optimizer = GroupAdam({}, {"a": LinearSchedule(peak=1.0, warmup=4, horizon=8)})
    assert float(optimizer.learning_rates(tf.constant(1))["a"]) == 0.25

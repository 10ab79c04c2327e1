"""Steps on a table of embeddings by hand, and what becomes of gradients and the table."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from vsim_tf.errors import UserError
from vsim_tf.optim.adversarial import FastGradient, ProjectedGradient, TableAttack, WeightPerturbation

TABLE = np.float32([[3, 0], [0, 4]])
GRADIENT = np.float32([[0.6, 0], [0, 0.8]])
"""Of norm 1; the table's is 5."""
ATTACKS = pytest.mark.parametrize(
    "attack", [FastGradient(), ProjectedGradient(), WeightPerturbation()], ids=lambda x: x.type_name
)


def step(attack, weights, gradient, clean=TABLE):
    return attack.step(tf.constant(weights), tf.constant(gradient, tf.float32), tf.constant(clean)).numpy()


# --- one step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 1e-6, 100.0])
def test_fgm_goes_epsilon_along_the_gradient(scale):
    """Whatever its length: 0.5·(0.6, 0.8)."""
    np.testing.assert_allclose(step(FastGradient(epsilon=0.5), TABLE, scale * GRADIENT), [[3.3, 0], [0, 4.4]], rtol=1e-6)


def test_pgd_stays_in_its_ball():
    """0.3 along (0.6, 0.8), again: 0.6, again: 0.9; a fourth would be 1.2, and 1 is the radius."""
    attack, weights, distances = ProjectedGradient(), TABLE, []
    for _ in range(4):
        weights = step(attack, weights, GRADIENT)
        distances.append(float(np.linalg.norm(weights - TABLE)))
    assert distances == pytest.approx([0.3, 0.6, 0.9, 1.0], rel=1e-5)
    np.testing.assert_allclose(weights, TABLE + GRADIENT, rtol=1e-5)


def test_pgd_is_projected_towards_the_clean_weights():
    """(0.6, 0) away and 0.8 at a right angle: (0.6, 0.8) has norm 1, and becomes half as long."""
    attack = ProjectedGradient(length=0.8, radius=0.5)
    moved = step(attack, TABLE + np.float32([[0.6, 0], [0, 0]]), [[0, 0], [0, 7]])
    np.testing.assert_allclose(moved - TABLE, [[0.3, 0], [0, 0.4]], atol=1e-6)


def test_awp_is_relative_to_the_weights():
    """0.3 of the table's norm 5, along the gradient; numbers that are 0 stay 0."""
    moved = step(WeightPerturbation(), TABLE, GRADIENT + np.float32([[0, 0.1], [0, 0]]))
    length = 0.3 * 5 / np.sqrt(1.01)
    np.testing.assert_allclose(moved, [[3 + 0.6 * length, 0], [0, 4 + 0.8 * length]], rtol=1e-5)


def test_awp_stays_in_its_box():
    """1 ± 10 %: the first would be at 1.9."""
    moved = step(WeightPerturbation(box=0.1), np.float32([[1, -1]]), [[3, 4]], clean=np.float32([[1, -1]]))
    np.testing.assert_allclose(moved, [[1.1, -0.9]], rtol=1e-6)


@ATTACKS
def test_a_gradient_of_zero_perturbs_nothing(attack):
    np.testing.assert_array_equal(step(attack, TABLE + 0.1, np.zeros_like(TABLE)), TABLE + np.float32(0.1))


@given(seed=st.integers(0, 2**31), scale=st.sampled_from([1e-3, 1.0, 1e3]))
def test_no_step_of_pgd_leaves_the_ball(seed, scale):
    rng, attack = np.random.default_rng(seed), ProjectedGradient(length=0.7, radius=1.0)
    weights = TABLE
    for _ in range(3):
        weights = step(attack, weights, scale * rng.standard_normal(TABLE.shape))
        assert np.linalg.norm(weights - TABLE) <= 1 + 1e-5


# --- passes -----------------------------------------------------------------------------------------------------------


class Network:
    """A table and another weight; the loss is Σ table³ / 3 · scale, whose gradient is table², and weight · Σ table."""

    def __init__(self, scale=1.0):
        self.table, self.other = tf.Variable(TABLE), tf.Variable(2.0)
        self.scale, self.seen = scale, []

    def weights_by_name(self):
        return {name: Holder(v) for name, v in {"encoder/embedding/word": self.table, "fc/kernel": self.other}.items()}

    def compute(self):
        self.seen.append(self.table.numpy())
        with tf.GradientTape() as tape:
            loss = self.scale * tf.reduce_sum(self.table**3) / 3 + self.other * tf.reduce_sum(self.table)
        return {"loss": loss}, [*tape.gradient(loss, [self.table, self.other]), None]

    def gradients(self, attack):
        unused = tf.Variable(1.0)
        return attack.gradients(self.compute, self, [self.table, self.other, unused])


class Holder:
    """A Keras variable, as far as attacks are concerned."""

    def __init__(self, variable):
        self.value = variable


def test_clean_and_adversarial_gradients_are_added():
    """The table's gradient is table² + 2, the other's is Σ table; logs are those of the clean pass."""
    network = Network()
    logs, (of_table, of_other, of_unused) = network.gradients(FastGradient())
    clean = TABLE**2 + 2
    moved = TABLE + clean / np.linalg.norm(clean)
    np.testing.assert_allclose(network.seen, [TABLE, moved], rtol=1e-6)
    np.testing.assert_allclose(of_table, clean + moved**2 + 2, rtol=1e-6)
    assert float(of_other) == pytest.approx(float(TABLE.sum() + moved.sum()), rel=1e-6)
    assert of_unused is None
    assert float(logs["loss"]) == pytest.approx(float((TABLE**3).sum() / 3 + 2 * TABLE.sum()), rel=1e-6)


def test_each_step_of_pgd_follows_the_latest_gradient_and_the_last_one_counts():
    network, weights, latest = Network(), TABLE, TABLE**2 + 2
    expected = [TABLE]
    for _ in range(3):
        weights = weights + 0.3 * latest / np.linalg.norm(latest)
        latest = weights**2 + 2
        expected.append(weights)
    _, (of_table, _, _) = network.gradients(ProjectedGradient())
    np.testing.assert_allclose(network.seen, expected, rtol=1e-6)
    np.testing.assert_allclose(of_table, TABLE**2 + 2 + latest, rtol=1e-6)


@ATTACKS
def test_the_table_comes_back_bit_for_bit(attack):
    network = Network()
    before = tf.Variable(TABLE / 3)
    network.table.assign(before)
    network.gradients(attack)
    assert network.table.numpy().tobytes() == before.numpy().tobytes()
    assert len(network.seen) == 1 + attack.passes


@pytest.mark.parametrize("attack", [FastGradient(table=""), ProjectedGradient(table="")])
def test_without_a_table_passes_are_made_at_the_clean_weights(attack):
    """Rank-8 quirk 3: the gradient is doubled, whatever the number of passes."""
    network = Network()
    _, (of_table, of_other, _) = network.gradients(attack)
    np.testing.assert_array_equal(network.seen, [TABLE] * (1 + attack.passes))
    np.testing.assert_allclose(of_table, 2 * (TABLE**2 + 2), rtol=1e-6)
    assert float(of_other) == 2 * TABLE.sum()


def test_a_table_with_a_gradient_of_zero_is_left_alone():
    network = Network(scale=0.0)
    network.other.assign(0.0)
    _, (of_table, of_other, _) = network.gradients(ProjectedGradient())
    np.testing.assert_array_equal(network.seen, [TABLE] * 4)
    assert not of_table.numpy().any() and float(of_other) == 2 * TABLE.sum()


@pytest.mark.parametrize(("table", "found"), [("encoder/.*/missing", 0), (".*", 2)])
def test_a_pattern_names_one_table(table, found):
    with pytest.raises(UserError, match=f"{found} trained weights have such a name, 1 is needed"):
        Network().gradients(FastGradient(table=table))


@pytest.mark.parametrize("kind", [FastGradient, ProjectedGradient, WeightPerturbation])
def test_at_least_one_pass(kind):
    assert issubclass(kind, TableAttack)
    with pytest.raises(UserError, match="passes=0"):
        kind(passes=0)


# --- replicas ---------------------------------------------------------------------------------------------------------


def test_replicas_take_the_step_of_the_summed_gradient(two_replicas):
    """Gradients (3, 0) and (0, 4) are one of norm 5, of which both replicas go a unit: (0.6, 0.8)."""
    with two_replicas.scope():
        table = tf.Variable([1.0, 1.0])
    parts = tf.constant([[3.0, 0], [0, 4]])

    class Replicas:
        def weights_by_name(self):
            return {"encoder/embedding/word": Holder(table)}

    def replica():
        mine, states = parts[tf.distribute.get_replica_context().replica_id_in_sync_group], []

        def compute():
            states.append(tf.identity(table))
            return {}, [mine + 0 * table]

        _, gradients = FastGradient().gradients(compute, Replicas(), [table])
        return tf.stack(states), gradients[0]

    states, gradients = tf.function(lambda: two_replicas.run(replica), autograph=False)()
    for part, (at, gradient) in enumerate(zip(*map(two_replicas.experimental_local_results, (states, gradients)), strict=True)):
        np.testing.assert_allclose(at, [[1, 1], [1.6, 1.8]], rtol=1e-6)
        np.testing.assert_allclose(gradient, 2 * parts[part])
    for copy in two_replicas.experimental_local_results(table):
        np.testing.assert_array_equal(copy, [1, 1])

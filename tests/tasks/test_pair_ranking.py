"""Losses of whole batches as tasks: sums that are differentiated, the first numbers of embeddings, and replicas."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf import losses
from vsim_tf.errors import UserError
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.presets import registry
from vsim_tf.presets.pair_losses import PAIR_LOSSES, similarity_tasks, with_pair_loss
from vsim_tf.records.schema import PairBatch
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.pair_ranking import Combinations, CoSent, Pearson
from vsim_tf.tasks.pair_similarity import MeanSquaredError, SquaredError
from vsim_tf.tasks.tags import Tags

PAIRS, DIM = 6, 5
RNG = np.random.default_rng(0)
FIRST, SECOND = (tf.constant(RNG.standard_normal((PAIRS, DIM)), tf.float32) for _ in range(2))
TARGET = tf.constant([0.1, 0.9, 0.5, 0.5, 0.0, 0.7])
BATCH_TASKS = {"pearson": Pearson, "cosent": CoSent, "combinations": Combinations}
every_task = pytest.mark.parametrize("task", BATCH_TASKS.values(), ids=BATCH_TASKS)


def total_logs_and_gradients(tasks, first, second, target):
    """The sum, the logged means, and the gradients of the sum with respect to the embeddings of both elements."""
    videos = SimpleNamespace(num_frames=tf.ones(len(target), tf.int32))
    with tf.GradientTape() as tape:
        tape.watch([first, second])
        outputs = (VideoOutput(first, {}), VideoOutput(second, {}))
        total, logs = Objective(tasks).of_outputs(None, outputs, PairBatch(videos, videos, {"similarity": target}))
    return total, logs, tape.gradient(total, [first, second])


def similarity(dim=DIM):
    return losses.cosine(FIRST[:, :dim], SECOND[:, :dim])


def plain(task, s) -> float:
    """The loss of a task without weights and sums."""
    return float(task.of_batch(s, TARGET))


@every_task
def test_the_sum_is_that_of_2021_with_the_loss_for_the_mean(task):
    """Number of videos times number of pairs times weight times loss; the logged mean is over videos."""
    total, logs, _ = total_logs_and_gradients({"pair": task()}, FIRST, SECOND, TARGET)
    expected = task().weight * PAIRS * plain(task(), similarity())
    assert float(logs["pair"]) == pytest.approx(expected, rel=1e-5)
    assert float(total) == pytest.approx(2 * PAIRS * expected, rel=1e-5)


@every_task
def test_as_a_mean_it_is_the_loss(task):
    _, logs, _ = total_logs_and_gradients({"pair": task(summed=False, weight=1.0)}, FIRST, SECOND, TARGET)
    assert float(logs["pair"]) == pytest.approx(plain(task(), similarity()), rel=1e-5)


@pytest.mark.parametrize("make", [SquaredError, MeanSquaredError, *BATCH_TASKS.values()])
def test_first_numbers_of_embeddings_learn_as_all_do(make):
    """The mean of three; a dimension that is that of the embedding is no fourth."""
    alone = [
        total_logs_and_gradients({"pair": make()}, FIRST[:, :dim], SECOND[:, :dim], TARGET)[1]["pair"] for dim in (2, 3, DIM)
    ]
    for dims in ((2, 3), (2, 3, DIM)):
        _, logs, (gradient, _) = total_logs_and_gradients({"pair": make(dims=dims)}, FIRST, SECOND, TARGET)
        assert float(logs["pair"]) == pytest.approx(float(np.mean(alone)), rel=1e-5)
    of_all = total_logs_and_gradients({"pair": make()}, FIRST, SECOND, TARGET)[2][0]
    np.testing.assert_allclose(gradient[:, 3:], of_all[:, 3:] / 3, rtol=1e-4, atol=1e-6)  # which the other two do not read


@every_task
def test_two_replicas_learn_what_one_learns(task, two_replicas):
    """Loss and gradients of a batch that is dealt out as 4 and 2."""
    tasks = {"pair": task(dims=(2,))}
    _, logs, gradients = total_logs_and_gradients(tasks, FIRST, SECOND, TARGET)

    def part(context):
        rows = slice(0, 4) if context.replica_id_in_sync_group == 0 else slice(4, PAIRS)
        return FIRST[rows], SECOND[rows], TARGET[rows]

    dealt = two_replicas.experimental_distribute_values_from_function(part)
    step = tf.function(lambda: two_replicas.run(lambda given: total_logs_and_gradients(tasks, *given)[1:], args=(dealt,)))
    of_two, (first, second) = step()
    local = two_replicas.experimental_local_results
    assert sum(map(float, local(of_two["pair"]))) == pytest.approx(float(logs["pair"]), rel=1e-5)
    for ours, theirs in zip((first, second), gradients, strict=True):
        np.testing.assert_allclose(tf.concat(local(ours), 0), theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("pairs", [32, 128])
@pytest.mark.parametrize("noise", [0.1, 0.25, 0.5])
@every_task
def test_default_weights_keep_the_balance_with_the_tags(task, noise, pairs):
    """Gradients of the similarities are those of the sum of squared errors within a factor of 4, whatever the batch."""
    rng = np.random.default_rng(1)
    target = tf.constant(rng.permutation(pairs) / pairs, tf.float32)
    s = target + noise * tf.constant(rng.standard_normal(pairs), tf.float32)

    def size(loss) -> float:
        with tf.GradientTape() as tape:
            tape.watch(s)
            value = loss()
        return float(tf.reduce_sum(tf.abs(tape.gradient(value, s))))

    ours = size(lambda: task().weight * pairs * task().of_batch(s, target))
    assert 1 / 4 < ours / size(lambda: tf.reduce_sum(losses.squared_error(s, target))) < 4


# --- stages with another loss -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.MODELS)
def test_the_published_loss_is_what_it_was(name):
    stage = registry.preset(name).finetune
    assert with_pair_loss(stage) == stage


@pytest.mark.parametrize(("name", "summed"), [("uniter", True), ("qq_job1", False)])
@pytest.mark.parametrize("loss", PAIR_LOSSES)
def test_another_loss_takes_the_place_of_those_of_similarity_alone(name, summed, loss):
    published = registry.preset(name).finetune
    stage = with_pair_loss(published, loss, [64, 128])
    assert similarity_tasks(stage) == ["pair"] == [task for task in stage.tasks if task != "tag"]
    assert stage.tasks["pair"].dims == (64, 128)
    assert stage.tasks.get("tag") == published.tasks.get("tag")
    if loss == "mse":
        assert isinstance(stage.tasks["pair"], SquaredError if summed else MeanSquaredError)
        assert stage.replace(tasks=published.tasks) == published
    else:
        assert stage.tasks["pair"].type_name == loss and stage.tasks["pair"].summed == summed
        assert (stage.selection.metric, stage.selection.direction, stage.bucket_by_length) == ("spearman", "max", False)
        assert stage.selection.kept == published.selection.kept


@pytest.mark.parametrize("loss", BATCH_TASKS)
def test_a_batch_of_theirs_is_not_cut(loss):
    model, stage = toys.model("uniter"), with_pair_loss(toys.stage(batch_size=8), loss)
    stage.require_micro_batches(model, 1)
    with pytest.raises(UserError, match=r"accumulate=2: uniter needs the whole batch at once \(BatchNorm, a loss of all its ex"):
        stage.replace(accumulate=2).require_micro_batches(model, 1)


@pytest.mark.parametrize(
    ("dims", "message"),
    [
        ((0, 2), "dims=0,2: integers from 1 on"),
        ((3, 2), "dims=3,2: integers from 1 on are needed, each larger than the one before"),
        ((2, 2), "dims=2,2: integers from 1 on"),
    ],
)
def test_dimensions_that_make_no_sense(dims, message):
    with pytest.raises(UserError, match=message):
        SquaredError(dims=dims)


def test_dimensions_that_the_embedding_does_not_have():
    model = toys.model("uniter")
    CoSent(dims=(1, model.dim)).require_model(model)
    with pytest.raises(UserError, match=f"dims=1,{model.dim + 1}: the embedding of uniter has {model.dim} numbers, give no more"):
        CoSent(dims=(1, model.dim + 1)).require_model(model)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.inf, math.nan])
def test_scales_that_make_no_sense(scale):
    with pytest.raises(UserError, match="scale="):
        CoSent(scale=scale)


# --- a weight of 0 ----------------------------------------------------------------------------------------------------


class Broken(Tags, name="test_broken_tags"):
    """Tags that must not be looked at."""

    def loss(self, step):
        raise AssertionError


def test_a_loss_that_weighs_nothing_is_not_computed():
    total, logs, _ = total_logs_and_gradients({"mse": SquaredError(), "tag": Broken(weight=0.0)}, FIRST, SECOND, TARGET)
    alone, _, _ = total_logs_and_gradients({"mse": SquaredError()}, FIRST, SECOND, TARGET)
    assert float(total) == float(alone) and float(logs["tag"]) == 0
    with pytest.raises(AssertionError):
        total_logs_and_gradients({"tag": Broken()}, FIRST, SECOND, TARGET)


def test_a_stage_in_which_nothing_weighs_is_refused():
    with pytest.raises(UserError, match="tasks=mse, kl, tag: all have weight=0, nothing would be learned"):
        toys.stage(changes={f"tasks.{name}.weight": 0.0 for name in ("mse", "kl", "tag")})

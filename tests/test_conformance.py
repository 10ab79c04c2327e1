"""What every registered model must do, one test each, at the smallest size."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.config import Schedule
from vsim_tf.data.schema import PairBatch
from vsim_tf.embedding import Embedder
from vsim_tf.models import build_model
from vsim_tf.registry import MODELS
from vsim_tf.training.checkpoints import TrainingState, model_weights, newest_checkpoint, restore_weights
from vsim_tf.training.loop import Trainer
from vsim_tf.training.objectives import PairObjective, PretrainObjective, call_model
from vsim_tf.training.optimizers import GroupAdam
from vsim_tf.training.strategy import distribute

pytestmark = pytest.mark.parametrize("name", MODELS)
STAGES = pytest.mark.parametrize("stage", ["pretrain", "pair"])
TWO_CPUS = ["CPU:0", "CPU:1"]


def make_trainer(name, stage, strategy=None, rate=3e-3, seed=5, batch_size=8, dropout=0.0) -> Trainer:
    schedule = Schedule(peak=rate, warmup=0, horizon=100_000)
    config = toys.stage(batch_size=batch_size, encoder_schedule=schedule, head_schedule=schedule)
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        model = build_model(toys.model_config(name, dropout=dropout), pretraining=stage == "pretrain")
    return Trainer(model, PretrainObjective() if stage == "pretrain" else PairObjective(0.5), config, strategy)


def make_batch(trainer, size=8, seed=0):
    make = toys.random_batch if isinstance(trainer.objective, PretrainObjective) else toys.random_pair_batch
    return make(trainer.model.config, size, seed)


def first_rows(batch, count):
    return tf.nest.map_structure(lambda x: x[:count], batch)


def losses_of(trainer, batches) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in trainer.train_step(batch).items()} for batch in batches]


# --- saved and restored -----------------------------------------------------------------------------------------------

RESTORE = """
import sys, numpy as np, toys
from vsim_tf.embedding import Embedder
from vsim_tf.models import build_model
from vsim_tf.training.checkpoints import newest_checkpoint, restore_weights
from pathlib import Path
for name in sys.argv[2:]:
    model = build_model(toys.model_config(name))
    restore_weights(model, newest_checkpoint(Path(sys.argv[1], name), "last"))
    np.save(Path(sys.argv[1], name, "restored.npy"), Embedder(model).videos(toys.random_batch(model.config, 5)).numpy())
"""


@pytest.fixture(scope="module")
def restored(tmp_path_factory):
    """Folder with the embeddings of each model before it was saved, and after a fresh process restored it."""
    folder = tmp_path_factory.mktemp("saved")
    for name in MODELS:
        keras.utils.set_random_seed(len(name))
        model = build_model(toys.model_config(name), pretraining=True)
        for weight in model_weights(model).values():  # BatchNorm statistics are not 0 and 1 any more
            weight.assign(weight + 0.1 * tf.random.uniform(weight.shape))
        TrainingState(model, GroupAdam(model.optimizer_groups(), {})).save_last(folder / name)
        np.save(folder / name / "saved.npy", Embedder(model).videos(toys.random_batch(model.config, 5)).numpy())
    root = Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", RESTORE, str(folder), *MODELS],
        check=True, cwd=root, env={"PYTHONPATH": f"{root}:{root / 'tests'}", "TF_CPP_MIN_LOG_LEVEL": "2"}, timeout=120,
    )  # fmt: skip
    return folder


def test_a_fresh_process_restores_the_same_embeddings(name, restored):
    saved, again = (np.load(restored / name / f"{file}.npy") for file in ("saved", "restored"))
    np.testing.assert_array_equal(saved, again)
    assert saved.shape == (5, 8)
    assert saved.any(axis=1).all()  # a check of zeros would prove nothing


def test_restoring_undoes_any_change_of_weights(name, tmp_path):
    trainer = make_trainer(name, "pretrain")
    before = {key: value.numpy() for key, value in model_weights(trainer.model).items()}
    trainer.state.save_last(tmp_path)
    for value in model_weights(trainer.model).values():
        value.assign(value + 1)
    restore_weights(trainer.model, newest_checkpoint(tmp_path, "last"))
    for key, value in model_weights(trainer.model).items():
        np.testing.assert_array_equal(value, before[key], err_msg=key)


# --- inference --------------------------------------------------------------------------------------------------------


def close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


def test_eager_equals_compiled(name):
    model = build_model(toys.model_config(name))
    batch = toys.random_batch(model.config)
    close(Embedder(model).videos(batch), call_model(model, batch, training=False).embedding, 1e-6)


def test_batch_size_and_order_do_not_change_an_embedding(name):
    model = build_model(toys.model_config(name))
    embedder, batch = Embedder(model), toys.random_batch(model.config, 7)
    together = embedder.videos(batch).numpy()
    backwards = embedder.videos(tf.nest.map_structure(lambda x: x[::-1], batch)).numpy()[::-1]
    parts = [tf.nest.map_structure(lambda x, i=i: x[i : i + 3], batch) for i in range(0, 7, 3)]
    alone = np.concatenate([embedder.videos(part) for part in parts])
    close(backwards, together, 1e-5)
    close(alone, together, 1e-5)
    assert np.ptp(together, axis=0).max() > 1e-3  # videos differ at all


def test_padding_of_frames_does_not_change_an_embedding(name):
    """Positions behind the last frame repeat it in 2021's models; what stands in masked text positions is never read."""
    model = build_model(toys.model_config(name))
    batch = toys.random_batch(model.config, 5)
    other_ids = tf.where(batch.attention_mask == 1, batch.input_ids, 7)
    if model.config.pooling not in ("pooler", "cls"):
        pytest.skip("2021 pools over padding too")
    changed = Embedder(model).videos(batch._replace(input_ids=other_ids))
    close(changed, Embedder(model).videos(batch), 1e-5)


# --- training ---------------------------------------------------------------------------------------------------------


@STAGES
def test_two_replicas_equal_one(name, stage):
    """Losses and weights of three steps; synchronised BatchNorm computes the variance by another formula."""
    one = make_trainer(name, stage, rate=1e-3)
    two = make_trainer(name, stage, tf.distribute.MirroredStrategy(TWO_CPUS), rate=1e-3)
    batches = [make_batch(one, seed=seed) for seed in range(3)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=tf.nest.map_structure(tf.type_spec_from_value, batches[0])
    )
    expected, actual = losses_of(one, batches), losses_of(two, distribute(two.strategy, dataset, 8))
    for a, b in zip(actual, expected, strict=True):
        assert a.keys() == b.keys()
        close([a[k] for k in b], [b[k] for k in b], 2e-5)
    weights = model_weights(two.model)
    for key, value in model_weights(one.model).items():
        close(weights[key], value, 2e-4 if "centres" in key else 1e-4)
    assert one.state.step == two.state.step == 3


@STAGES
def test_mixed_precision_stays_finite_and_near(name, stage):
    exact = make_trainer(name, stage, dropout=0.1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    mixed = make_trainer(name, stage, dropout=0.1)
    batches = [make_batch(exact, seed=seed) for seed in range(4)]
    logs = losses_of(mixed, batches)
    assert all(np.isfinite(list(log.values())).all() for log in logs)
    for key, value in model_weights(mixed.model).items():
        assert value.dtype == tf.float32, key
        assert np.isfinite(value).all(), key
    videos = batches[0].first if isinstance(batches[0], PairBatch) else batches[0]
    output = call_model(mixed.model, videos, training=False)
    assert output.embedding.dtype == output.tag_logits.dtype == tf.float32
    assert mixed.model.encoder.compute_dtype == "bfloat16"
    assert logs[0]["loss"] == pytest.approx(losses_of(exact, batches[:1])[0]["loss"], rel=0.1)


@STAGES
def test_one_batch_can_be_overfitted(name, stage):
    trainer = make_trainer(name, stage, rate=1e-2, batch_size=4)
    batch = make_batch(trainer, 4)
    first = float(trainer.train_step(batch)["tag"])
    for _ in range(80):
        logs = trainer.train_step(batch)
    assert float(logs["tag"]) < 0.2 * first

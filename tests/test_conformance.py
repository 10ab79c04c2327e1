"""What every registered model must do, one test each, at the smallest size; some of the 1st place stand for all of its."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys
from tiers import slow_but

from vsim_tf.distributed.strategy import distribute
from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.decoding import decode
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.layers.linear_config import LinearConfig
from vsim_tf.losses import cosine
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.groups import grouped
from vsim_tf.presets import registry
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.runs.stage import Selection
from vsim_tf.runs.weights import model_weights
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.masked_frames import real_frames
from vsim_tf.tasks.objective import Objective
from vsim_tf.training.loop import Trainer

MODELS = (*toys.MODELS, "debug")
EVERY_MODEL = pytest.mark.parametrize("name", MODELS)
STAGES = ("pretrain", "finetune")


def make_trainer(name, stage, strategy=None, dropout=0.0, batch_size=8, recipe="2021") -> Trainer:
    training = toys.stage(of=(name, stage), rate=3e-3, batch_size=batch_size)
    strategy = strategy or tf.distribute.get_strategy()
    keras.utils.set_random_seed(5)
    with strategy.scope():
        network = build_network(toys.model(name, dropout=dropout, recipe=recipe), training.tasks.values())
    return Trainer(network, training, strategy)


def make_batch(name, stage, seed=0):
    make = toys.random_batch if stage == "pretrain" else toys.random_pair_batch
    return make(toys.model(name), 8, seed)


def losses_of(trainer, batches) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in trainer.train_step(batch).items()} for batch in batches]


# --- saved and restored -----------------------------------------------------------------------------------------------

RESTORE = """
import sys, numpy as np, toys
from pathlib import Path
from vsim_tf.models.build import build_network
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.forward import call_network
for name in sys.argv[2:]:
    model = build_network(toys.model(name))
    restore_weights(model, newest_checkpoint(Path(sys.argv[1], name), "last"))
    np.save(Path(sys.argv[1], name, "restored.npy"), call_network(model, toys.random_batch(model.config, 5), False).embedding)
"""


OTHERS = tuple(name for name in MODELS if name not in toys.QUICK_MODELS)


@pytest.fixture(scope="module", params=[toys.QUICK_MODELS, pytest.param(OTHERS, marks=pytest.mark.slow)], ids=" ".join)
def restored(request, tmp_path_factory):
    """For each model its embeddings before it was saved, and after a fresh process restored it."""
    folder = tmp_path_factory.mktemp("saved")
    for name in request.param:
        keras.utils.set_random_seed(len(name))
        model = build_network(toys.model(name), toys.tasks(name, "pretrain").values())
        for weight in model_weights(model).values():  # BatchNorm statistics are not 0 and 1 any more
            weight.assign(weight + 0.1 * tf.random.uniform(weight.shape))
        TrainingState(model, GroupAdam(grouped(model, registry.preset(name).pretrain.groups), {}), Selection()).save_last(
            folder / name
        )
        np.save(folder / name / "saved.npy", call_network(model, toys.random_batch(model.config, 5), False).embedding)
    root = Path(__file__).parents[1]
    subprocess.run(
        [sys.executable, "-c", RESTORE, str(folder), *request.param],
        check=True, cwd=root, env={"PYTHONPATH": f"{root}:{root / 'tests'}", "TF_CPP_MIN_LOG_LEVEL": "2"}, timeout=120,
    )  # fmt: skip
    return {name: [np.load(folder / name / f"{file}.npy") for file in ("saved", "restored")] for name in request.param}


def test_a_fresh_process_restores_the_same_embeddings(restored):
    for name, (saved, again) in restored.items():
        np.testing.assert_array_equal(saved, again, err_msg=name)
        assert saved.shape == (5, 8)
        assert saved.any(axis=1).all()  # a check of zeros would prove nothing


# --- inference --------------------------------------------------------------------------------------------------------


def close(actual, expected, tolerance):
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@EVERY_MODEL
def test_embeddings_do_not_depend_on_how_they_are_computed(name):
    """Compiled or not, in batches of another size, in another order."""
    model = toys.network(name)
    embedder, batch = Embedder(model), toys.random_batch(model.config, 7)
    batch = batch._replace(targets={"tags": batch.targets["tags"]})
    together = embedder.videos(batch).numpy()
    assert np.ptp(together, axis=0).max() > 1e-3  # videos differ at all
    close(together, call_network(model, batch, training=False).embedding, 1e-6)
    backwards = embedder.videos(tf.nest.map_structure(lambda x: x[::-1], batch)).numpy()[::-1]
    parts = [tf.nest.map_structure(lambda x, i=i: x[i : i + 3], batch) for i in range(0, 7, 3)]
    close(backwards, together, 1e-5)
    close(np.concatenate([embedder.videos(part) for part in parts]), together, 1e-5)


VARIANTS = [(name, {"recipe": recipe}) for name in toys.RANK_4 for recipe in ("2021", "plus")]
VARIANTS += [(name, {"recipe": "plus"}) for name in toys.JOBS]  # without it they trim nothing
VARIANTS += [(name, {"pooling": pooling}) for name in ("uniter", "uniter_roformer") for pooling in ("cls", "max")]
VARIANTS += [("uniter", {"frames.padding": "zeros", "recipe": recipe}) for recipe in ("2021", "plus")]
VARIANTS += [(name, {"linear": LinearConfig(buckets=11).to_dict(), "recipe": "plus"}) for name in ("uniter", "mix_nextvlad")]
QUICK_VARIANTS = [(name, {"recipe": "plus"}) for name in toys.QUICK_MODELS] + [("uniter_roformer", {"pooling": "max"})]


@pytest.mark.parametrize(("name", "overrides"), slow_but(QUICK_VARIANTS, VARIANTS), ids=str)
def test_trimmed_batches_give_the_same(name, overrides, tmp_path):
    """Embeddings, loss and gradients, of videos sorted by length and of all lengths from none to more than fit."""
    config = toys.model(name, dropout=0.0, **overrides)
    trimmed = batch_format(config, toys.TOKENIZERS[config.encoder.kind], toys.TAGS)
    padded = dataclasses.replace(trimmed, trim_text=False, trim_frames=False)
    file = toys.write_records(tmp_path / "records", toys.random_videos(40))
    embedder = Embedder(build_network(config))
    expected, actual = (embedder.embed(numbered_batches([file], "videos", form, 4)) for form in (padded, trimmed))
    assert actual.ids == expected.ids
    close(actual.values, expected.values, 1e-5)
    assert embedder.videos.experimental_get_tracing_count() == 1
    shortest = sorted(toys.random_videos(40), key=len)[:4]
    batches = [parse_videos(shortest, form) for form in (padded, trimmed)]
    assert batches[1].frames.shape[1] < toys.FRAMES or not trimmed.trim_frames
    for one, other in zip(*(loss_and_gradients(config, batch) for batch in batches), strict=True):
        close(other, one, 1e-5)


def parse_videos(records, form):
    """A batch of records, every token of which but [CLS] is to be predicted, and every frame."""
    batch = tf.nest.map_structure(tf.constant, decode(records, str, "videos", form))
    predicted = (batch.attention_mask == 1) & (tf.range(batch.input_ids.shape[1]) > 0)
    tokens = {"tokens": tf.where(predicted, batch.input_ids, IGNORED_TOKEN)}
    return batch._replace(targets=batch.targets | tokens | {"frames": batch.frames, "masked_frames": real_frames(batch)})


def loss_and_gradients(config, batch) -> list:
    keras.utils.set_random_seed(5)
    tasks = toys.tasks(config.name, "pretrain")
    model = build_network(config, tasks.values())
    with tf.GradientTape() as tape:
        total, _ = Objective(tasks)(model, batch)
    gradients = tape.gradient(total, model.trainable_variables)
    return [total, *(tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None)]


# --- training ---------------------------------------------------------------------------------------------------------


QUICK_CASES = ["mix_nextvlad-pretrain", "qq_job4-pretrain"]
CASES = [f"{name}-{stage}" for stage in STAGES for name in MODELS]


@pytest.fixture(scope="module", params=slow_but(QUICK_CASES, CASES))
def case(request):
    """Name, stage and trainer without dropout."""
    name, stage = request.param.split("-")
    return name, stage, make_trainer(name, stage)


def test_two_replicas_equal_one(case, two_replicas):
    assert_two_replicas_equal_one(*case, two_replicas)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if name != "uniter"])
def test_two_replicas_that_ignore_padding_equal_one(name, two_replicas):
    assert_two_replicas_equal_one(name, "pretrain", make_trainer(name, "pretrain", recipe="plus"), two_replicas, "plus")


def assert_two_replicas_equal_one(name, stage, one, two_replicas, recipe="2021"):
    """Losses and weights of three steps; synchronised BatchNorm computes the variance by another formula."""
    two = make_trainer(name, stage, two_replicas, recipe=recipe)
    batches = [make_batch(name, stage, seed) for seed in range(3)]
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(batches), output_signature=tf.nest.map_structure(tf.type_spec_from_value, batches[0])
    )
    one.state.reset()
    expected, actual = losses_of(one, batches), losses_of(two, distribute(two.strategy, lambda rows: dataset, 8))
    for a, b in zip(actual, expected, strict=True):
        assert a.keys() == b.keys()
        close([a[k] for k in b], [b[k] for k in b], 1e-5)
    weights = model_weights(two.network)
    for key, value in model_weights(one.network).items():
        first, second = two_replicas.experimental_local_results(weights[key])
        np.testing.assert_array_equal(first, second, err_msg=key)
        close(first, value, 5e-4)  # six times less than one step: Adam turns rounding of a gradient near 0 into a part of a step
    assert one.state.step == two.state.step == 3


def test_one_batch_can_be_overfitted(case):
    name, stage, trainer = case
    batch = make_batch(name, stage)
    trainer.state.reset()
    first = trainer.train_step(batch)
    for _ in range(300):
        logs = trainer.train_step(batch)
    factors = {key: float(logs[key] / first[key]) for key in ("tag", "mlm", "mfm", "mse") if key in logs}
    assert max(factors.values()) < 0.5, factors


@pytest.mark.parametrize("name", slow_but(["mix_nextvlad"], MODELS))
def test_mixed_precision_stays_finite_and_near(name):
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = make_trainer(name, "pretrain", dropout=0.1)
    logs = losses_of(trainer, [make_batch(name, "pretrain", seed) for seed in range(4)])
    assert all(np.isfinite(list(log.values())).all() for log in logs)
    weights = model_weights(trainer.network)
    for key, value in weights.items():
        assert value.dtype == tf.float32, key
        assert np.isfinite(value).all(), key
    batch = make_batch(name, "pretrain")
    output = call_network(trainer.network, batch, training=False)
    assert output.embedding.dtype == output.logits["tags"].dtype == tf.float32
    assert trainer.network.encoder.compute_dtype == "bfloat16"

    keras.config.set_dtype_policy("float32")
    exact = build_network(trainer.network.config, toys.tasks(name, "pretrain").values())
    for key, value in model_weights(exact).items():
        value.assign(weights[key])
    expected = call_network(exact, batch, training=False)
    assert tf.reduce_min(cosine(output.embedding, expected.embedding)) > 0.99
    assert tf.reduce_max(tf.abs(output.logits["tags"] - expected.logits["tags"])) > 0

"""The package is extended from outside: each class below is all that a new part needs.

Every one of them trains for two steps on two replicas, is saved, restored by its name in config.json, and embeds.
"""

import math
from typing import ClassVar

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys
from keras import ops
from tiers import slow_but

from vsim_tf import losses
from vsim_tf.inference.embed_files import load_embedder
from vsim_tf.inference.exporters import Exporter, exporter_of
from vsim_tf.input.pipeline import TrainingData, numbered_batches
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.normalize import l2_normalize
from vsim_tf.models.frame_embeddings import FrameEmbedding
from vsim_tf.models.layouts import Layout
from vsim_tf.models.pooling import PaddedPooling
from vsim_tf.models.projections import Projection
from vsim_tf.models.sequence import Sequence, joined
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.schedules import Schedule
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.run_folder import RunFolder, RunSettings, batch_format, prepare_run_folder
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.task import Step, Task
from vsim_tf.training.pretraining import make_trainer

# --- a pooling with weights -------------------------------------------------------------------------------------------


class AttentionPooling(PaddedPooling, name="test_attention"):
    """Σ a·h with a = softmax(wᵀh + log count)."""

    padding: bool = True

    def build(self, encoder):
        return AttentionPool(name="attention_pool")


class AttentionPool(keras.layers.Layer):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.score = keras.layers.Dense(1, name="score")

    def call(self, states, counts):
        attention = ops.softmax(self.score(states)[..., 0] + ops.log(counts + 1e-9), axis=1)
        return ops.sum(attention[..., None] * states, axis=1)


# --- a task with a second forward pass --------------------------------------------------------------------------------


class TextAlone(Task, name="test_text_alone"):
    """1 − cosine of the embedding with that of the title alone."""

    def loss(self, step: Step):
        (output,), batch = step.outputs, step.batch
        blind = batch._replace(frames=tf.zeros_like(batch.frames), num_frames=tf.zeros_like(batch.num_frames))
        alone = call_network(step.network, blind, step.training)
        return ops.sum(1 - losses.cosine(output.embedding, alone.embedding))


# --- a layout, and a frame block with positions -----------------------------------------------------------------------


class FramesFirst(Layout, name="test_frames_first"):
    """Frames, then [CLS] title [SEP]."""

    def __call__(self, text: Sequence, frames: Sequence, text_length: int, max_frames: int) -> Sequence:
        return joined(frames, text, max_frames)


class PositionedFrames(FrameEmbedding, name="test_positioned"):
    """Dense + position → LayerNorm."""

    has_positions: ClassVar[bool] = True
    limit: int = 8

    def build(self, encoder: EncoderConfig):
        return FrameBlock(encoder.hidden_size, self.limit, name="frame_block")


class FrameBlock(keras.layers.Layer):
    def __init__(self, hidden_size, limit, **kwargs):
        super().__init__(**kwargs)
        self.dense, self.norm = keras.layers.Dense(hidden_size, name="dense"), keras.layers.LayerNormalization(name="norm")
        self.position = keras.layers.Embedding(limit, hidden_size, name="position")

    def call(self, frames):
        return self.norm(self.dense(frames) + self.position(ops.arange(ops.shape(frames)[1])))


# --- a projection, and a tag head ---------------------------------------------------------------------------------------


class UnitPool(Projection, name="test_unit_pool"):
    """Pooling, scaling to unit norm, then Dense."""

    def dense(self, size: int, hidden_size: int):
        return keras.layers.Dense(size, name="fc")

    def state_size(self, size: int, hidden_size: int) -> int:
        return hidden_size

    def __call__(self, dense, pool, sequence: Sequence):
        return sequence, dense(l2_normalize(pool(sequence)))


class SquaredTags(TagHead, name="test_squared"):
    """The embedding, and its squares."""

    def features(self, sequence: Sequence, embedding):
        return ops.concatenate([embedding, embedding**2], axis=-1)


# --- a schedule, an average of weights, a gradient method, an exporter ----------------------------------------------


class Cosine(Schedule, name="test_cosine"):
    """Half a cosine from the peak to 0 at the horizon."""

    horizon: int

    def rate(self, step):
        share = ops.minimum(ops.cast(step, "float32") / self.horizon, 1.0)
        return self.peak * 0.5 * (1 + ops.cos(math.pi * share))


class MovingAverage(WeightAverage, name="test_ema"):
    """a ← decay·a + (1 − decay)·w."""

    decay: float = 0.75

    def update(self, average, weight, step):
        return self.decay * average + (1 - self.decay) * weight


class TwoPasses(GradientMethod, name="test_two_passes"):
    """The mean gradient of two passes with other dropout."""

    def gradients(self, compute, network, variables):
        (logs, first), (_, second) = compute(), compute()
        return logs, [None if a is None else (a + b) / 2 for a, b in zip(map(dense, first), map(dense, second), strict=True)]


def dense(gradient):
    return None if gradient is None else tf.convert_to_tensor(gradient)


class TabSeparated(Exporter, name="test_tsv"):
    """One video a line: id and numbers."""

    ending: ClassVar[str] = ".tsv"

    def write(self, path, embeddings: Embeddings) -> None:
        rows = zip(embeddings.ids, embeddings.values, strict=True)
        path.write_text("".join("\t".join([video, *map(str, row)]) + "\n" for video, row in rows), encoding="utf-8")


MODEL, STAGE = "model", "stage"
EXTENSIONS = {
    "pooling": {MODEL: {"pooling": "test_attention"}},
    "pooling without padding": {MODEL: {"pooling": {"type": "test_attention", "padding": False}, "pack": True}},
    "task": {STAGE: {"tasks": {"tag": {"type": "tags"}, "alone": {"type": "test_text_alone", "weight": 0.5}}}},
    "layout and frame block": {MODEL: {"layout": "test_frames_first", "frame_embedding": "test_positioned"}},
    "projection and tag head": {MODEL: {"projection": "test_unit_pool"}, STAGE: {"tasks.tag.head": "test_squared"}},
    "schedule": {STAGE: {"groups.head.schedule": {"type": "test_cosine", "peak": 1e-2, "horizon": 4}}},
    "average": {STAGE: {"average": "test_ema"}},
    "gradient method": {STAGE: {"gradient_method": "test_two_passes"}},
}


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return toys.write_records(tmp_path_factory.mktemp("records") / "videos", toys.random_videos(23))


def trained(extension, folder, records, strategy):
    """A run of two steps in a folder, and its trainer."""
    changes = EXTENSIONS[extension]
    model = toys.model("uniter", changes.get(MODEL))
    stage = toys.stage(2, ("uniter", "pretrain"), rate=1e-2, changes=changes.get(STAGE), eval_every=1)
    form = batch_format(model, toys.TOKENIZERS["bert"], toys.TAGS)
    settings = RunSettings("pretrain", model, stage, form.tokenizer, form.tags, {})
    prepare_run_folder(folder, settings, overwrite=False)
    corruptions = [task.corrupt for task in stage.tasks.values()]
    data = TrainingData([records], "videos", form, stage.batch_size, stage.seed, corruptions)
    trainer = make_trainer(model, stage, strategy)
    scores = iter([0.1, 0.3, 0.2])
    summary = trainer.run(folder, data.batches, lambda: {"spearman": next(scores)}, lambda: None, "test")
    assert (summary["step"], summary["best_step"]) == (2, 1)
    return trainer


QUICK = ("pooling", "task", "layout and frame block", "schedule", "average")


@pytest.mark.parametrize("extension", slow_but(QUICK, EXTENSIONS))
def test_it_trains_on_two_replicas_and_comes_back(extension, two_replicas, records, tmp_path):
    trainer = trained(extension, tmp_path, records, two_replicas)
    assert RunFolder.open(tmp_path).model == trainer.network.config
    assert RunFolder.open(tmp_path).training == trainer.stage
    embedder, form = load_embedder(tmp_path, "float32")
    restore_weights(embedder.model, newest_checkpoint(tmp_path, "last"))
    ours = embedder.embed(numbered_batches([records], "videos", form, 5))
    with trainer.state.averaged():
        for name, weight in trainer.state.weights.items():
            if name in embedder.model.weights_by_name():
                np.testing.assert_array_equal(embedder.model.weights_by_name()[name], weight, err_msg=name)
    assert np.isfinite(ours.values).all() and np.ptp(ours.values, axis=0).any()


def test_an_average_follows_the_weights(two_replicas, records, tmp_path):
    """a₂ = 0.75·(0.75·w₀ + 0.25·w₁) + 0.25·w₂; w₁ is seen by its part of the average."""
    trainer = trained("average", tmp_path, records, two_replicas)
    name = "fc/kernel"
    first = trainer.state._initial[list(trainer.state.weights).index(name)][1]
    best = tf.train.load_checkpoint(newest_checkpoint(tmp_path, "best")).get_tensor(
        f"weights/{name.replace('/', '.S')}/.ATTRIBUTES/VARIABLE_VALUE"
    )
    last, average = trainer.state.weights[name].numpy(), trainer.state.averages[name].numpy()
    np.testing.assert_allclose(average, 0.75 * best + 0.25 * last, rtol=1e-5, atol=1e-7)
    assert np.abs(best - first).max() > 0


def test_an_exporter_is_chosen_by_the_ending_of_a_file(tmp_path):
    embeddings = Embeddings(["a", "b"], np.float32([[1, 2], [3, 4]]))
    exporter_of(tmp_path / "embeddings.tsv").write(tmp_path / "embeddings.tsv", embeddings)
    assert (tmp_path / "embeddings.tsv").read_text() == "a\t1.0\t2.0\nb\t3.0\t4.0\n"

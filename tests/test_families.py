"""Every registered entry of every family: it survives JSON, trims exactly, stays finite in mixed precision, and is restored."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys

from vsim_tf.inference.exporters import Exporter
from vsim_tf.input.decoding import decode
from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.models.frame_embeddings import FrameEmbedding
from vsim_tf.models.layouts import Layout
from vsim_tf.models.pooling import Pooling
from vsim_tf.models.projections import Projection
from vsim_tf.models.tag_heads import TagHead
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.schedules import Schedule
from vsim_tf.presets.pair_losses import similarity_tasks, with_pair_loss
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.runs.stage import Stage
from vsim_tf.runs.weights import restore_weights
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.task import Task
from vsim_tf.training.loop import Trainer

PRETRAIN, FINETUNE, STAGE = "pretrain", "finetune", "stage"
BATCH = 8  # the smallest in which no part of a batch is empty
COSINE = {"type": "cosine", "peak": 1e-3, "warmup": 0, "horizon": 100}
MATCHING = {"tag": {"type": "mean_tags", "head": "relu_cls"}, "itm": {"type": "matching"}}


def pair_tasks(loss, dims=()) -> dict:
    """Tasks of a fine-tuning with another loss of similarities, as JSON has them."""
    stage = with_pair_loss(toys.stage(), loss, dims)
    return {name: task.to_dict() for name, task in stage.tasks.items()}


CASES = {  # model, stage, changes of the model, changes of the stage
    "roformer": ("uniter_roformer", PRETRAIN, {}, {}),
    "uniter": ("uniter", PRETRAIN, {}, {}),
    "uniter of pairs": ("uniter", FINETUNE, {}, {}),
    "maximum": ("uniter", FINETUNE, {"pooling": "max"}, {}),
    "first state": ("uniter", FINETUNE, {"pooling": "cls"}, {}),
    "asymmetric": ("uniter_asl", FINETUNE, {}, {}),
    "mixture": ("mix_nextvlad", PRETRAIN, {}, {}),
    "mixture of pairs": ("mix_nextvlad", FINETUNE, {}, {}),
    "job 1": ("qq_job1", PRETRAIN, {"pooling.padding": False}, {}),
    "job 1 with matching": ("qq_job1", PRETRAIN, {"pack": True, "pooling.padding": False}, {"tasks": MATCHING}),
    "job 2": ("qq_job2", PRETRAIN, {"pack": True, "pooling.padding": False}, {"groups.head.schedule": COSINE}),
    "correlation": ("uniter", FINETUNE, {}, {"tasks": pair_tasks("pearson")}),
    "order": ("uniter_roformer", FINETUNE, {}, {"tasks": pair_tasks("cosent", [2, 5])}),
    "order of mixtures": ("mix_nextvlad", FINETUNE, {}, {"tasks": pair_tasks("combinations")}),
    "job 4 of pairs": ("qq_job4", FINETUNE, {"pooling.padding": False}, {}),
    "single stream": ("wbdc_single", STAGE, {"pooling.padding": False}, {}),
    "dual encoder": ("wbdc_clip", STAGE, {"pooling.padding": False}, {"gradient_method": "awp"}),
    "classes by FGM": ("wbdc_1", STAGE, {"pooling.padding": False, "pack": True}, {}),
    "classes of two streams": ("wbdc_3", STAGE, {"pooling.padding": False}, {"gradient_method": "pgd"}),
}
ROWS = {  # (family, entry): case
    (Model, "single_stream"): "roformer",
    (Model, "mix_nextvlad"): "mixture",
    (Layout, "text_first"): "uniter",
    (Layout, "cls_first"): "job 1",
    (Layout, "frames_first"): "job 2",
    (FrameEmbedding, "dense"): "uniter",
    (FrameEmbedding, "embedding_block"): "job 1",
    (Pooling, "mean"): "uniter of pairs",
    (Pooling, "max"): "maximum",
    (Pooling, "cls"): "first state",
    (Pooling, "pooler"): "mixture of pairs",
    (Pooling, "attention"): "job 4 of pairs",
    (Projection, "states"): "uniter",
    (Projection, "pooled"): "job 1",
    (TagHead, "embedding"): "uniter",
    (TagHead, "relu_embedding"): "job 2",
    (TagHead, "relu_cls"): "job 1",
    (Task, "tags"): "asymmetric",
    (Task, "mean_tags"): "job 1",
    (Task, "masked_tokens"): "uniter",
    (Task, "masked_frames"): "job 1",
    (Task, "matching"): "job 1 with matching",
    (Task, "expert_tags"): "mixture",
    (Task, "mixture_regulariser"): "mixture",
    (Task, "contrast"): "mixture",
    (Task, "squared_error"): "uniter of pairs",
    (Task, "similarity_divergence"): "uniter of pairs",
    (Task, "mean_squared_error"): "job 4 of pairs",
    (Task, "pearson"): "correlation",
    (Task, "cosent"): "order",
    (Task, "combinations"): "order of mixtures",
    (Schedule, "linear"): "uniter of pairs",
    (Schedule, "cosine"): "job 2",
    (Model, "two_stream"): "classes of two streams",
    (Model, "dual_encoder"): "dual encoder",
    (Projection, "none"): "single stream",
    (Task, "hidden_text"): "single stream",
    (Task, "hidden_frames"): "single stream",
    (Task, "masked_slots"): "single stream",
    (Task, "joint_contrast"): "single stream",
    (Task, "scaled_contrast"): "dual encoder",
    (Task, "classes"): "classes by FGM",
    (GradientMethod, "fgm"): "classes by FGM",
    (GradientMethod, "pgd"): "classes of two streams",
    (GradientMethod, "awp"): "dual encoder",
    (WeightAverage, "ema"): "classes by FGM",
}
ELSEWHERE = {(Exporter, "submission"), (Exporter, "npz")}
"""Entries without a network: tests/inference/test_exporters.py."""
FAMILIES = (
    Model, Layout, FrameEmbedding, Pooling, Projection, TagHead, Task, Schedule, WeightAverage, GradientMethod, Exporter,
)  # fmt: skip


def entries(family) -> set:
    """Entries that the package defines; tests define others."""
    return {(family, name) for name, entry in family.entries.items() if entry.__module__.startswith("vsim_tf.")}


def test_every_entry_has_a_row():
    assert set().union(*map(entries, FAMILIES)) == ROWS.keys() | ELSEWHERE


def made(case) -> tuple[Model, Stage]:
    """Model and stage of a case."""
    name, kind, of_model, of_stage = CASES[case]
    return toys.model(name, of_model, dropout=0.1), toys.stage(of=(name, kind), changes=of_stage, batch_size=BATCH)


@pytest.fixture(params=CASES)
def row(request):
    """Model and stage of each case."""
    return made(request.param)


@pytest.mark.parametrize(("family", "entry"), ROWS, ids=lambda value: value if isinstance(value, str) else value.__name__)
def test_the_case_of_an_entry_has_it(family, entry):
    assert any(uses(component, family, entry) for component in made(ROWS[family, entry]))


def uses(component, family, entry) -> bool:
    values = (component, *component.paths().values())
    return any(isinstance(value, family) and value.type_name == entry for value in values)


def batch_of(model, stage):
    if model.name.startswith("wbdc"):
        return toy_short_videos.training_batch(model, stage.tasks, BATCH)
    make = toys.random_pair_batch if similarity_tasks(stage) else toys.random_batch
    return make(model, BATCH)


def records_of(model) -> list[bytes]:
    if model.name.startswith("wbdc"):
        return toy_short_videos.short_videos(40, pictures=model.tower is not None)
    return toys.random_videos(40)


def test_it_survives_json(row):
    for component, kind in zip(row, (Model, Stage), strict=True):
        assert kind.from_dict(json.loads(json.dumps(component.to_dict(), allow_nan=False))) == component


def test_a_step_in_mixed_precision_stays_finite(row):
    model, stage = row
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = Trainer(build_network(model, stage.tasks.values()), stage, tf.distribute.get_strategy())
    logs = trainer.compiled_step.python_function(batch_of(model, stage))
    assert all(np.isfinite(float(value)) for value in logs.values()), logs
    assert {name for name in logs if not name.startswith(("gradient_norm", "gate/"))} == {"loss", *stage.tasks}
    assert not trainer.state.broken_weights()


def test_trimmed_batches_give_the_same_and_weights_come_back(row, tmp_path):
    model, stage = row
    network = build_network(model, stage.tasks.values())
    trimmed = batch_format(model, toys.TOKENIZERS[model.encoder.kind], toys.TAGS)
    padded = dataclasses.replace(trimmed, trim_text=False, trim_frames=False)
    shortest = sorted(records_of(model), key=len)[:4]
    batches = [tf.nest.map_structure(tf.constant, decode(shortest, str, "videos", form)) for form in (padded, trimmed)]
    whole, cut = (call_network(network, batch, training=False).embedding for batch in batches)
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)
    TrainingState(network, GroupAdam({}, {}), stage.selection).save_last(tmp_path)
    again = build_network(model)
    restore_weights(again, newest_checkpoint(tmp_path, "last"))
    np.testing.assert_array_equal(call_network(again, batches[0], training=False).embedding, whole)

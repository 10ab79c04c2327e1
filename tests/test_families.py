"""Every registered entry of every family: it survives JSON, trims exactly, stays finite in mixed precision, and is restored."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.inference.exporters import Exporter
from vsim_tf.input.decoding import decode
from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.models.frame_embeddings import FrameEmbedding
from vsim_tf.models.layouts import Layout
from vsim_tf.models.pooling import Pooling
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.optim.gradients import GradientMethod
from vsim_tf.optim.schedules import Schedule
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.checkpoints import TrainingState, restore_weights
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.task import Task
from vsim_tf.training.loop import Trainer

PRETRAIN, FINETUNE = "pretrain", "finetune"
ROWS = {  # (family, entry): (model, stage, changes of the model)
    (Model, "single_stream"): ("uniter_roformer", PRETRAIN, {}),
    (Model, "mix_nextvlad"): ("mix_nextvlad", PRETRAIN, {}),
    (Layout, "text_first"): ("uniter", PRETRAIN, {"layout": "text_first"}),
    (FrameEmbedding, "dense"): ("uniter", PRETRAIN, {"frame_embedding": "dense"}),
    (Pooling, "mean"): ("uniter", FINETUNE, {"pooling": "mean"}),
    (Pooling, "max"): ("uniter", FINETUNE, {"pooling": "max"}),
    (Pooling, "cls"): ("uniter", FINETUNE, {"pooling": "cls"}),
    (Pooling, "pooler"): ("mix_nextvlad", FINETUNE, {"text_pooling": "pooler"}),
    (Task, "tags"): ("uniter_asl", FINETUNE, {}),
    (Task, "masked_tokens"): ("uniter", PRETRAIN, {}),
    (Task, "expert_tags"): ("mix_nextvlad", PRETRAIN, {}),
    (Task, "mixture_regulariser"): ("mix_nextvlad", PRETRAIN, {}),
    (Task, "contrast"): ("mix_nextvlad", PRETRAIN, {}),
    (Task, "squared_error"): ("uniter", FINETUNE, {}),
    (Task, "similarity_divergence"): ("uniter", FINETUNE, {}),
    (Schedule, "linear"): ("uniter", FINETUNE, {}),
}
ELSEWHERE = {(Exporter, "submission"), (Exporter, "npz")}
"""Entries without a network: tests/inference/test_exporters.py."""
FAMILIES = (Model, Layout, FrameEmbedding, Pooling, Task, Schedule, WeightAverage, GradientMethod, Exporter)


def entries(family) -> set:
    """Entries that the package defines; tests define others."""
    return {(family, name) for name, entry in family.entries.items() if entry.__module__.startswith("vsim_tf.")}


def test_every_entry_has_a_row():
    assert set().union(*map(entries, FAMILIES)) == ROWS.keys() | ELSEWHERE


@pytest.fixture(params=ROWS, ids=lambda row: f"{row[0].__name__}-{row[1]}")
def row(request):
    """Entry, model and stage; the entry is in one of them."""
    (family, entry), (name, kind, changes) = request.param, ROWS[request.param]
    model, stage = toys.model(name, changes, dropout=0.1), toys.stage(of=(name, kind), batch_size=6)
    assert uses(model, family, entry) or uses(stage, family, entry)
    return model, stage


def uses(component, family, entry) -> bool:
    values = (component, *component.paths().values())
    return any(isinstance(value, family) and value.type_name == entry for value in values)


def test_it_survives_json(row):
    for component, kind in zip(row, (Model, Stage), strict=True):
        assert kind.from_dict(json.loads(json.dumps(component.to_dict(), allow_nan=False))) == component


def test_a_step_in_mixed_precision_stays_finite(row):
    model, stage = row
    keras.config.set_dtype_policy("mixed_bfloat16")
    trainer = Trainer(build_network(model, stage.tasks.values()), stage, tf.distribute.get_strategy())
    make = (
        toys.random_batch if "squared_error" not in {task.type_name for task in stage.tasks.values()} else toys.random_pair_batch
    )
    logs = trainer.compiled_step.python_function(make(model, 6))
    assert all(np.isfinite(float(value)) for value in logs.values()), logs
    assert logs.keys() == {"loss", *stage.tasks}
    assert not trainer.state.broken_weights()


def test_trimmed_batches_give_the_same_and_weights_come_back(row, tmp_path):
    model, stage = row
    network = build_network(model, stage.tasks.values())
    trimmed = batch_format(model, toys.TOKENIZERS[model.encoder.kind], toys.TAGS)
    padded = dataclasses.replace(trimmed, trim_text=False, trim_frames=False)
    shortest = sorted(toys.random_videos(40), key=len)[:4]
    batches = [tf.nest.map_structure(tf.constant, decode(shortest, str, "videos", form)) for form in (padded, trimmed)]
    whole, cut = (call_network(network, batch, training=False).embedding for batch in batches)
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)
    TrainingState(network, GroupAdam({}, {}), stage.selection).save_last(tmp_path)
    again = build_network(model)
    restore_weights(again, newest_checkpoint(tmp_path, "last"))
    np.testing.assert_array_equal(call_network(again, batches[0], training=False).embedding, whole)

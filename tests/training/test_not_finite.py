"""A frame, a weight or a logit that is NaN or inf stops a run at the next log line; the last good state is kept."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.errors import UserError
from vsim_tf.input.pipeline import TrainingData
from vsim_tf.runs.checkpoint_files import newest_checkpoint, saved_checkpoints
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.training.pretraining import make_trainer

BAD_STEP, NOTICED = 3, 4  # bad in the update after 3; the log is written every other step
KINDS = {"uniter": ("pretrain", "videos", toys.random_videos), "mix_nextvlad": ("finetune", "pairs", toys.random_pairs)}


class SpoiltLogits:
    """An objective for which one tag logit of the first video is NaN, once so many updates are complete."""

    def __init__(self, objective):
        self.objective, self.step = objective, None
        self.global_batch = objective.global_batch

    def __call__(self, model, batch, world=None):
        first, *others = (call_network(model, video, True) for video in batch.elements)
        return self.objective.of_outputs(model, (self.spoilt(first), *others), batch, world)

    def spoilt(self, output):
        one_hot = tf.one_hot([0], tf.size(output.logits["tags"]), on_value=math.nan)
        bad = tf.where(self.step >= BAD_STEP, tf.reshape(one_hot, tf.shape(output.logits["tags"])), 0.0)
        return output._replace(logits={"tags": output.logits["tags"] + bad})


def spoil_frame(trainer, data):
    def spoil(step, batch):
        def one_value(frames):
            bad = tf.where(step >= BAD_STEP, tf.constant(math.nan, tf.float16), tf.constant(0, tf.float16))
            return tf.tensor_scatter_nd_add(frames, [[1, 0, 2]], [bad])

        return tf.nest.map_structure(lambda x: one_value(x) if x.dtype == tf.float16 else x, batch)

    return lambda start, rows: data.batches(start, rows).enumerate(start).map(spoil)


def spoil_weight(trainer, data):
    name = "encoder/embedding/word" if "encoder/embedding/word" in trainer.state.weights else next(iter(trainer.state.weights))
    weight = trainer.state.weights[name]
    step = trainer.train_step

    def spoiling_step(batch):
        logs = step(batch)
        if trainer.state.step == BAD_STEP:
            weight.assign(tf.tensor_scatter_nd_update(weight, [[0] * len(weight.shape)], [math.nan]))
        return logs

    trainer.train_step = spoiling_step
    return data.batches


def spoil_logit(trainer, data):
    trainer.objective = SpoiltLogits(trainer.objective)
    trainer.objective.step = trainer.state.step
    return data.batches


SPOILS = {"frame": spoil_frame, "weight": spoil_weight, "logit": spoil_logit}


@pytest.mark.parametrize("precision", ["float32", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("name", "what"),
    [
        *(("uniter", what) for what in SPOILS),
        *(pytest.param("mix_nextvlad", what, marks=pytest.mark.slow) for what in SPOILS),
    ],
)
def test_the_run_stops_within_one_log_interval(name, what, precision, tmp_path):
    stage_kind, kind, make = KINDS[name]
    stage = toys.stage(8, (name, stage_kind), eval_every=100, log_every=2, precision=precision)
    file = toys.write_records(tmp_path / "records", make(23))
    data = TrainingData(
        [file],
        kind,
        toys.batch_format(),
        stage.batch_size,
        stage.seed,
        corruptions=[MaskedTokens().corrupt] if kind == "videos" else [],
    )
    trainer = make_trainer(toys.model(name), stage, tf.distribute.get_strategy())
    batches = SPOILS[what](trainer, data)
    message = (
        rf"'[\w/]+' is (nan|not finite) at step {NOTICED}; the state of the last evaluation is kept.*groups.head.schedule.peak"
    )
    with pytest.raises(UserError, match=message):
        trainer.run(tmp_path, batches, lambda: {"spearman": 0.5}, lambda: None, "test")
    assert [path.name for path in saved_checkpoints(tmp_path, "last")] == ["ckpt-0"]
    reader = tf.train.load_checkpoint(newest_checkpoint(tmp_path, "last"))
    shapes = [key for key in reader.get_variable_to_shape_map() if key.startswith(("weights/", "slots/"))]
    assert all(np.isfinite(reader.get_tensor(key)).all() for key in shapes)
    assert "NaN" not in Path(tmp_path / "metrics.jsonl").read_text()

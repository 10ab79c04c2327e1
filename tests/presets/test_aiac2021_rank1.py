"""The six jobs of the 1st place against the table of docs/facts_rank1.md 9, and their parameters at full size."""

import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.models.frame_embeddings import EmbeddingBlock
from vsim_tf.models.layouts import ClsFirst, FramesFirst
from vsim_tf.models.pooling import AttentionPooling, MeanPooling
from vsim_tf.models.projections import ProjectedPool
from vsim_tf.models.tag_heads import ReluClsTags, ReluEmbeddingTags
from vsim_tf.optim.schedules import CosineSchedule
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.sizes import sized
from vsim_tf.runs.phase import Phase
from vsim_tf.runs.stage import Selection, Stage

JOBS = tuple(f"qq_job{number}" for number in range(1, 7))
EVERY_JOB = pytest.mark.parametrize("name", JOBS)
POINT, PAIRS, TEST = 1_000_000, 63_613, 63_960
"""Videos of each data set."""


def by_job(*values):
    """One parameter set for each job."""
    return pytest.mark.parametrize(("name", "expected"), list(zip(JOBS, values, strict=True)))


def pretrain(name) -> Stage:
    return registry.preset(name).pretrain


# --- the model --------------------------------------------------------------------------------------------------------


@by_job(ClsFirst(), FramesFirst(), FramesFirst(), ClsFirst(), ClsFirst(), ClsFirst())
def test_layout(name, expected):
    assert registry.preset(name).model.layout == expected


@by_job("pair", "single", "single", "pair", "pair", "pair")
def test_the_title_has_33_or_34_tokens(name, expected):
    """36 positions without [CLS] [SEP] and [SEP], or without [CLS] and [SEP]."""
    text = registry.preset(name).model.text
    assert (text.max_length, text.form) == (36, expected)


MEAN, ATTENTION = MeanPooling(padding=True), AttentionPooling(padding=True)


@by_job(MEAN, MEAN, MEAN, ATTENTION, ATTENTION, MEAN)
def test_pooling_reads_padding(name, expected):
    assert registry.preset(name).model.pooling == expected


@EVERY_JOB
def test_what_all_models_share(name):
    model = registry.preset(name).model
    assert model.frame_embedding == EmbeddingBlock() and model.projection == ProjectedPool() and model.unit_norm
    frames = model.frames
    assert (frames.dim, frames.max_frames, frames.sampling, frames.padding) == (1536, 32, "centred", "zeros")
    assert model.embedding_size == 256 and not model.pack
    encoder = sized(model, "large").encoder
    assert (encoder.hidden_size, encoder.num_layers, encoder.num_heads, encoder.intermediate_size) == (1024, 24, 16, 4096)
    assert (encoder.hidden_dropout, encoder.attention_dropout, encoder.layer_norm_eps) == (0.1, 0.1, 1e-12)
    assert (encoder.max_positions, encoder.type_vocab_size) == (512, 2)
    assert (encoder.initializer, encoder.initializer_range, encoder.padding_token) == ("normal", 0.02, 0)
    assert registry.preset(name).published_size == "large"


# --- pre-training -----------------------------------------------------------------------------------------------------

CLS, EMBEDDING = ReluClsTags(), ReluEmbeddingTags()


@by_job(CLS, EMBEDDING, EMBEDDING, CLS, CLS, CLS)
def test_tag_head(name, expected):
    assert pretrain(name).tasks["tag"].head == expected


ALL = {"tag": 1250 / 3, "mlm": 1 / 3.75, "mfm": 1 / 9}


@by_job(ALL, ALL, {"tag": 1250 / 3, "mlm": 1 / 3.75}, ALL, ALL, ALL)
def test_tasks_and_their_weights(name, expected):
    """Job 3 has two tasks, and the weights of three."""
    tasks = pretrain(name).tasks
    assert {task: tasks[task].weight for task in tasks} == expected
    kinds = {"tag": "mean_tags", "mlm": "masked_tokens", "mfm": "masked_frames"}
    assert {task: tasks[task].type_name for task in tasks} == {task: kinds[task] for task in expected}
    assert tasks["mlm"].spare_unknown and not tasks["mlm"].tied


@by_job((0.15, 0.135), (0.15, 0.135), (0.15, None), (0.15, 0.135), (0.15, 0.135), (0.25, 0.225))
def test_probabilities(name, expected):
    tasks = pretrain(name).tasks
    tokens, frames = (tasks[task].probability if task in tasks else None for task in ("mlm", "mfm"))
    assert (tokens, frames) == (expected[0], expected[1] and pytest.approx(expected[1], rel=1e-12))


TOGETHER = {"all": Phase(sets=(("pointwise", "pairwise"),))}
THEN_PAIRS = TOGETHER | {"pairwise": Phase(sets=(("pairwise",),), start=332_360, warmup=149, horizon=2484)}
IN_TURN = {"all": Phase(sets=(("pointwise",), ("pairwise",), ("test",)))}


@by_job(TOGETHER, TOGETHER, TOGETHER, THEN_PAIRS, IN_TURN, TOGETHER)
def test_order_of_the_data(name, expected):
    assert pretrain(name).phases == expected


def epochs(number: int, *sets: int) -> int:
    """Steps of so many epochs; of each set that is read by itself the last, partial batch is dropped."""
    return number * sum(videos // 128 for videos in sets)


BOTH = POINT + PAIRS
JOB_4 = epochs(40, BOTH) + epochs(5, PAIRS)


@by_job(*[epochs(40, BOTH)] * 3, JOB_4, epochs(32, POINT, PAIRS, TEST), epochs(24, BOTH))
def test_steps(name, expected):
    assert pretrain(name).total_steps == expected
    assert epochs(40, BOTH) == 332_360 and epochs(5, PAIRS) == 2480


@by_job(*[40 * BOTH // 128] * 4, 32 * (POINT + PAIRS + TEST) // 128, 24 * BOTH // 128)
def test_schedules(name, expected):
    """Half a cosine over all steps, partial batches included, behind a warm-up of 6 % of them."""
    groups = pretrain(name).groups
    for group, peak in {"encoder": 5e-5, "head": 5e-4}.items():
        assert groups[group].schedule == CosineSchedule(peak=peak, warmup=int(0.06 * expected), horizon=expected)
    assert list(groups) == ["encoder", "head"]
    assert int(0.06 * 332_379) == 19_942


def test_the_second_phase_of_job_4_has_a_schedule_of_its_own():
    assert (5 * PAIRS // 128, int(0.06 * 2484)) == (2484, 149)
    for group, peak in {"encoder": 5e-5, "head": 5e-4}.items():
        rate = pretrain("qq_job4").schedules[group].rate
        assert [float(rate(tf.constant(step))) for step in (0, 332_360)] == [0, 0]
        assert float(rate(tf.constant(19_942))) == float(rate(tf.constant(332_360 + 149))) == pytest.approx(peak)
        assert float(rate(tf.constant(332_359))) < 1e-6 * peak < float(rate(tf.constant(332_361)))


@by_job(True, True, True, False, True, True)
def test_the_best_weights_come_back_after_each_epoch_and_are_kept(name, expected):
    """Job 4 has the last instead."""
    stage = pretrain(name)
    assert stage.reload_best is expected
    assert stage.selection == Selection(metric="tag_loss", direction="min", kept="best" if expected else "last")


@by_job(2021, 2021, 2021, 2021, 123_456, 2021)
def test_seed(name, expected):
    preset = registry.preset(name)
    assert preset.pretrain.seed == preset.finetune.seed == expected


@EVERY_JOB
def test_what_all_pretraining_shares(name):
    stage = pretrain(name)
    assert (stage.batch_size, stage.val_batch_size, stage.val_videos, stage.eval_every) == (128, 128, 10_112, 500)
    assert_optimizer(stage)


def assert_optimizer(stage):
    """AdamW of docs/facts_rank1.md 5, without clipping, batches of any lengths, gradients of the mean loss."""
    assert (stage.optimizer.epsilon, stage.optimizer.decay) == (1e-6, 0.01)
    assert (stage.clip_norm, stage.reduction, stage.bucket_by_length) == (0.0, "mean", False)
    assert stage.gradient_method is None and stage.average is None


# --- fine-tuning, and the rest ----------------------------------------------------------------------------------------


@EVERY_JOB
def test_fine_tuning(name):
    """10 epochs of 65,373 pairs: 20,429 steps are scheduled, and 2042 an epoch run."""
    stage = registry.preset(name).finetune
    assert {task: part.type_name for task, part in stage.tasks.items()} == {"mse": "mean_squared_error"}
    assert (stage.batch_size, stage.total_steps, stage.eval_every) == (32, 10 * (65_373 // 32), 500)
    for group, peak in {"encoder": 1e-5, "head": 5e-5}.items():
        assert stage.groups[group].schedule == CosineSchedule(peak=peak, warmup=1225, horizon=10 * 65_373 // 32)
    assert (stage.labels, stage.selection) == ("rank", Selection(metric="mse", direction="min", kept="best"))
    assert not stage.phases and not stage.reload_best and stage.tasks["mse"].weight == 1
    assert_optimizer(stage)


@EVERY_JOB
def test_split_and_weight(name):
    preset = registry.preset(name)
    assert (preset.split, preset.folds, preset.ensemble_weight) == ("modulo", "0", 1 / 6)


@EVERY_JOB
def test_it_survives_json(name):
    preset = registry.preset(name)
    assert Model.from_dict(json.loads(json.dumps(preset.model.to_dict()))) == preset.model
    for stage in (preset.pretrain, preset.finetune):
        assert Stage.from_dict(json.loads(json.dumps(stage.to_dict(), allow_nan=False))) == stage


@EVERY_JOB
def test_its_tasks_fit_its_model(name):
    preset = registry.preset(name)
    for task in (*preset.pretrain.tasks.values(), *preset.finetune.tasks.values()):
        task.require_model(preset.model)
        task.require_model(recipes.recipe("plus").model(preset.model))


# --- parameters -------------------------------------------------------------------------------------------------------

VOCABULARY, TAGS = 21_128, 10_000
LAYER = 4 * (1024 * 1024 + 1024) + (1024 * 4096 + 4096) + (4096 * 1024 + 1024) + 4 * 1024
TEXT_BLOCK = (VOCABULARY + 512 + 2 + 2) * 1024
ENCODER = TEXT_BLOCK + 24 * LAYER
FRAMES = (1536 * 1024 + 1024) + (512 + 2 + 2) * 1024
"""The frame Linear and the second block, but for its table of token embeddings."""
MLM = (1024 * 1024 + 1024) + 2 * 1024 + (1024 * VOCABULARY + VOCABULARY)
MFM = (1024 * 1024 + 1024) + 2 * 1024 + (1024 * 1536 + 1536)
TAG_CLS, TAG_EMBEDDING = 1024 * TAGS + TAGS, 256 * TAGS + TAGS
HEAD = 1024 * 256 + 256
ATTENTION_POOL = (1024 * 1024 + 1024) + (1024 + 1)


def test_arithmetic_of_parameters():
    """In millions, as docs/facts_rank1.md 3 has them; the dead table is of 21.6 M."""
    parts = (TEXT_BLOCK, 24 * LAYER, 1536 * 1024 + 1024, MLM, MFM, TAG_CLS, TAG_EMBEDDING, HEAD, ATTENTION_POOL)
    assert [round(part / 1e6, 2) for part in parts] == [22.16, 302.31, 1.57, 22.71, 2.63, 10.25, 2.57, 0.26, 1.05]
    dead = VOCABULARY * 1024
    assert round((ENCODER + FRAMES + MLM + MFM + TAG_CLS + HEAD + dead) / 1e6, 1) == 384.1
    assert round((ENCODER + FRAMES + HEAD) / 1e6, 1) == 326.8


def count(variables) -> int:
    return sum(int(np.prod(v.shape)) for v in variables)


@functools.cache
def counted(name: str, layers: int) -> tuple[int, int, int]:
    """Parameters of encoder, heads of tokens and frames, and all else at `large`, in a graph that never runs."""
    preset = registry.preset(name)
    model = sized(preset.model, "large").fitted(VOCABULARY, TAGS).replace({"encoder.num_layers": layers})
    with tf.Graph().as_default():
        network = build_network(model, preset.pretrain.tasks.values())
    encoder, heads = count(network.encoder.trainable_variables), sum(count(h.trainable_variables) for h in network.heads.values())
    return encoder, heads, count(network.trainable_variables) - encoder - heads


PARAMETERS = {
    "qq_job1": (ENCODER, MLM + MFM, FRAMES + TAG_CLS + HEAD),
    "qq_job2": (ENCODER, MLM + MFM, FRAMES + TAG_EMBEDDING + HEAD),
    "qq_job3": (ENCODER, MLM, FRAMES + TAG_EMBEDDING + HEAD),
    "qq_job4": (ENCODER, MLM + MFM, FRAMES + TAG_CLS + HEAD + ATTENTION_POOL),
}
"""Jobs 5 and 6 have the models of jobs 4 and 1."""


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name == "qq_job3" else ()) for name in PARAMETERS])
def test_parameters_at_full_size(name):
    """Layers are alike: 24 of them add 23 times what the second adds to the first."""
    encoder, heads, others = PARAMETERS[name]
    assert counted(name, 1) == (encoder - 23 * LAYER, heads, others)
    if name == "qq_job1":
        assert counted(name, 2)[0] - counted(name, 1)[0] == LAYER


@pytest.mark.slow
def test_all_24_layers():
    assert counted("qq_job1", 24) == PARAMETERS["qq_job1"]


@pytest.mark.parametrize(("name", "of"), [("qq_job5", "qq_job4"), ("qq_job6", "qq_job1")])
def test_models_that_are_the_same(name, of):
    assert registry.preset(name).model.replace(name=of) == registry.preset(of).model
    heads = [{task: registry.preset(job).pretrain.tasks[task].type_name for task in ("tag", "mlm", "mfm")} for job in (name, of)]
    assert heads[0] == heads[1]

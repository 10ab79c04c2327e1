"""Cases: a few optimizer steps of each objective by the real `Trainer`."""

import functools
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.golden.file import Case, GoldenFile, absolute, relative, scaled, to_largest
from vsim_tf.golden.losses import CONTRASTIVE_DIVISOR, script_preset
from vsim_tf.golden.weights import make_network, model_arrays, model_weights
from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.presets import registry
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.forward import call_network
from vsim_tf.training.loop import Trainer

LOSS = relative(5e-6)
TERM = scaled(5e-6)
FIRST_GRADIENT = to_largest(3e-5)
STATISTICS = scaled(2e-6)
WEIGHTS = absolute(2e-6)
RATE = relative(1e-6)
EMBEDDING = scaled(5e-6)

NOISE = re.compile(r"bert/encoder/layer_\._\d+/attention/self/key/bias")
"""BERT's key biases: softmax ignores them, so their gradient is rounding noise, of which Adam makes full steps."""


def video_batch(file: GoldenFile, step: int, suffix: str = "") -> VideoBatch:
    """The videos of one step."""
    tokens = file[f"in/input_ids{suffix}"][step]
    targets = file.arrays.get(f"in/mask_labels{suffix}")
    batch = VideoBatch(
        ids=np.full(len(tokens), b""),
        input_ids=tokens,
        attention_mask=file[f"in/mask{suffix}"][step],
        frames=file[f"in/frames{suffix}"][step].astype("float16"),
        num_frames=file[f"in/num_frames{suffix}"][step].reshape(-1),
        targets={"tags": file[f"in/labels{suffix}"][step]} | ({} if targets is None else {"tokens": targets[step]}),
    )
    tensors: VideoBatch = tf.nest.map_structure(tf.constant, batch)
    return tensors


def pair_batch(file: GoldenFile, step: int) -> PairBatch:
    """The pairs of one step."""
    return PairBatch(
        video_batch(file, step, "_1"), video_batch(file, step, "_2"), {"similarity": tf.constant(file["in/sim"][step])}
    )


def stage_of_file(stage: Stage, config: dict[str, Any], batch_size: int, steps: int) -> Stage:
    """A registered stage with the file's schedules."""
    horizons = {
        "groups.encoder.schedule": {
            "peak": config["bert_lr"],
            "warmup": config["bert_warmup"],
            "horizon": config["bert_horizon"],
        },
        "groups.head.schedule": {"peak": config["lr"], "warmup": config["warmup"], "horizon": config["horizon"]},
    }
    changes = {path: {"type": "linear"} | schedule for path, schedule in horizons.items()}
    if "kl" in stage.tasks:
        changes["tasks.kl.weight"] = config["kl_weight"]
    return stage.replace(changes, batch_size=batch_size, total_steps=steps)


def training_steps(file: GoldenFile, name: str, stage: str) -> None:
    """Trains as many steps as the file has and compares losses, rates, the first gradients, weights and embeddings."""
    pretraining = stage == "pretrain"
    preset = script_preset(name, file.about["script"])
    make_batch = video_batch if pretraining else pair_batch
    steps, batch_size = file["in/mask" if pretraining else "in/mask_1"].shape[:2]
    config = stage_of_file(getattr(preset, stage), file.config, batch_size, steps)
    model = make_network(file, preset, config.tasks.values())
    trainer = Trainer(model, config, tf.distribute.get_strategy())
    logs = []
    for step in range(steps):
        logs.append(trainer.train_step(make_batch(file, step)))
        if step == 0:
            _check_first_gradients(file, model, trainer.optimizer)
        _check_weights(file, model, f"after_{step + 1}/")
    _check_losses(file, {key: np.array([float(log[key]) for log in logs]) for key in logs[0]})
    _check_rates(file, trainer.optimizer, steps)
    _check_embeddings(file, model)


def _check_losses(file: GoldenFile, logs: dict[str, np.ndarray]) -> None:
    """Means of the file's loss vectors, each a factor times what the trainer logs, at every step."""
    logged = {
        "loss_vector": (logs["loss"], 1.0, LOSS),
        "loss_mean": (logs["loss"], 1.0, LOSS),
        "tag_vector": (logs["tag"] + logs.get("expert_tags", 0.0), 1.0, TERM),
        "ten_times_contrastive_sum_vector": (logs.get("contrastive"), 1 / CONTRASTIVE_DIVISOR, TERM),
        "weighted_mlm": (logs.get("mlm"), 1.0, TERM),
        "mse_sum": (logs.get("mse"), 1.0, TERM),
        "kl": (logs.get("kl"), file.config["kl_weight"], TERM),
    }
    for name, (value, factor, tolerance) in logged.items():
        if f"out/{name}" in file.arrays:
            file.check(f"out/{name}", value, tolerance, functools.partial(_step_means, factor=factor))


def _step_means(values: np.ndarray, factor: float) -> np.ndarray:
    means: np.ndarray = factor * values.reshape(len(values), -1).mean(axis=1, dtype="float64")
    return means


def _check_rates(file: GoldenFile, optimizer: GroupAdam, steps: int) -> None:
    rates = optimizer.learning_rates(tf.range(steps, dtype=tf.int64))
    file.check("out/lr_normal_group", rates["head"], RATE)
    file.check("out/lr_bert_group", rates["encoder"], RATE)


def _check_first_gradients(file: GoldenFile, model: VideoNetwork, optimizer: GroupAdam) -> None:
    """After one step Adam's first moment is (1 - beta_1) times the gradient, in every group that has the weight."""
    weights = model_weights(model)
    for name in _comparable(file, model, "grad_step1/"):
        moments = _first_moments(optimizer, weights[name])
        for moment in moments:
            file.check(f"grad_step1/{name}", moment / (1 - optimizer.beta_1), FIRST_GRADIENT)


def _first_moments(optimizer: GroupAdam, weight: NamedWeight) -> list[np.ndarray]:
    return [weight.select(update.m.numpy()) for update in optimizer.updates if update.path == weight.variable.path]


def _check_weights(file: GoldenFile, model: VideoNetwork, prefix: str) -> None:
    weights = model_weights(model)
    for name in _comparable(file, model, prefix):
        statistics = name.endswith(("/moving_mean", "/moving_variance"))
        file.check(prefix + name, weights[name].read(), STATISTICS if statistics else WEIGHTS)


def _comparable(file: GoldenFile, model: VideoNetwork, prefix: str) -> list[str]:
    """Weights that the file has after `prefix`, without the noise and what the model has no use for."""
    names = list(file.under(prefix))
    unused = set(names) - set(model_arrays(file.under(prefix), model))
    left_out = {name for name in names if name in unused or NOISE.fullmatch(name)}
    file.leave_out(*(prefix + name for name in left_out))
    return [name for name in names if name not in left_out]


def _check_embeddings(file: GoldenFile, model: VideoNetwork) -> None:
    """Of the trained model: `out/embedding_2_after_5_on_batch_5` is of the second videos of the fifth batch."""
    for name in file.arrays:
        if match := re.fullmatch(r"out/embedding(_\d)?_after_\d+_on_batch_(\d+)", name):
            batch = video_batch(file, int(match[2]) - 1, match[1] or "")
            file.check(name, call_network(model, batch, training=False).embedding, EMBEDDING)


def _cases() -> Iterator[tuple[str, Case]]:
    for make in registry.SYSTEMS["aiac2021_rank4"]:
        for stage in ("pretrain", "finetune"):
            name = make.__name__
            case = f"train_{name.replace('mix_nextvlad', 'mix')}_{stage}"
            yield case, functools.partial(training_steps, name=name, stage=stage)


CASES = dict(_cases())
# The same script: it is `script_preset` that knows its tag loss.
CASES["train_mix_roformer_pretrain_asl"] = CASES["train_mix_roformer_pretrain"]

"""Cases of the WeChat 2022 system: optimizer steps by the real `Trainer`, attacks on a table, and AdamW by names."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf import losses
from vsim_tf.golden.file import EXACT, Case, GoldenFile, absolute, relative, to_largest
from vsim_tf.golden.wbdc_models import pretrain_batch
from vsim_tf.golden.wbdc_weights import NOISE, make_network, sized, torch_weights, videos
from vsim_tf.models.model import Model
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adversarial import FastGradient, ProjectedGradient, TableAttack, WeightPerturbation
from vsim_tf.presets import wbdc2022_rank8
from vsim_tf.records.schema import VideoBatch
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.forward import call_network
from vsim_tf.training.loop import Trainer

LOSS, FIRST_GRADIENT, WEIGHTS, RATE = relative(3e-6), to_largest(3e-5), absolute(1e-6), relative(1e-6)
STEPS = 5
SNAPSHOTS = (3, 5)
"""After so many steps weights and averages are compared."""
ATTACKS = {"none": None, "fgm": FastGradient(), "pgd": ProjectedGradient()}


def _trainer(file: GoldenFile, model: Model, stage: Stage) -> Trainer:
    """The registered stage with a file's schedule and average."""
    schedule, batch = file.about["schedule"], len(file["in/title_ids"][0])
    changes = {f"groups.{name}.schedule.{key}": schedule[f"{steps}_steps"] for name in stage.groups for key, steps in (
        ("warmup", "warmup"), ("horizon", "total"),
    )}  # fmt: skip
    if stage.average:
        changes["average.decay"] = file.config["ema_decay"]
    stage = stage.replace(changes, batch_size=batch, total_steps=STEPS)
    return Trainer(make_network(file, model, stage.tasks.values()), stage, tf.distribute.get_strategy())


def _train(file: GoldenFile, trainer: Trainer, batch: Callable[[int], VideoBatch]) -> dict[str, np.ndarray]:
    """Trains, compares weights, averages, first gradients and rates; returns the logged means, `[steps]` each."""
    logs = []
    trainer.state.start_average()
    for step in range(STEPS):
        logs.append(trainer.train_step(batch(step)))
        if step == 0:
            _compare(file, trainer.network, "grad_step1/", FIRST_GRADIENT, _first_gradients(trainer))
        if step + 1 in SNAPSHOTS:
            _compare(file, trainer.network, f"after_{step + 1}/", WEIGHTS, lambda weight: weight.numpy())
            _compare(file, trainer.network, f"ema_{step + 1}/", WEIGHTS, _averages(trainer))
    _check_rates(file, trainer)
    return {name: np.array([float(log[name]) for log in logs]) for name in logs[0]}


def _first_gradients(trainer: Trainer) -> Callable[[Any], Any]:
    """After one step Adam's first moment is (1 - beta_1) times the gradient."""
    moments = {update.path: update.m.numpy() / (1 - trainer.optimizer.beta_1) for update in trainer.optimizer.updates}
    return lambda weight: moments[weight.path]


def _averages(trainer: Trainer) -> Callable[[Any], Any]:
    averages = {id(trainer.state.weights[name]): value for name, value in trainer.state.averages.items()}
    return lambda weight: averages[id(weight.value)].numpy()


def _compare(file: GoldenFile, network: VideoNetwork, prefix: str, tolerance: Any, value: Callable[[Any], Any]) -> None:
    """Compares what a file has of weights; of those that are not built it must say that they are idle."""
    arrays = file.under(prefix)
    weights = torch_weights(network, {name: array.shape for name, array in arrays.items()})
    idle = {*file.about["no_gradient"], *file.about.get("zero_gradient", ())}
    for name in arrays:
        if name not in weights:
            file.check_equal(f"{name} is idle", name in idle, True)
            file.leave_out(prefix + name)
        elif NOISE.fullmatch(name):
            file.leave_out(prefix + name)
        else:
            file.check(prefix + name, weights[name].of(value(weights[name].weight.variable)), tolerance)


def _check_rates(file: GoldenFile, trainer: Trainer) -> None:
    """Rate of every group, and which parameter has which rate and decay."""
    shapes = {name: array.shape for name, array in file.under("w/").items()}
    weights = torch_weights(trainer.network, shapes)
    updates = {update.path: update for update in trainer.optimizer.updates}
    rates = trainer.optimizer.learning_rates(np.arange(STEPS))
    used, columns = [], []
    for number, group in enumerate(file.about["groups"]):
        paths = {weights[name].weight.variable.path for name in group["names"] if name in weights}
        if found := [updates[path] for path in paths if path in updates]:  # not where all are idle or frozen
            used.append(number)
            columns.append(rates[found[0].group])
            one = {(found[0].group, group["weight_decay"])}
            file.check_equal(f"group {number}", {(update.group, update.decay) for update in found}, one)
    file.check("out/lr", np.stack(columns, axis=1), RATE, of=lambda rates: rates[:, used])


def train_pretrain(file: GoldenFile) -> None:
    """The single stream's five tasks."""
    model = sized(file, wbdc2022_rank8.single_stream(), file.config["frame_slots"], tower=False)
    trainer = _trainer(file, model, wbdc2022_rank8.single_pretraining())
    logs = _train(file, trainer, lambda step: pretrain_batch(file, "in/", step))
    for name, task in trainer.stage.tasks.items():
        file.check(f"out/loss/{'ict_sum' if name == 'ict' else name}", logs[name] / task.weight, LOSS)
    file.check("out/loss/total", logs["loss"], LOSS)


def train_classes(file: GoldenFile) -> None:
    """Classification of either model, without an attack or with one."""
    two_stream = any(name.startswith("cross_bert.") for name in file.under("w/"))
    attack = ATTACKS[file.about["adversarial"]]
    model: Model = wbdc2022_rank8.single_stream()
    stage = wbdc2022_rank8.single_classification()
    if two_stream:
        model, stage = wbdc2022_rank8.two_stream(), wbdc2022_rank8.two_stream_classification()
        attack = attack and attack.replace(table="")
    stage = stage.replace({"gradient_method": attack.to_dict() if attack else None})
    trainer = _trainer(file, sized(file, model, file.config["frame_slots"], tower=True), stage)
    logs = _train(file, trainer, lambda step: videos(file, step=step, classes=file["in/labels"][step].astype("int32")))
    file.check("out/losses", logs["loss"], LOSS, of=lambda losses: losses[:, 0])
    _check_average(file, trainer)


def _check_average(file: GoldenFile, trainer: Trainer) -> None:
    """The validation batch with the average in place."""
    labels = file["in/validation/labels"].astype("int32")
    with trainer.state.averaged():
        output = call_network(trainer.network, videos(file, "in/validation/"), training=False)
        logits = Classes.logits(trainer.network, output.embedding)
    file.check("out/ema_validation_loss", np.mean(losses.cross_entropy(logits, labels)), LOSS)
    file.check("out/ema_validation_prediction", np.argmax(logits, axis=1), EXACT)


def train_clip_pretrain(file: GoldenFile) -> None:
    """Contrast of two towers, with the scale after each step."""
    model = sized(file, wbdc2022_rank8.dual_encoder(), file.config["clip_frames"], tower=True)
    trainer = _trainer(file, model, wbdc2022_rank8.clip_pretraining())
    scale, scales = trainer.network.heads["scale"].value, []

    def batch(step: int) -> VideoBatch:
        scales.append(float(scale))
        return videos(file, step=step)

    logs = _train(file, trainer, batch)
    file.check("out/loss", logs["loss"], LOSS)
    file.check("out/logit_scale", [*scales, float(scale)], WEIGHTS)
    file.leave_out("out/loss_image", "out/loss_text")  # their mean is the loss


def adversarial(file: GoldenFile) -> None:
    """Attacks in a row on one table."""
    table, gradients = tf.constant(file["in/table"]), [tf.constant(gradient) for gradient in file["in/gradients"]]
    small: TableAttack = ProjectedGradient(radius=0.5)
    for name, attack in {"pgd": ProjectedGradient(), "pgd_small_ball": small, "awp": WeightPerturbation()}.items():
        weights, found = table, []
        for gradient in gradients:
            weights = attack.step(weights, gradient, table)
            found.append(weights)
        file.check(f"out/{name}/perturbed", np.stack(found), absolute(1e-6))
    file.check("out/fgm/perturbed", FastGradient().step(table, gradients[0], table), absolute(1e-6))


CASES: dict[str, Case] = {
    "wbdc_train_pretrain": train_pretrain,
    **{f"wbdc_train_{name}": train_classes for name in (
        "finetune", "finetune_fgm", "finetune_pgd", "two_stream", "two_stream_fgm",
    )},
    "wbdc_train_clip_pretrain": train_clip_pretrain,
    "wbdc_adversarial": adversarial,
}  # fmt: skip

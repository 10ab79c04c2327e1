"""Cases of the 1st place: a few optimizer steps by the real `Trainer`, and learning rates at full size."""

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.golden.file import Case, GoldenFile, absolute, relative, to_largest
from vsim_tf.golden.qq_models import VARIANTS, tasks_of
from vsim_tf.golden.qq_weights import DEAD, NOISE, make_network, pairs, preset_of, torch_weights, videos
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.schedules import CosineSchedule, Schedule
from vsim_tf.presets import registry
from vsim_tf.runs.phase import Phase, PhasedSchedule, phased
from vsim_tf.runs.stage import Stage
from vsim_tf.training.loop import Trainer

PRETRAIN_LOSS, PAIR_LOSS = relative(5e-6), relative(1e-5)
FIRST_GRADIENT = to_largest(3e-5)
WEIGHTS = absolute(2e-6)
GROUPS = {"others": "head", "roberta": "encoder"}
"""Groups of the original that have parameters, and of the presets."""


def training_steps(file: GoldenFile, kind: str) -> None:
    """Trains as many steps as the file has; compares losses, rates, first gradients and weights."""
    preset = preset_of(file)
    stage = _stage_of_file(file, getattr(preset, kind), kind)
    network = make_network(file, preset.model, stage.tasks.values())
    trainer = Trainer(network, stage, tf.distribute.get_strategy())
    _check_groups(file, network, trainer.optimizer)
    logs = []
    for step in range(file.config["steps"]):
        batch = pairs(file, step) if kind == "finetune" else _masked_videos(file, step)
        logs.append(trainer.train_step(batch))
        if step == 0:
            _check_first_gradients(file, network, trainer.optimizer)
        _check_weights(file, network, f"after_{step + 1}/")
    _check_losses(file, stage, {name: np.array([float(log[name]) for log in logs]) for name in logs[0]}, kind)
    _check_rates(file, trainer.optimizer)


def _masked_videos(file: GoldenFile, step: int) -> Any:
    changes = {"input_ids": file["in/masked_ids"][step]}
    if "in/masked_frames" in file.arrays:
        changes["frames"] = file["in/masked_frames"][step]
    return videos(file, step=step, **changes)


def _stage_of_file(file: GoldenFile, stage: Stage, kind: str) -> Stage:
    config = file.config
    changes: dict[str, Any] = {"optimizer.decay": config["weight_decay"], "optimizer.epsilon": config["adam_eps"]}
    for theirs, ours in GROUPS.items():
        schedule = {"warmup": file.about["warmup_steps"], "horizon": file.about["total_steps"], "peak": config["lr"][theirs]}
        changes[f"groups.{ours}.schedule"] = {"type": "cosine"} | schedule
    if kind == "pretrain":
        changes["tasks"] = {name: task.to_dict() for name, task in tasks_of(file).items()}
    return stage.replace(changes | {"phases": {}}, batch_size=config["batch"], total_steps=config["steps"])


def _check_groups(file: GoldenFile, network: VideoNetwork, optimizer: GroupAdam) -> None:
    """Which rate and decay every parameter has."""
    updates = {update.path: update for update in optimizer.updates}
    for group in file.about["groups"]:
        for name, weight in torch_weights(network, group["parameters"]).items():
            update = updates[weight.weight.variable.path]
            file.check_equal(f"group of {name}", (update.group, update.decay), (GROUPS[group["key"]], group["weight_decay"]))


def _check_first_gradients(file: GoldenFile, network: VideoNetwork, optimizer: GroupAdam) -> None:
    """After one step Adam's first moment is (1 - beta_1) times the gradient."""
    moments = {update.path: update.m.numpy() for update in optimizer.updates}
    for name, weight in _comparable(file, network, "grad_step1/").items():
        first = weight.of(moments[weight.weight.variable.path]) / (1 - optimizer.beta_1)
        file.check(f"grad_step1/{name}", first, FIRST_GRADIENT)


def _check_weights(file: GoldenFile, network: VideoNetwork, prefix: str) -> None:
    for name, weight in _comparable(file, network, prefix).items():
        file.check(prefix + name, weight.read(), WEIGHTS)


def _comparable(file: GoldenFile, network: VideoNetwork, prefix: str) -> dict[str, Any]:
    """Weights of the network that the file has after `prefix`, without noise.

    Of the others the file must say that they never change: those of heads that fine-tuning does not build.
    """
    names = list(file.under(prefix))
    weights = torch_weights(network, names)
    for name in names:
        if NOISE.fullmatch(name):
            weights.pop(name, None)
            file.leave_out(prefix + name)
        elif name not in weights:
            file.check_equal(f"{name} never changes", name in file.about["never_changes"] or name == DEAD, True)
            file.leave_out(prefix + name)
    return weights


def _check_losses(file: GoldenFile, stage: Stage, logs: dict[str, np.ndarray], kind: str) -> None:
    tolerance = PRETRAIN_LOSS if kind == "pretrain" else PAIR_LOSS
    file.check("out/total_loss", logs["loss"], tolerance)
    if kind == "pretrain":
        for name, task in stage.tasks.items():
            mean = logs[name] / task.weight
            is_on = ~np.isnan(file[f"out/{name}_loss"])
            file.check(f"out/{name}_loss", mean[is_on], tolerance, of=functools.partial(np.compress, is_on))


def _check_rates(file: GoldenFile, optimizer: GroupAdam) -> None:
    rates = optimizer.learning_rates(np.arange(len(file["out/lr"])))
    columns = [GROUPS.get(group["key"], "") for group in file.about["groups"]]
    used = [number for number, group in enumerate(file.about["groups"]) if group["parameters"]]
    ours = np.stack([rates[columns[number]] for number in used], axis=1)
    peaks = np.array([file.about["groups"][number]["lr"] for number in used])
    file.check("out/lr", ours / peaks, absolute(1e-6), of=lambda rates: rates[:, used] / peaks)


def phases(file: GoldenFile) -> None:
    """Learning rates of two phases, small at every step and of job 4, of job 1 and of fine-tuning at some."""
    for name, about in file.about["schedules"].items():
        for column, group in enumerate(("others", "roberta")):
            peak = about["lr"][group]
            _check_schedule(file, name, about, column, peak)


def _check_schedule(file: GoldenFile, name: str, about: dict[str, Any], column: int, peak: float) -> None:
    if "phases_total_warmup" not in about:
        schedule = CosineSchedule(peak=peak, warmup=about["warmup"], horizon=about["total"])
        _check_column(file, f"out/{name}", file[f"in/{name}/step"], schedule, column, peak)
        return
    (horizon, warmup), (second_horizon, second_warmup) = about["phases_total_warmup"]
    start = about["steps_run"][0]
    later = {"first": Phase(), "second": Phase(start=start, warmup=second_warmup, horizon=second_horizon)}
    whole = phased(CosineSchedule(peak=peak, warmup=warmup, horizon=horizon), later)
    for number, offset in ((1, 0), (2, start)):
        steps = file.arrays.get(f"in/{name}/phase{number}_step", np.arange(about["steps_run"][number - 1]))
        _check_column(file, f"out/{name}/phase{number}", steps + offset, whole, column, peak)
    if name == "job4":
        of_preset = registry.preset("qq_job4").pretrain.schedules["head" if column == 0 else "encoder"]
        steps = np.arange(0, start + about["steps_run"][1], 997)
        file.check_equal("job 4", np.array_equal(of_preset.rate(steps), whole.rate(steps)), True)


def _check_column(
    file: GoldenFile, name: str, steps: np.ndarray, schedule: Schedule | PhasedSchedule, column: int, peak: float
) -> None:
    ours = np.asarray(schedule.rate(steps)) / peak
    file.check(name, ours, absolute(1e-6), of=lambda rates: rates[:, column] / peak)


def _cases() -> dict[str, Case]:
    names = {kind: [f"{kind}_{variant}" for variant in VARIANTS] for kind in ("pretrain", "finetune")}
    names["pretrain"].append("pretrain_cls_att_mixed")
    return {f"qq_train_{name}": _case(kind) for kind, cases in names.items() for name in cases}


def _case(kind: str) -> Case:
    return lambda file: training_steps(file, kind)


CASES = _cases() | {"qq_phase2": phases}

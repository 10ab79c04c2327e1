"""Cases of the WeChat 2022 system about weights by their names: AdamW with its groups and decay, schedules, and first weights."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from vsim_tf.golden.file import Case, GoldenFile, relative, scaled
from vsim_tf.golden.torch_weights import TorchWeight
from vsim_tf.golden.wbdc_weights import sized, torch_weights
from vsim_tf.models.build import build_network
from vsim_tf.models.model import Model
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.groups import grouped
from vsim_tf.optim.schedules import CosineSchedule
from vsim_tf.presets import wbdc2022_rank8
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.task import Task

WEIGHTS, RATE = scaled(2e-6), relative(1e-6)
STANDARD_DEVIATION = 0.02


class Registered(NamedTuple):
    """A model as it is trained in one stage."""

    model: Model
    stage: Stage
    tower: bool
    more_heads: Mapping[str, Task] = {}


def _registered(name: str) -> Registered:
    """By the names of the file of optimizers."""
    presets = wbdc2022_rank8
    return {
        "pretrain": Registered(presets.single_stream(), presets.single_pretraining(), tower=False),
        "finetune": Registered(presets.single_stream(), presets.single_classification(), True, presets.pretrain_tasks()),
        "two_stream": Registered(presets.two_stream(), presets.two_stream_classification(), tower=True),
        "clip_pretrain": Registered(presets.dual_encoder(), presets.clip_pretraining(), tower=True),
    }[name]


def _network(file: GoldenFile, one: Registered) -> VideoNetwork:
    model = sized(file, one.model, file.config["frame_slots"], tower=one.tower)
    model = model.replace({"tower": model.tower.replace(trainable_blocks=-1).to_dict()}) if model.tower else model
    return build_network(model, [*one.stage.tasks.values(), *one.more_heads.values()])


def optimizer(file: GoldenFile) -> None:
    """Steps of AdamW on vectors that have the names of weights, and schedules to their end and beyond."""
    for name, about in file.about["optimizers"].items():
        if name.startswith("schedule_"):
            _check_schedule(file, name, about["warmup_steps"], about["total_steps"])
        else:
            _check_steps(file, name, about)


def _check_schedule(file: GoldenFile, name: str, warmup: int, total: int) -> None:
    """Up to the last step; behind it the original's cosine rises again, where this one stays at 0."""
    rates = CosineSchedule(peak=1.0, warmup=warmup, horizon=total).rate(np.arange(len(file[f"out/{name}"])))
    file.check(f"out/{name}", rates[: total + 1], scaled(1e-6), of=lambda rates: rates[: total + 1])
    file.check_equal(f"{name} behind its end", bool(np.all(np.abs(rates[total:]) < 1e-6)), True)


def _check_steps(file: GoldenFile, name: str, about: dict[str, Any]) -> None:
    one = _registered(name)
    network = _network(file, one)
    weights = torch_weights(network, dict.fromkeys(about["names"], (3,)))
    columns = [column for column, each in enumerate(about["names"]) if each in weights]
    found, gradients = file[f"out/{name}/weights"], file[f"in/{name}/gradients"]
    vectors = {column: keras.Variable(found[0, column]) for column in columns}
    adam = _adam(file, one.stage, network, {column: weights[about["names"][column]] for column in columns}, vectors)
    ours = [found[0, columns]]
    for step, gradient in enumerate(gradients):
        values = {id(vectors[c].value): None if about["names"][c] in about["no_gradient"] else gradient[c] for c in columns}
        adam.apply([_tensor(values[id(v)]) for v in adam.variables], tf.constant(step))
        ours.append(np.stack([vectors[column].numpy() for column in columns]))
    file.check(f"out/{name}/weights", np.stack(ours), WEIGHTS, of=lambda weights: weights[:, columns])
    _check_rates(file, name, about, adam, weights)


def _tensor(value: Any) -> Any:
    return None if value is None else tf.constant(value)


def _adam(
    file: GoldenFile,
    stage: Stage,
    network: VideoNetwork,
    weights: Mapping[int, TorchWeight],
    vectors: Mapping[int, keras.Variable],
) -> GroupAdam:
    """The stage's optimizer for vectors in the place of weights, with the rates and the decay of the file."""
    here = file.about["schedule_here"]
    schedules = {
        name: group.schedule.replace(
            peak=group.schedule.peak * file.about["scale"], warmup=here["warmup_steps"], horizon=here["total_steps"]
        )
        for name, group in stage.groups.items()
    }
    members = {group: {id(v) for v in variables} for group, variables in grouped(network, stage.groups).items()}
    groups = {
        group: [vectors[column] for column, weight in weights.items() if id(weight.weight.variable) in ids]
        for group, ids in members.items()
    }
    names = {id(v): name for name, v in network.weights_by_name().items()}
    of_vectors = {id(vectors[column]): names[id(weight.weight.variable)] for column, weight in weights.items()}
    return GroupAdam(groups, schedules, stage.optimizer.replace(decay=file.about["weight_decay_here"]), of_vectors)


def _check_rates(file: GoldenFile, name: str, about: dict[str, Any], adam: GroupAdam, weights: Mapping[str, Any]) -> None:
    rates = adam.learning_rates(np.arange(len(file[f"out/{name}/lr"])))
    peaks = {float(adam.schedules[group].rate(file.about["schedule_here"]["warmup_steps"])): group for group in adam.schedules}
    used = [column for column, group in enumerate(about["groups"]) if any(each in weights for each in group["names"])]
    groups = [min(peaks, key=lambda peak: abs(peak - about["groups"][column]["peak_lr"])) for column in used]
    ours = np.stack([rates[peaks[peak]] for peak in groups], axis=1)
    file.check(f"out/{name}/lr", ours, RATE, of=lambda rates: rates[:, used])


# --- first weights ----------------------------------------------------------------------------------------------------

MODELS = {
    "single_stream_pretraining": "pretrain", "single_stream_finetuning": "finetune", "two_stream": "two_stream",
    "clip_pretraining": "clip_pretrain",
}  # fmt: skip
"""Names of the file of first weights, and of the file of optimizers."""


def initial_weights(file: GoldenFile) -> None:
    """Kind, bounds and standard deviation of every weight of a new model."""
    for name, parameters in file.about["models"].items():
        one = _registered(MODELS[name])
        model = _initial_model(file, one, parameters)
        tasks: dict[str, Task] = {**one.stage.tasks, **one.more_heads, "classes": Classes()}
        network = build_network(model, tasks.values())
        shapes = {parameter: about["shape"] for parameter, about in parameters.items()}
        for parameter, weight in torch_weights(network, shapes).items():
            if parameters[parameter]["kind"] != "from checkpoint":
                _check_initial(file, f"{name}: {parameter}", weight.read(), parameters[parameter])


def _initial_model(file: GoldenFile, one: Registered, parameters: Mapping[str, Any]) -> Model:
    """The model in the sizes that the file has for this case."""
    sizes = file.about["sizes"]
    model = sized(file, one.model, file.config["frame_slots"], tower=one.tower)
    positions = next((about["shape"][0] for name, about in parameters.items() if "position_embeddings" in name), 64)
    changes = {
        "encoder.vocab_size": sizes["vocab"], "encoder.hidden_size": sizes["hidden"], "num_classes": sizes["classes"],
        "encoder.intermediate_size": 2 * sizes["hidden"], "encoder.max_positions": positions,
        "frames.dim": sizes["hidden"] if one.tower else sizes["frame_width"],
    }  # fmt: skip
    tower = {"tower.hidden_size": sizes["hidden"]} if one.tower else {}
    return model.replace(changes | tower)


def _check_initial(file: GoldenFile, name: str, value: np.ndarray, about: dict[str, Any]) -> None:
    file.check_equal(f"{name}: shape", list(value.shape), about["shape"])
    kind = about["kind"]
    if kind in ("zeros", "ones", "constant"):
        file.check_equal(name, bool(np.allclose(value, about["mean"], rtol=1e-6)), True)
        return
    is_uniform = kind.startswith("uniform")
    if is_uniform:
        file.check_equal(f"{name}: bounds", bool(np.abs(value).max() <= about["bound"]), True)
    expected = about["bound"] / 3**0.5 if is_uniform else STANDARD_DEVIATION
    if value.size > 1000:  # of fewer numbers the standard deviation says little
        file.check_equal(f"{name}: standard deviation", bool(abs(value.std() / expected - 1) < 0.1), True)
        file.check_equal(f"{name}: tails", bool(np.abs(value).max() > 3 * expected), not is_uniform)


CASES: dict[str, Case] = {"wbdc_optimizer": optimizer, "wbdc_init": initial_weights}

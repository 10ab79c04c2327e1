"""Models and layers as a golden file describes them, filled with its weights."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.golden.file import GoldenFile
from vsim_tf.layers.encoder_config import EncoderConfig
from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.architectures import SingleStream
from vsim_tf.models.build import build_network
from vsim_tf.models.hub_weights import read_encoder_config
from vsim_tf.models.network import VideoNetwork
from vsim_tf.presets.preset import Preset
from vsim_tf.tasks.task import Task

HEAD_NAMES = {"mlm/transform/": "mlm/transform/dense/", "mlm/layer_norm/": "mlm/transform/layer_norm/"}
"""Beginnings of weight names of this package, and what the golden files have in their place."""


def encoder_config(file: GoldenFile) -> EncoderConfig:
    """The file's encoder, read as a Hugging Face folder would be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(file.about["encoder_config"], allow_nan=False), encoding="utf-8")
        return EncoderConfig(**read_encoder_config(folder, file.about["encoder_config"]["model_type"]))


def sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Values of a model by path, by the names that golden files have for them."""
    return {
        "frames.dim": config["frame_size"],
        "frames.max_frames": config["max_frames"],
        "text.max_length": config["text_len"],
        "embedding_size": config["emb"],
        "num_tags": config["tags"],
        "dropout": 0.0,
        "num_experts": config["gate_experts"],
        "clusters": config["clusters"],
        "groups": config["groups"],
        "expansion": config["expansion"],
        "vlad_size": config["vlad_hidden"],
        "se_ratio": config["se_ratio"],
    }


def make_network(file: GoldenFile, preset: Preset, tasks: Iterable[Task], pooling: str | None = None) -> VideoNetwork:
    """The network of a registered model in the file's sizes and with its weights `w/`."""
    values = {path: value for path, value in sizes(file.config).items() if preset.model.has(path)}
    model = preset.model.replace(values | ({"pooling": pooling} if pooling else {}), encoder=encoder_config(file))
    network = build_network(model, tasks)
    fill(model_weights(network), model_arrays(file.under("w/"), network))
    return network


def encoder_weights(encoder: TransformerEncoder) -> dict[str, NamedWeight]:
    """Weights by their golden name, e.g. `bert/encoder/layer_._0/attention/self/query/kernel`."""
    return {f"{encoder.config.kind}/{name}": weight for name, weight in encoder.named_weights().items()}


def model_weights(model: VideoNetwork) -> dict[str, NamedWeight]:
    """All weights of a model, BatchNorm statistics included, by their golden name."""
    heads = {_golden_name(name): weight for name, weight in model.head_weights().items()}
    return encoder_weights(model.encoder) | heads


def _golden_name(name: str) -> str:
    for ours, theirs in HEAD_NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def model_arrays(arrays: dict[str, np.ndarray], model: VideoNetwork) -> dict[str, np.ndarray]:
    """The arrays that a model has a weight for: a Uniter lacks the pooler, which never got a gradient (quirk 19)."""
    if not isinstance(model.config, SingleStream):
        return arrays
    return {name: array for name, array in arrays.items() if not name.startswith("bert/pooler/")}


def layer_weights(layer: keras.layers.Layer) -> dict[str, NamedWeight]:
    """Weights of a built layer by their path, the random states of dropout left out."""
    return {v.path: NamedWeight(v) for v in layer.weights if "seed_generator" not in v.path}


def fill(weights: Mapping[str, NamedWeight], arrays: Mapping[str, np.ndarray]) -> None:
    """Gives every weight its array; every array must have its weight.

    Raises:
        UserError: names or shapes that do not fit.
    """
    missing, surplus = sorted(set(weights) - set(arrays)), sorted(set(arrays) - set(weights))
    shapes = [name for name in set(weights) & set(arrays) if weights[name].shape != arrays[name].shape]
    problems = {"without an array": missing, "without a weight": surplus, "of another shape": shapes}
    found = [f"{text}: {count_and_first(names)}" for text, names in problems.items() if names]
    if found:
        raise UserError("; ".join(found))
    for name, weight in weights.items():
        weight.assign(arrays[name])

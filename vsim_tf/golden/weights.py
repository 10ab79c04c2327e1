"""Models and layers as a golden file describes them, filled with its weights."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from vsim_tf.config import EncoderConfig, ModelConfig
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.golden.file import GoldenFile
from vsim_tf.layers.transformer import NamedWeight, TransformerEncoder
from vsim_tf.models.build import build_model
from vsim_tf.models.hub_weights import read_encoder_config
from vsim_tf.models.video_model import VideoModel
from vsim_tf.presets.registry import ModelSpec, model_config

HEAD_NAMES = {"mlm/transform/": "mlm/transform/dense/", "mlm/layer_norm/": "mlm/transform/layer_norm/"}
"""Beginnings of weight names of this package, and what the golden files have in their place."""


def encoder_config(file: GoldenFile) -> EncoderConfig:
    """The file's encoder, read as a Hugging Face folder would be."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "config.json").write_text(json.dumps(file.about["encoder_config"], allow_nan=False), encoding="utf-8")
        return EncoderConfig(**read_encoder_config(folder, file.about["encoder_config"]["model_type"]))


def sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `ModelConfig` by the names that golden files have for them."""
    return {
        "frame_embedding_size": config["frame_size"],
        "max_frames": config["max_frames"],
        "max_text_length": config["text_len"],
        "embedding_size": config["emb"],
        "dropout": 0.0,
        "num_experts": config["gate_experts"],
        "vlad_clusters": config["clusters"],
        "vlad_groups": config["groups"],
        "vlad_expansion": config["expansion"],
        "vlad_hidden_size": config["vlad_hidden"],
        "se_ratio": config["se_ratio"],
    }


def make_model(file: GoldenFile, spec: ModelSpec, pretraining: bool, pooling: str | None = None) -> VideoModel:
    """The registered model in the file's sizes and with its weights `w/`."""
    config: ModelConfig = model_config(spec, "base", encoder_config(file), file.config["tags"], **sizes(file.config))
    model = build_model(config.replace(pooling=pooling), pretraining)
    fill(model_weights(model), model_arrays(file.under("w/"), model))
    return model


def encoder_weights(encoder: TransformerEncoder) -> dict[str, NamedWeight]:
    """Weights by their golden name, e.g. `bert/encoder/layer_._0/attention/self/query/kernel`."""
    return {f"{encoder.config.kind}/{name}": weight for name, weight in encoder.named_weights().items()}


def model_weights(model: VideoModel) -> dict[str, NamedWeight]:
    """All weights of a model, BatchNorm statistics included, by their golden name."""
    heads = {_golden_name(name): weight for name, weight in model.head_weights().items()}
    return encoder_weights(model.encoder) | heads


def _golden_name(name: str) -> str:
    for ours, theirs in HEAD_NAMES.items():
        if name.startswith(ours):
            return theirs + name.removeprefix(ours)
    return name


def model_arrays(arrays: dict[str, np.ndarray], model: VideoModel) -> dict[str, np.ndarray]:
    """The arrays that a model has a weight for: a Uniter lacks the pooler, which never got a gradient (quirk 19)."""
    if model.config.architecture != "uniter":
        return arrays
    return {name: array for name, array in arrays.items() if not name.startswith("bert/pooler/")}


def layer_weights(layer: keras.layers.Layer) -> dict[str, NamedWeight]:
    """Weights of a built layer by their path, the random states of dropout left out."""
    return {v.path: NamedWeight(v) for v in layer.weights if "seed_generator" not in v.path}


def fill(weights: Mapping[str, NamedWeight], arrays: Mapping[str, np.ndarray]):
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

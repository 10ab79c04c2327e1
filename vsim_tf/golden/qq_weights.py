"""Networks of the 1st place as its golden files describe them, filled with weights that have their PyTorch names."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.golden.file import GoldenFile
from vsim_tf.golden.torch_weights import LAYERS as SHARED_LAYERS
from vsim_tf.golden.torch_weights import TENSORS, TorchWeight, fill, in_layer
from vsim_tf.models.architectures import Model
from vsim_tf.models.bert_names import torch_name
from vsim_tf.models.build import build_network
from vsim_tf.models.network import VideoNetwork
from vsim_tf.presets import registry
from vsim_tf.presets.preset import Preset
from vsim_tf.records.schema import PairBatch, VideoBatch
from vsim_tf.tasks.task import Task

LAYERS = SHARED_LAYERS | {
    "newfc_hidden": "fc",
    "newfc_tag": "classifier",
    "newemb_att.0": "attention_pool/hidden",
    "newemb_att.2": "attention_pool/score",
}
"""PyTorch modules outside the encoder, and the layers of this package."""
DEAD = "roberta.bert.video_embeddings.word_embeddings.weight"
"""The table that nothing looks up (rank-1 quirk 7)."""
NOISE = re.compile(r".*\.attention\.self\.key\.bias|newemb_att\.2\.bias")
"""Softmax ignores them: their gradient is rounding noise, of which Adam makes full steps."""
LAYOUTS = {"cls-first": "cls_first", "frames-first": "frames_first"}


def torch_weights(network: VideoNetwork, names: Iterable[str]) -> dict[str, TorchWeight]:
    """The weights of a network by those of the PyTorch names that it has."""
    encoder, others = network.encoder.named_weights(), network.head_weights()
    found = {}
    for name in names:
        ours, transposed = _place(name)
        weight = others.get(ours) or encoder.get(ours)
        if weight is not None:
            found[name] = TorchWeight(weight, transposed)
    return found


def _place(name: str) -> tuple[str, bool]:
    """The name of a parameter in this package, and whether it is transposed there."""
    if name in TENSORS:
        return TENSORS[name]
    if name.rpartition(".")[0] in LAYERS:
        return in_layer(name, LAYERS)
    ours, transposed = torch_name(name.removeprefix("roberta."))
    return ours or "", transposed


def preset_of(file: GoldenFile) -> Preset:
    """The registered job of a file in the file's sizes, without dropout."""
    config = file.config
    preset = registry.preset(f"qq_job{config['job']}")
    file.check_equal("layout", LAYOUTS[config["layout"]], preset.model.to_dict()["layout"]["type"])
    file.check_equal("pooling", config["pooling"], preset.model.to_dict()["pooling"]["type"])
    head = preset.pretrain.to_dict()["tasks"]["tag"]["head"]["type"]
    file.check_equal("tag_input", config["tag_input"], head)
    return preset.replace({f"model.{path}": value for path, value in _sizes(config).items()})


def _sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "encoder.vocab_size": config["vocab"],
        "encoder.hidden_size": config["hidden"],
        "encoder.num_layers": config["layers"],
        "encoder.num_heads": config["heads"],
        "encoder.intermediate_size": config["ffn"],
        "encoder.max_positions": config["max_pos"],
        "encoder.type_vocab_size": config["type_vocab"],
        "encoder.layer_norm_eps": config["layer_norm_eps"],
        "encoder.initializer_range": config["initializer_range"],
        "encoder.padding_token": config["pad_token_id"],
        "encoder.hidden_dropout": config["dropout"],
        "encoder.attention_dropout": config["dropout"],
        "text.max_length": config["text_len"],
        "frames.dim": config["frame_size"],
        "frames.max_frames": config["slots"],
        "num_tags": config["tags"],
        "embedding_size": config["emb"],
    }


def make_network(file: GoldenFile, model: Model, tasks: Iterable[Task]) -> VideoNetwork:
    """A network with the file's weights `w/`; every weight that it has must be there.

    Raises:
        UserError: weights of the network that the file lacks.
    """
    network = build_network(model, tasks)
    arrays = file.under("w/")
    fill(network, torch_weights(network, arrays), arrays)
    return network


def videos(file: GoldenFile, suffix: str = "", step: int | None = None, **changes: np.ndarray) -> VideoBatch:
    """A batch of the file: what the tokenizer and the frame sampling gave, and the targets of all tasks.

    Args:
        file: holds `in/input_ids` and so on.
        suffix: of the names, for elements of pairs.
        step: which of the batches, in a file of several.
        changes: fields that have other values, as arrays of the whole batch.
    """

    def array(name: str) -> Any:
        value = file.arrays.get(f"in/{name}{suffix}")
        return value if value is None or step is None else value[step]

    targets = {
        "tags": array("target") if not suffix else None,
        "tokens": array("mlm_labels"),
        "frames": array("frames"),
        "masked_frames": None if array("frame_choice") is None else array("frame_choice") > 0,
        "matching": file.arrays.get("out/itm_label"),
    }
    fields: dict[str, Any] = {
        "ids": (),
        "input_ids": array("input_ids"),
        "attention_mask": array("text_mask"),
        "frames": array("frames"),
        "num_frames": array("frame_mask").sum(axis=1).astype("int32"),
        "targets": {name: value for name, value in targets.items() if value is not None},
    }
    batch: VideoBatch = tf.nest.map_structure(tf.constant, VideoBatch(**fields | changes))
    return batch


def pairs(file: GoldenFile, step: int | None = None) -> PairBatch:
    """The pairs of a file, or of one of its steps."""
    target = file["in/target"] if step is None else file["in/target"][step]
    return PairBatch(videos(file, "_1", step), videos(file, "_2", step), {"similarity": tf.constant(target)})

"""Networks of the WeChat 2022 system as its golden files describe them, filled with weights that have their PyTorch names."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from vsim_tf.golden.file import GoldenFile
from vsim_tf.golden.torch_weights import LAYERS, TENSORS, TorchWeight, fill, in_layer
from vsim_tf.golden.wbdc_tower import tower_config
from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.models import clip_weights
from vsim_tf.models.bert_names import torch_name
from vsim_tf.models.build import build_network
from vsim_tf.models.model import Model
from vsim_tf.models.network import VideoNetwork
from vsim_tf.models.two_stream import TwoStreamNetwork
from vsim_tf.records.schema import VideoBatch
from vsim_tf.tasks.task import Task

NOISE = re.compile(r".*(\.key|k_proj)\.bias")
"""Softmax ignores them: their gradient is rounding noise."""
TOWERS = {"single_stream": "tower_single", "two_stream": "tower_wide", "dual_encoder": "tower_clip_pretrain"}
"""Which of a file's towers stands in front of a model."""
CHANNELS_LAST = (0, 1, 3, 4, 2)
MODULES = LAYERS | {"newfc_tag": "classes", "vision_encoder.embeddings.LayerNorm": "frame_block/norm"}
SINGLE = TENSORS | {
    "cls_token": ("frame_block/class_vector", False),
    "vision_encoder.embeddings.position_embeddings.weight": ("frame_block/position", False),
    "vision_encoder.embeddings.token_type_embeddings.weight": ("frame_block/token_type", False),
    "clip/logit_scale": ("scale/value", False),
}
BLOCK_PARTS = {"self_att": "attention", "inter": "intermediate", "output": "output"}
"""Parts of a transformer block within a cross layer, and in BERT."""


def torch_weights(network: VideoNetwork, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, TorchWeight]:
    """The weights of a network by those of the PyTorch names that it has.

    Args:
        network: with all its heads.
        shapes: of the parameters, by their names.
    """
    places = {name: _place(network, name) for name in shapes}
    return {name: TorchWeight(*place, tuple(shapes[name])) for name, place in places.items() if place}


Place = tuple[NamedWeight, bool]


def _place(network: VideoNetwork, name: str) -> Place | None:
    """The weight of a name, and whether it is transposed."""
    for prefix, find in _PREFIXES.items():
        if re.match(prefix, name) and (found := find(network, re.sub(prefix, "", name))):
            return found
    return None


def _of_encoder(network: VideoNetwork, name: str) -> Place | None:
    return _of_bert(network.encoder.named_weights(), name)


def _of_bert(weights: Mapping[str, NamedWeight], name: str) -> Place | None:
    ours, transposed = torch_name(name)
    return (weights[ours], transposed) if ours and ours in weights else None


def _of_tower(network: VideoNetwork, name: str) -> Place | None:
    ours, _ = clip_weights.torch_name(name)
    weights = network.tower.named_weights() if network.tower else {}
    return (weights[ours], ours.endswith("/kernel")) if ours and ours in weights else None


def _of_vision(network: VideoNetwork, name: str) -> Place | None:
    return _of_bert(network.vision.named_weights(), name) if isinstance(network, TwoStreamNetwork) else None


def _of_cross_layer(network: VideoNetwork, name: str) -> Place | None:
    if not isinstance(network, TwoStreamNetwork):
        return None
    number, _, rest = name.partition(".")
    layer = network.cross[int(number)]
    if rest.startswith("visual_attention."):
        name = rest.removeprefix("visual_attention.").replace("att.", "attention.self.").replace("output.", "attention.output.")
        names = layer.cross.named_weights("encoder/layer_._0/attention")
    else:
        stream, part, last = re.fullmatch(r"(lang|visn)_(self_att|inter|output)\.(.*)", rest).groups()  # type: ignore[union-attr]
        name = f"{BLOCK_PARTS[part]}.{last}"
        names = (layer.text if stream == "lang" else layer.vision).named_weights("encoder/layer_._0")
    return _of_bert(names, f"encoder.layer.0.{name}")


def _elsewhere(network: VideoNetwork, name: str) -> Place | None:
    ours, transposed = SINGLE.get(name) or in_layer(name, MODULES)
    weight = network.head_weights().get(ours)
    return (weight, transposed) if weight else None


_PREFIXES: dict[str, Callable[[VideoNetwork, str], Place | None]] = {
    r"(roberta\.bert|roberta)\.(?=embeddings|encoder)|text/": _of_encoder,
    r"(visual_backbone\.|image/)?(?=vision_model\.)": _of_tower,
    r"vision_encoder\.(?=encoder)": _of_vision,
    r"cross_bert\.x_layers\.": _of_cross_layer,
    r"": _elsewhere,
}


def sized(file: GoldenFile, model: Model, frames: int, tower: bool) -> Model:
    """A registered model in a file's sizes, without dropout.

    Args:
        frames: slots.
        tower: whether it reads pixel values.
    """
    config = file.config
    of_tower = config[TOWERS[model.type_name]] if tower else None
    width = of_tower["width"] if of_tower else config["frame_width"]
    sizes = {
        "encoder.vocab_size": config["vocab"], "encoder.hidden_size": config["hidden"], "encoder.num_layers": config["layers"],
        "encoder.num_heads": config["heads"], "encoder.intermediate_size": config["ffn"],
        "encoder.max_positions": config["max_positions"], "encoder.type_vocab_size": config["type_vocab"],
        "encoder.padding_token": config["special_ids"]["PAD"], "encoder.hidden_dropout": 0.0, "encoder.attention_dropout": 0.0,
        "text.max_length": config["text_len"], "frames.max_frames": frames, "num_classes": config["classes"],
        "frames.dim": config["hidden"] if model.type_name != "single_stream" else width,
        "frames.resize": of_tower["image"] if of_tower else 0,
        "vision_layers": config["video_layers"], "cross_layers": config["cross_layers"],
    }  # fmt: skip
    trained = model.tower.trainable_blocks if model.tower else -1
    vision = tower_config(of_tower).replace(trainable_blocks=trained) if of_tower else None
    known = {path: value for path, value in sizes.items() if model.has(path)}
    return model.replace(known | {"tower": vision.to_dict() if vision else None})


def make_network(file: GoldenFile, model: Model, tasks: Iterable[Task], prefix: str = "w/") -> VideoNetwork:
    """A network with the file's weights; every weight that it has must be there.

    Raises:
        UserError: weights of the network that the file lacks.
    """
    network = build_network(model, tasks)
    arrays = file.under(prefix)
    fill(network, torch_weights(network, {name: array.shape for name, array in arrays.items()}), arrays)
    return network


def videos(file: GoldenFile, prefix: str = "in/", step: int | None = None, **targets: Any) -> VideoBatch:
    """A batch of the file.

    Args:
        prefix: of its arrays.
        step: which of the batches, in a file of several.
        targets: of tasks.
    """

    def array(name: str) -> Any:
        value = file[f"{prefix}{name}"]
        return value if step is None else value[step]

    frames = array("frames")
    batch: VideoBatch = tf.nest.map_structure(
        tf.constant,
        VideoBatch(
            ids=(),
            input_ids=array("title_ids").astype("int32"),
            attention_mask=array("title_mask").astype("int32"),
            frames=frames.transpose(CHANNELS_LAST) if frames.ndim == 5 else frames,
            num_frames=array("frame_mask").sum(axis=1).astype("int32"),
            targets=targets,
        ),
    )
    return batch

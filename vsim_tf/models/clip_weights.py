"""CLIP's vision tower from a Hugging Face folder: a whole CLIP model, or its vision model alone.

The folder's preprocessor_config.json is not read: the 8th place of 2022 normalised pictures by ImageNet's mean and deviation, not
by CLIP's, and resized them by another filter (docs/facts_rank8.md 2). The first is `vsim_tf.layers.vision_tower.pixel_values`,
the second `vsim_tf.features.pictures.resize_and_crop`.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_json_object
from vsim_tf.layers.vision_config import CHANNELS, PREFIX, VisionConfig
from vsim_tf.models.hub_config import config_file, require_fixed, require_types
from vsim_tf.models.hub_folder import read_config
from vsim_tf.models.weight_files import SAFETENSORS, Naming, Tensor, open_weights, weights_file
from vsim_tf.models.weight_filling import LoadReport, fill
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.layers.vision_tower import VisionTower  # which loads TensorFlow

WHOLE, ALONE = "clip", "clip_vision_model"
"""Values of `model_type`: a model of pictures and text, whose configuration has one for each, and one of pictures."""
IGNORED = re.compile(r"text_model\..*|(?:visual|text)_projection\.weight|logit_scale|(?:.*\.)?position_ids")
"""Tensors that a tower has no use for."""
PATCHES = f"{PREFIX}/embeddings/patch_embedding/kernel"
_PARTS = ("embeddings", "encoder", "pre_layrnorm", "post_layernorm")

SIZES = {
    "image_size": "picture_size",
    "patch_size": "patch_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "layer_norm_eps": "layer_norm_eps",
}
"""Keys of the configuration, with their names in `VisionConfig`; the defaults are those of transformers."""

FIXED = {"model_type": ALONE, "hidden_act": "quick_gelu", "num_channels": CHANNELS, "attention_dropout": 0.0}
"""What the tower computes; a folder that asks for anything else is refused."""


def read_vision_config(folder: PathLike) -> VisionConfig:
    """The sizes of the vision tower in a Hugging Face folder's config.json.

    Raises:
        UserError: no such file, not JSON, another type of model, an activation, number of channels or dropout that the tower
            does not compute, pictures or patches that are no squares, or a value that transformers refuses.
    """
    path = config_file(folder)
    values = read_json_object(path)
    if (kind := values.get("model_type")) not in (WHOLE, ALONE):
        raise UserError(f"{path}: model_type is {kind!r}; a CLIP model is needed, {WHOLE!r} or {ALONE!r}")
    require_fixed(path, values, {"configuration_files": None})
    read: Any = read_config(folder)
    of_tower = (read.vision_config if kind == WHOLE else read).to_dict()
    require_fixed(path, of_tower, FIXED)
    require_types(path, of_tower, SIZES, VisionConfig, SIZES)
    try:
        return VisionConfig(**{name: of_tower[key] for key, name in SIZES.items()})
    except UserError as error:  # sizes that do not go together
        raise UserError(f"{path}: {error}") from None


def load_vision_tower(tower: "VisionTower", folder: PathLike) -> LoadReport:
    """Fills a vision tower with the weights of a Hugging Face folder.

    Every weight must be in the file. The text model, both projections, the scale of logits and saved position counters are
    ignored; anything else is refused. Nothing is set unless everything fits. float16, bfloat16 and float64 become float32.

    Args:
        tower: a built tower.
        folder: has model.safetensors, or shards of it with their index.

    Raises:
        UserError: no weights file, a damaged one, or one that does not fit; names the file and the tensors.
    """
    path = weights_file(Path(folder), SAFETENSORS)
    patches = (tower.config.hidden_size, CHANNELS, tower.config.patch_size, tower.config.patch_size)
    with open_weights(path, NAMING) as tensors:
        placed = [_as_dense(tensor, patches) for tensor in tensors]
        return fill("vision tower", tower.named_weights(), path, placed, _ignored)


def torch_name(source: str) -> tuple[str | None, bool]:
    """The name of a PyTorch weight in `VisionTower.named_weights`, and whether it is transposed; None for no weight of a tower.

    transformers 5 saves a vision model alone without the prefix.
    """
    *path, last = source.removeprefix(f"{PREFIX}.").split(".")
    if not path or path[0] not in _PARTS or IGNORED.fullmatch(source):
        return None, False
    owner = path[-1]
    if "norm" in owner:  # pre_layrnorm among them
        last = {"weight": "gamma", "bias": "beta"}.get(last, last)
    elif last == "weight" and owner != "position_embedding":
        last = "kernel"
    return "/".join((PREFIX, *path, last)), last == "kernel" and owner != "patch_embedding"


NAMING = Naming(torch_name)


def _as_dense(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The tensor; the kernel of patches, a convolution, in the order of the tower's cut patches, whose channels come first."""
    return tensor.flattened_kernel() if tensor.name == PATCHES and tensor.shape == shape else tensor


def _ignored(tensor: Tensor) -> bool:
    return IGNORED.fullmatch(tensor.source) is not None

"""A vision tower as a Hugging Face folder of a CLIP vision model alone, as `vsim_tf.models.clip_weights` reads it."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from vsim_tf.io.files import output_file
from vsim_tf.layers.vision_config import CHANNELS
from vsim_tf.layers.vision_tower import VisionTower
from vsim_tf.models.clip_weights import FIXED, PATCHES, SIZES
from vsim_tf.models.hub_config import config_file
from vsim_tf.models.weight_files import SAFETENSORS_FILE


def write_vision_tower(tower: VisionTower, folder: Path) -> None:
    """Writes config.json and model.safetensors, in float32, into a folder.

    Raises:
        UserError: the folder cannot be written.
    """
    patch_size = tower.config.patch_size
    weights = dict(_torch(name, weight.read(), patch_size) for name, weight in tower.named_weights().items())
    with output_file(folder / SAFETENSORS_FILE) as file:
        file.write(save(weights))
    sizes = {key: getattr(tower.config, name) for key, name in SIZES.items()}
    with output_file(config_file(folder)) as file:
        file.write(json.dumps({"architectures": ["CLIPVisionModel"], **FIXED, **sizes}, indent=2).encode() + b"\n")


def _torch(name: str, value: np.ndarray, patch_size: int) -> tuple[str, np.ndarray]:
    """The PyTorch name and form of a weight; the kernel of patches is that of a convolution."""
    *path, last = name.split("/")
    if last == "kernel":
        value = value.T
    if name == PATCHES:
        value = value.reshape(-1, CHANNELS, patch_size, patch_size)
    last = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(last, last)
    return ".".join((*path, last)), np.ascontiguousarray(value, np.float32)

"""Cases of the WeChat 2022 system: CLIP's vision tower."""

from typing import Any

import numpy as np

from vsim_tf.features.pictures import PictureSizes, resize_and_crop, resized
from vsim_tf.golden.file import EXACT, Case, GoldenFile, absolute, scaled
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import VisionTower, pixel_values
from vsim_tf.models.clip_weights import torch_name

STATES, PIXELS = scaled(5e-6), absolute(1e-6)
TOWER_SIZES = {
    "image": "picture_size", "patch": "patch_size", "width": "hidden_size", "layers": "num_layers", "heads": "num_heads",
    "ffn": "intermediate_size",
}  # fmt: skip
"""Names of a file's configuration and of `VisionConfig`."""
CHANNELS_LAST = (0, 2, 3, 1)


def tower_config(sizes: dict[str, Any]) -> VisionConfig:
    """The tower of sizes as a golden file has them."""
    return VisionConfig(**{TOWER_SIZES[name]: value for name, value in sizes.items()})


def fill_tower(tower: VisionTower, arrays: dict[str, np.ndarray]) -> None:
    """Sets all weights of a built tower to arrays in PyTorch's layout under its names."""
    weights = tower.named_weights()
    values = {torch_name(name)[0]: array for name, array in arrays.items()}
    for name, weight in weights.items():
        weight.assign(kernel_of(name, values[name]))


def kernel_of(name: str, array: np.ndarray) -> np.ndarray:
    """An array of PyTorch as Keras has it."""
    return array.reshape(len(array), -1).T if name.endswith("/kernel") else array


def clip_tower(file: GoldenFile) -> None:
    """States and pooled output of pixel values, and of pictures from their cropped bytes on."""
    tower = VisionTower(tower_config(file.config["tower_single"]))
    tower.build()
    fill_tower(tower, file.under("w/"))
    states = tower.states(file["in/pixels"].transpose(CHANNELS_LAST))
    for number, each in enumerate(states):
        file.check(f"out/hidden_{number}", each, STATES)
    file.check("out/last_hidden_state", states[-1], STATES)
    file.check("out/pooled", tower.pooled(states[-1]), STATES)
    crops = np.stack([file[f"out/image_{number}/cropped"] for number in range(len(file["out/images_pooled"]))])
    states = tower.states(pixel_values(crops))
    file.check("out/images_last_hidden_state", states[-1], STATES)
    file.check("out/images_pooled", tower(pixel_values(crops)), STATES)
    _check_pictures(file)


def _check_pictures(file: GoldenFile) -> None:
    """Pictures resized and cropped, to the byte, and the pixel values of the crops."""
    small = PictureSizes(file.config["resize"], file.config["crop"])
    for number in range(len(file["out/images_pooled"])):
        name = f"image_{number}"
        picture = file[f"in/{name}"]
        file.check(f"out/{name}/resized", resized(picture, small.resize), EXACT)
        file.check(f"out/{name}/cropped", resize_and_crop(picture, small), EXACT)
        file.check(f"out/{name}/pixels", _channels_first(resize_and_crop(picture, small)), PIXELS)
    crop = resize_and_crop(file["in/image_real"])
    pixels = _channels_first(crop)
    file.check("out/image_real/cropped", crop, EXACT)
    file.check("out/image_real/pixels_every_8th", pixels[:, ::8, ::8], PIXELS)
    file.check("out/image_real/channel_mean", pixels.mean(axis=(1, 2), dtype="float64"), PIXELS)
    file.check("out/image_real/channel_std", pixels.std(axis=(1, 2), dtype="float64"), PIXELS)


def _channels_first(picture: np.ndarray) -> np.ndarray:
    return np.asarray(pixel_values(picture)).transpose(2, 0, 1)


CASES: dict[str, Case] = {"wbdc_clip_tower": clip_tower}

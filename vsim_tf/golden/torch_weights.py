"""Weights under their PyTorch names: of the 1st place of 2021 and of the WeChat 2022 system, whose classes have one ancestry."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.layers.named_weights import NamedWeight
from vsim_tf.models.network import VideoNetwork

LAYERS = {
    "roberta.bert.video_fc": "frame_block/project",
    "roberta.bert.video_embeddings.LayerNorm": "frame_block/norm",
    "roberta.cls.predictions.transform.dense": "mlm/transform",
    "roberta.cls.predictions.transform.LayerNorm": "mlm/layer_norm",
    "roberta_mvm_lm_header.predictions.transform.dense": "mfm/transform",
    "roberta_mvm_lm_header.predictions.transform.LayerNorm": "mfm/layer_norm",
    "roberta_mvm_lm_header.predictions.decoder": "mfm/decoder",
    "newfc_itm": "itm",
}
"""PyTorch modules outside the encoder that both have, and the layers of this package."""
TENSORS = {
    "roberta.bert.video_embeddings.position_embeddings.weight": ("frame_block/position", False),
    "roberta.bert.video_embeddings.token_type_embeddings.weight": ("frame_block/token_type", False),
    "roberta.cls.predictions.bias": ("mlm/bias", False),
    "roberta.cls.predictions.decoder.weight": ("mlm/decoder", True),
    "roberta_mvm_lm_header.predictions.bias": ("mfm/decoder/bias", False),
}
"""Single parameters, the weights of this package, and whether these are transposed."""


class TorchWeight(NamedTuple):
    """A weight under its PyTorch name.

    Attributes:
        weight: where it is.
        transposed: whether the first axis is the last one here.
        shape: PyTorch's, where it has other axes.
    """

    weight: NamedWeight
    transposed: bool
    shape: tuple[int, ...] | None = None

    def read(self) -> np.ndarray:
        return self.of(self.weight.variable.numpy())

    def of(self, whole: np.ndarray) -> np.ndarray:
        """What belongs to the name of an array that is shaped like the whole variable, as PyTorch has it."""
        value = self.weight.select(whole)
        value = value.T if self.transposed else value
        return value if self.shape is None else value.reshape(self.shape)

    def assign(self, value: np.ndarray) -> None:
        flat = value.reshape(len(value), -1).T if self.transposed else value
        self.weight.assign(flat.reshape(self.weight.shape))


def in_layer(name: str, layers: Mapping[str, str]) -> tuple[str, bool]:
    """The name in this package of a parameter outside the encoder, and whether it is transposed here.

    Args:
        name: of the parameter.
        layers: by module; a module that is not among them has its own name.
    """
    module, _, last = name.rpartition(".")
    is_norm = "LayerNorm" in module
    ours = {"weight": "gamma" if is_norm else "kernel", "bias": "beta" if is_norm else "bias"}.get(last, last)
    return f"{layers.get(module, module)}/{ours}", last == "weight" and not is_norm


def fill(network: VideoNetwork, weights: Mapping[str, TorchWeight], arrays: Mapping[str, np.ndarray]) -> None:
    """Gives the weights of a network their arrays.

    Raises:
        UserError: weights of the network without an array.
    """
    filled = {id(each.weight.variable) for each in weights.values()}
    missing = [name for name, variable in network.weights_by_name().items() if id(variable) not in filled]
    if missing:
        raise UserError(f"weights without an array: {count_and_first(missing)}")
    for name, weight in weights.items():
        weight.assign(arrays[name])

"""Weights by their Hugging Face names, so that published checkpoints fit."""

from collections.abc import Sequence

import keras
import numpy as np

from vsim_tf.layers.kernels.layer_norm import LayerNorm


class NamedWeight:
    """A weight under its Hugging Face name: a whole variable, or the query, key or value third of a fused one."""

    def __init__(self, variable: keras.Variable, part: int | None = None):
        self.variable = variable
        self.part = part

    @property
    def shape(self) -> tuple[int, ...]:
        shape = tuple(self.variable.shape)
        return shape if self.part is None else (*shape[:-1], shape[-1] // 3)

    def select(self, array: np.ndarray) -> np.ndarray:
        """The part of an array shaped like the whole variable that belongs to this name."""
        if self.part is None:
            return np.asarray(array)
        width = self.shape[-1]
        return np.asarray(array)[..., self.part * width : (self.part + 1) * width]

    def read(self) -> np.ndarray:
        return self.select(self.variable.numpy())

    def assign(self, value: np.ndarray) -> None:
        whole = np.array(self.variable.numpy())
        self.select(whole)[...] = value
        self.variable.assign(whole)


def dense_weights(name: str, layer: keras.layers.Dense) -> dict[str, NamedWeight]:
    """Hugging Face names of a Dense layer's kernel and bias."""
    return {f"{name}/kernel": NamedWeight(layer.kernel), f"{name}/bias": NamedWeight(layer.bias)}


def fused_weights(names: Sequence[str], layer: keras.layers.Dense) -> dict[str, NamedWeight]:
    """Hugging Face names of a fused layer of queries, keys and values, each of which is a layer there."""
    variables = {"kernel": layer.kernel, "bias": layer.bias}
    return {f"{name}/{of}": NamedWeight(each, part) for part, name in enumerate(names) for of, each in variables.items()}


def norm_weights(name: str, layer: LayerNorm) -> dict[str, NamedWeight]:
    """Hugging Face names of a LayerNorm's scale and offset."""
    return {f"{name}/gamma": NamedWeight(layer.gamma), f"{name}/beta": NamedWeight(layer.beta)}

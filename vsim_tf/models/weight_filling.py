"""Filling the weights of a layer from the tensors of a file, completely or not at all."""

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.models.weight_files import Tensor


class NamedWeight(Protocol):
    """A weight, or the part of a fused one, that can be read and set on its own."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def assign(self, value: np.ndarray) -> None: ...


class NamedLayer(Protocol):
    """A built layer whose weights have Hugging Face's TensorFlow names without the model's prefix."""

    def named_weights(self) -> Mapping[str, NamedWeight]: ...


class LoadReport(NamedTuple):
    """What a load did; as text it is one line for a log.

    Attributes:
        file: the file the weights come from; the index where they are in shards.
        filled: names of the weights that were set.
        kept: names of the weights that the file lacks and that keep their value (a table of sinusoids).
        ignored: names of the file's tensors that there is no use for.
    """

    file: Path
    filled: list[str]
    kept: list[str]
    ignored: list[str]

    def __str__(self) -> str:
        parts = [f"{len(self.filled)} weights filled from {self.file}"]
        parts += [f"kept {count_and_first(self.kept)}"] if self.kept else []
        parts += [f"ignored {count_and_first(self.ignored)}"] if self.ignored else []
        return "; ".join(parts)


def fill(
    layer: str,
    weights: Mapping[str, NamedWeight],
    path: Path,
    tensors: Iterable[Tensor],
    ignored: Callable[[Tensor], bool],
    optional: Collection[str] = (),
    advice: Callable[[list[str]], str] = lambda missing: "",
) -> LoadReport:
    """Sets weights to the tensors of their names; nothing is set unless everything fits.

    Args:
        layer: what messages call the layer.
        weights: all of it by name.
        path: the file.
        tensors: its content.
        ignored: whether a tensor that is no weight of the layer may be there.
        optional: names of weights that the file may lack.
        advice: ends the message about weights that the file lacks.

    Raises:
        UserError: weights without a tensor, tensors without a weight, wrong shapes, or values that are no finite floats.
    """
    placed, spare, unused = _place(tensors, weights, ignored)
    kept = [name for name in weights if name not in placed]
    missing = [name for name in kept if name not in optional]
    problems = {
        "weights missing in the file": missing,
        "tensors without a place": unused,
        "wrong shapes": _wrong_shapes(placed, weights),
    }
    if found := [f"{text}, {count_and_first(names)}" for text, names in problems.items() if names]:
        raise UserError(f"{path} does not fit this {layer}: {'; '.join(found)}{advice(missing)}")
    values = {name: tensor.read() for name, tensor in placed.items()}
    for name, value in values.items():
        weights[name].assign(value)
    return LoadReport(path, list(values), kept, spare)


def _place(
    tensors: Iterable[Tensor], weights: Mapping[str, NamedWeight], ignored: Callable[[Tensor], bool]
) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """The tensors by the name of their weight, and the sources of those to ignore and of those without a place."""
    placed: dict[str, Tensor] = {}
    spare: list[str] = []
    unused: list[str] = []
    for tensor in tensors:
        name = tensor.name
        if name is None or name not in weights:
            (spare if ignored(tensor) else unused).append(tensor.source)
        elif name not in placed:
            placed[name] = tensor
        else:  # TensorFlow's masked-LM models write the embeddings once more, under the head
            (spare if _same(placed[name], tensor, weights[name]) else unused).append(tensor.source)
    return placed, spare, unused


def _same(one: Tensor, other: Tensor, weight: NamedWeight) -> bool:
    # The layer's shape first: a file that lies about its sizes must not be read.
    if not one.shape == other.shape == tuple(weight.shape):
        return False
    return np.array_equal(one.read(), other.read())


def _wrong_shapes(placed: Mapping[str, Tensor], weights: Mapping[str, NamedWeight]) -> list[str]:
    pairs = [(tensor, tuple(weights[name].shape)) for name, tensor in placed.items()]
    return [f"{tensor.source} {tensor.shape} instead of {shape}" for tensor, shape in pairs if tensor.shape != shape]

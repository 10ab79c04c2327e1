"""Tensors of a Hugging Face folder under the names of TensorFlow: model.safetensors, its shards, or tf_model.h5.

Nothing here runs code from a file: a pickle is refused, and nothing outside the folder is opened.
"""

import math
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import read_json_object, whats_there

SAFETENSORS_FILE, INDEX_FILE, H5_FILE = "model.safetensors", "model.safetensors.index.json", "tf_model.h5"
SAFETENSORS = (SAFETENSORS_FILE, INDEX_FILE)
ALL_FILES = (*SAFETENSORS, H5_FILE)
PICKLES = "pytorch_model*.bin"
_SAFETENSORS_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_FLOATS = tuple(_SAFETENSORS_DTYPES.values())
_CONVERT = (
    "import glob, torch, safetensors.torch as s; w = {}; "
    f"[w.update(torch.load(f, map_location='cpu', weights_only=True)) for f in glob.glob('{PICKLES}')]; "
    f"s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{SAFETENSORS_FILE}')"
)


class Naming(NamedTuple):
    """Names of the weights of one kind of model.

    Attributes:
        torch: the TensorFlow name of a PyTorch weight, and whether it is transposed; None for what is no weight of the model.
        h5: the name of a dataset's path in tf_model.h5.
    """

    torch: Callable[[str], tuple[str | None, bool]]
    h5: Callable[[str], str | None] = lambda source: None


class Tensor(NamedTuple):
    """A tensor in a file, not read yet.

    Attributes:
        file: the file that holds it.
        source: its name there.
        name: the model's name for it, None for what is no weight of the model.
        shape: as the model has it, [in, out] for kernels.
        dtype: NumPy's name.
        values: reads it as it is stored, in that shape.
    """

    file: Path
    source: str
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    values: Callable[[], np.ndarray]

    def read(self) -> np.ndarray:
        """The tensor as float32; `UserError` when it is damaged, no float, or holds numbers that float32 cannot."""
        if self.dtype not in _FLOATS:
            raise UserError(f"{self.file}: {self.source} is {self.dtype}; {', '.join(_FLOATS)} are accepted")
        with _damage_named(self.file), np.errstate(over="ignore"):
            value = np.ascontiguousarray(self.values(), np.float32)
        if not np.isfinite(value).all():
            raise UserError(f"{self.file}: {self.source} holds values that are not finite float32 numbers")
        return value

    def flattened_kernel(self) -> "Tensor":
        """A convolution's kernel `[out, ...]` as that of a Dense layer, `[in, out]`."""
        out, *axes = self.shape
        return self._replace(shape=(math.prod(axes), out), values=lambda: self.values().reshape(out, -1).T)

    def transposed(self, name: str) -> "Tensor":
        """The matrix turned over, under another name."""
        return self._replace(name=name, shape=self.shape[::-1], values=lambda: self.values().T)


def weights_file(folder: Path, names: Sequence[str] = ALL_FILES) -> Path:
    """The file to open in a folder: model.safetensors, else the index of its shards, else tf_model.h5.

    Args:
        folder: of Hugging Face.
        names: files that are accepted, the first one first.

    Raises:
        UserError: no such folder, or none of these in it; for pickles it shows the command that converts them.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    for name in names:
        if (folder / name).is_file():
            return folder / name
    if pickles := sorted(folder.glob(PICKLES)):
        raise UserError(
            f"{pickles[0]}: a pickle can run code and is not read. Convert it where torch and safetensors "
            f'are installed: cd {shlex.quote(str(folder))} && python -c "{_CONVERT}"'
        )
    raise UserError(
        f"no weights: {whats_there(folder)}; one of {', '.join(names)} is needed. Other formats: load the model in PyTorch"
        " and call its save_pretrained"
    )


@contextmanager
def open_weights(path: Path, naming: Naming) -> Iterator[list[Tensor]]:
    """All tensors of a file that `weights_file` chose, under their names, readable until the block ends."""
    with ExitStack() as stack:
        if path.name == INDEX_FILE:
            yield [tensor for shard, names in _shards(path).items() for tensor in _shard(path, shard, names, naming, stack)]
        elif path.name == SAFETENSORS_FILE:
            yield _safetensors(path, naming, stack)
        else:
            with _damage_named(path):
                datasets = _h5_datasets(path, stack.enter_context(h5py.File(path, "r")))
                tensors = [_h5_tensor(path, dataset, naming) for dataset in datasets]
            yield tensors


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    # What the two libraries raise on random bytes; h5py even a SystemError, for a name that is not UTF-8.
    try:
        yield
    except (SafetensorError, OSError, RuntimeError, KeyError, ValueError, MemoryError, SystemError) as error:
        raise UserError(f"{path}: damaged, or another format than its name says: {error}") from error


# --- safetensors ------------------------------------------------------------------------------------------------------


def _shards(index: Path) -> dict[str, set[str]]:
    """Names of the tensors by the file that the index gives for them."""
    placed = read_json_object(index).get("weight_map")
    if not isinstance(placed, dict) or not placed:
        raise UserError(f"{index}: no weight_map with the file of each tensor")
    shards: dict[str, set[str]] = {}
    for tensor, shard in placed.items():
        if not isinstance(shard, str) or not re.fullmatch(r"[\w.-]+\.safetensors", shard):
            raise UserError(f"{index}: {tensor} is in {shard!r}; a name *.safetensors of a file next to the index is accepted")
        shards.setdefault(shard, set()).add(tensor)
    return shards


def _shard(index: Path, shard: str, names: set[str], naming: Naming, stack: ExitStack) -> list[Tensor]:
    path = index.with_name(shard)
    if not path.is_file():
        raise UserError(f"{path}: {index.name} names this file, {whats_there(path)}; copy all shards into the folder")
    tensors = _safetensors(path, naming, stack)
    found = {tensor.source for tensor in tensors}
    for missing, text in ((names - found, "not in this file"), (found - names, "not in the index")):
        if missing:
            raise UserError(f"{path}: belongs to another {index.name}: {text} are {count_and_first(sorted(missing))}")
    return tensors


def _safetensors(path: Path, naming: Naming, stack: ExitStack) -> list[Tensor]:
    with _damage_named(path):
        file = stack.enter_context(safe_open(path, framework="np"))
        return [_safetensor(path, file, source, naming) for source in sorted(file.keys())]


def _safetensor(path: Path, file: Any, source: str, naming: Naming) -> Tensor:
    name, transpose = naming.torch(source)
    view = file.get_slice(source)
    shape, dtype = tuple(view.get_shape()), _SAFETENSORS_DTYPES.get(view.get_dtype(), view.get_dtype())
    if transpose:
        return Tensor(path, source, name, shape[::-1], dtype, lambda: file.get_tensor(source).T)
    return Tensor(path, source, name, shape, dtype, lambda: file.get_tensor(source))


# --- HDF5 -------------------------------------------------------------------------------------------------------------


def _h5_datasets(path: Path, file: h5py.File) -> list[h5py.Dataset]:
    """All datasets of the file itself: nothing that a link or a storage table fetches from elsewhere."""
    links: list[tuple[str, Any]] = []
    file.visititems_links(lambda name, link: links.append((name, link)))
    for name, link in links:
        if not isinstance(link, h5py.HardLink):
            raise UserError(f"{path}: {name} is a link ({type(link).__name__}); weights must be in the file itself")
    datasets = [file[name] for name, _ in links if isinstance(file[name], h5py.Dataset)]
    for dataset in datasets:
        if dataset.external or dataset.is_virtual:
            raise UserError(f"{path}: {dataset.name} is stored in another file; weights must be in the file itself")
    return datasets


def _h5_tensor(path: Path, dataset: h5py.Dataset, naming: Naming) -> Tensor:
    source = dataset.name.lstrip("/")
    return Tensor(path, source, naming.h5(source), tuple(dataset.shape or ()), dataset.dtype.name, lambda: dataset[()])

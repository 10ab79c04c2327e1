"""Weights of the Hugging Face hub: fills a text encoder from a local folder, completely or not at all.

Nothing here runs code from a file: configurations are JSON, weights are safetensors or HDF5, and a pickle is refused.
"""

import os
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import h5py
import numpy as np
from safetensors import SafetensorError, safe_open

from vsim_tf.config import EncoderConfig
from vsim_tf.data.files import read_json_object
from vsim_tf.errors import UserError, count_and_first

SAFETENSORS_FILE, H5_FILE, PICKLE_FILE = "model.safetensors", "tf_model.h5", "pytorch_model.bin"
SINUSOIDS = "encoder/embed_positions/embeddings"

_SIZES = {
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_hidden_layers": "num_layers",
    "num_attention_heads": "num_heads",
    "intermediate_size": "intermediate_size",
    "max_position_embeddings": "max_positions",
}
"""Keys that config.json must have, with their names in `EncoderConfig`."""

_OPTIONAL = {
    "type_vocab_size": ("type_vocab_size", 2),
    "hidden_dropout_prob": ("hidden_dropout", 0.1),
    "attention_probs_dropout_prob": ("attention_dropout", 0.1),
    "layer_norm_eps": ("layer_norm_eps", 1e-12),
    "initializer_range": ("initializer_range", 0.02),
}
_OPTIONAL_ROFORMER = {"embedding_size": ("embedding_size", 0), "rotary_value": ("rotary_value", False)}
"""Keys that config.json may leave out, with their names in `EncoderConfig` and Hugging Face's defaults."""

_FIXED = {"hidden_act": "gelu", "position_embedding_type": "absolute", "is_decoder": False}
"""What the encoder computes; a folder that asks for anything else is refused."""

_IGNORED = re.compile(
    r"(?:^|/)(?:cls|mlm___cls|nsp___cls)[./]"  # heads of the masked-LM and next-sentence tasks
    r"|(?:^|\.)embeddings\.(?:position_ids|token_type_ids)$"  # counters that PyTorch once saved
)
_TORCH_PREFIX = re.compile(r"^(?:bert|roformer)\.")
_PARTS = ("embeddings", "embeddings_project", "encoder", "pooler")
_H5_NAME = re.compile(rf"(?:^|/)((?:{'|'.join(_PARTS)})/.*?)(?::0)?$")
_SAFETENSORS_DTYPES = {"F16": "float16", "BF16": "bfloat16", "F32": "float32", "F64": "float64"}
_FLOATS = tuple(_SAFETENSORS_DTYPES.values())
_CONVERT = (
    "import torch, safetensors.torch as s; "
    f"w = torch.load('{PICKLE_FILE}', map_location='cpu', weights_only=True); "
    f"s.save_file({{k: v.clone().contiguous() for k, v in w.items()}}, '{SAFETENSORS_FILE}')"
)


class NamedWeight(Protocol):
    """A weight of the encoder, or the part of a fused one, that can be read and set on its own."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def assign(self, value: np.ndarray) -> None: ...


class Encoder(Protocol):
    """A built text encoder whose weights have Hugging Face's TensorFlow names without the model's prefix."""

    def named_weights(self) -> Mapping[str, NamedWeight]: ...


class LoadReport(NamedTuple):
    """What a load did; as text it is one line for a log.

    Attributes:
        file: the file the weights come from.
        filled: names of the encoder's weights that were set.
        kept: names of the encoder's weights that the file lacks and that keep their value (a table of sinusoids,
            a pooler that is not used).
        ignored: names of the file's tensors that the encoder has no use for.
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


class _Tensor(NamedTuple):
    """A tensor in a file, not read yet.

    Attributes:
        source: its name in the file.
        name: the encoder's name for it, None for what is no encoder weight.
        shape: as the encoder has it, [in, out] for kernels.
        dtype: NumPy's name.
        read: reads it, in that shape.
    """

    source: str
    name: str | None
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]


def read_encoder_config(folder: str | os.PathLike, kind: str) -> dict[str, Any]:
    """The arguments of `EncoderConfig` that a Hugging Face folder's config.json holds.

    Args:
        folder: a local folder with config.json.
        kind: "bert" or "roformer"; the file's `model_type` must be the same.

    Raises:
        UserError: no such file, not JSON, a key missing or of the wrong type, another model type, or an activation
            or kind of positions that the encoder does not compute.
    """
    path = Path(folder, "config.json")
    values = read_json_object(path)
    if values.get("model_type") != kind:
        raise UserError(f"{path}: model_type is {values.get('model_type')!r}, {kind!r} is needed here")
    for key, accepted in _FIXED.items():
        if values.get(key) not in (None, accepted):
            raise UserError(f"{path}: {key} is {values[key]!r}, only {accepted!r} is supported")
    missing = [key for key in _SIZES if key not in values]
    if missing:
        raise UserError(f"{path}: no key {', '.join(missing)}")
    config: dict[str, Any] = {"kind": kind}
    for key, name in _SIZES.items():
        config[name] = _typed(path, key, values[key], 1)
    for key, (name, default) in (_OPTIONAL | (_OPTIONAL_ROFORMER if kind == "roformer" else {})).items():
        value = values.get(key)
        config[name] = default if value is None else _typed(path, key, value, default)
    try:
        EncoderConfig(**config)
    except UserError as error:  # sizes that do not go together
        raise UserError(f"{path}: {error}") from None
    return config


def load_pretrained(encoder: Encoder, folder: str | os.PathLike, allow_missing_pooler: bool = False) -> LoadReport:
    """Fill a text encoder with the weights of a Hugging Face folder.

    Every weight of the encoder must be in the file and every tensor of the file must have a place in the encoder.
    Exceptions: heads of the pre-training tasks and saved position counters are ignored, so is a pooler that the
    encoder does not have; RoFormer's table of sinusoids may be missing, as it is computed. Nothing is set unless
    everything fits. float16, bfloat16 and float64 become float32.

    Args:
        encoder: a built encoder, see `Encoder`.
        folder: has model.safetensors (preferred) or tf_model.h5.
        allow_missing_pooler: a pooler that the file lacks keeps its initial values, for models that do not read it.

    Raises:
        UserError: no weights file, a damaged one, or one that does not fit; names the file and the tensors.
    """
    path = weights_file(Path(folder))
    weights = encoder.named_weights()
    with _open(path) as tensors:
        placed, ignored, unused = _place(path, tensors, weights)
        kept = [name for name in weights if name not in placed]
        may_lack = {name for name in kept if name == SINUSOIDS or (allow_missing_pooler and _is_pooler(name))}
        _require_fit(path, [name for name in kept if name not in may_lack], unused, _wrong_shapes(placed, weights))
        values = {name: _read(path, tensor) for name, tensor in placed.items()}
    for name, value in values.items():
        weights[name].assign(value)
    return LoadReport(path, list(values), kept, ignored)


def _typed(path: Path, key: str, value: Any, example: bool | int | float) -> bool | int | float:
    if isinstance(example, bool):
        fits, needed = isinstance(value, bool), "true or false"
    elif isinstance(example, int):
        fits, needed = type(value) is int and value > 0, "a whole number above 0"
    else:
        fits, needed = type(value) in (int, float) and 0 <= value < 1, "a number from 0 to 1"
    if not fits:
        raise UserError(f"{path}: {key} is {value!r}; {needed} is needed")
    return value


def weights_file(folder: Path) -> Path:
    """The file with the weights of a Hugging Face folder; `UserError` without one."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    for name in (SAFETENSORS_FILE, H5_FILE):
        if (folder / name).is_file():
            return folder / name
    if (folder / PICKLE_FILE).exists():
        raise UserError(
            f"{folder / PICKLE_FILE}: a pickle can run code and is not read. Convert it where torch and safetensors "
            f'are installed: cd {shlex.quote(str(folder))} && python -c "{_CONVERT}"'
        )
    raise UserError(f"{folder}: no {SAFETENSORS_FILE} and no {H5_FILE} in this folder")


@contextmanager
def _open(path: Path) -> Iterator[list[_Tensor]]:
    """What is in the file, readable until the block ends."""
    with ExitStack() as stack:
        with _damage_named(path):
            if path.name == SAFETENSORS_FILE:
                file = stack.enter_context(safe_open(path, framework="np"))
                tensors = [_safetensor(file, source) for source in sorted(file.keys())]
            else:
                tensors = [_h5_tensor(d) for d in _h5_datasets(path, stack.enter_context(h5py.File(path, "r")))]
        yield tensors


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    # What the two libraries raise on random bytes; h5py even a SystemError, for a name that is not UTF-8.
    try:
        yield
    except (SafetensorError, OSError, RuntimeError, KeyError, ValueError, MemoryError, SystemError) as error:
        raise UserError(f"{path}: damaged, or another format than its name says: {error}") from error


def _safetensor(file: Any, source: str) -> _Tensor:
    name, transpose = _torch_name(source)
    view = file.get_slice(source)
    shape, dtype = tuple(view.get_shape()), _SAFETENSORS_DTYPES.get(view.get_dtype(), view.get_dtype())
    if transpose:
        return _Tensor(source, name, shape[::-1], dtype, lambda: file.get_tensor(source).T)
    return _Tensor(source, name, shape, dtype, lambda: file.get_tensor(source))


def _torch_name(source: str) -> tuple[str | None, bool]:
    """The TensorFlow name of a PyTorch weight, and whether it is transposed; None for what is no encoder weight."""
    *path, last = _TORCH_PREFIX.sub("", source).split(".")
    if not path or path[0] not in _PARTS or _IGNORED.search(source):
        return None, False
    owner, transpose = path[-1], False
    if owner == "LayerNorm":
        last = {"weight": "gamma", "bias": "beta"}.get(last, last)
    elif last == "weight" and owner in ("position_embeddings", "token_type_embeddings", "embed_positions"):
        last = "embeddings"
    elif last == "weight" and owner != "word_embeddings":
        last, transpose = "kernel", True
    return re.sub(r"/layer/(\d+)/", r"/layer_._\1/", "/".join((*path, last))), transpose


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


def _h5_tensor(dataset: h5py.Dataset) -> _Tensor:
    source = dataset.name.lstrip("/")
    match = _H5_NAME.search(source)
    name = match[1].replace("word_embeddings/embeddings", "word_embeddings/weight") if match else None
    return _Tensor(source, name, tuple(dataset.shape or ()), dataset.dtype.name, lambda: dataset[()])


def _place(
    path: Path, tensors: list[_Tensor], weights: Mapping[str, NamedWeight]
) -> tuple[dict[str, _Tensor], list[str], list[str]]:
    """The tensors by the encoder's name, and the sources of those to ignore and of those without a place."""
    placed: dict[str, _Tensor] = {}
    ignored, unused = [], []
    has_pooler = any(map(_is_pooler, weights))
    for tensor in tensors:
        name = tensor.name
        if name is None:
            (ignored if _IGNORED.search(tensor.source) else unused).append(tensor.source)
        elif name not in weights:
            (ignored if _is_pooler(name) and not has_pooler else unused).append(tensor.source)
        elif name not in placed:
            placed[name] = tensor
        else:  # TensorFlow's masked-LM models write the embeddings once more, under the head
            (ignored if _same(path, placed[name], tensor, weights[name]) else unused).append(tensor.source)
    return placed, ignored, unused


def _same(path: Path, one: _Tensor, other: _Tensor, weight: NamedWeight) -> bool:
    # The encoder's shape first: a file that lies about its sizes must not be read.
    if not one.shape == other.shape == tuple(weight.shape):
        return False
    return np.array_equal(_read(path, one), _read(path, other))


def _is_pooler(name: str) -> bool:
    return name.startswith("pooler/")


def _wrong_shapes(placed: Mapping[str, _Tensor], weights: Mapping[str, NamedWeight]) -> list[str]:
    pairs = [(tensor, tuple(weights[name].shape)) for name, tensor in placed.items()]
    return [f"{tensor.source} {tensor.shape} instead of {shape}" for tensor, shape in pairs if tensor.shape != shape]


def _require_fit(path: Path, missing: list[str], unused: list[str], shapes: list[str]) -> None:
    problems = {"weights missing in the file": missing, "tensors without a place": unused, "wrong shapes": shapes}
    found = [f"{text}, {count_and_first(names)}" for text, names in problems.items() if names]
    if found:
        raise UserError(f"{path} does not fit this encoder: {'; '.join(found)}")


def _read(path: Path, tensor: _Tensor) -> np.ndarray:
    if tensor.dtype not in _FLOATS:
        raise UserError(f"{path}: {tensor.source} is {tensor.dtype}; {', '.join(_FLOATS)} are accepted")
    with _damage_named(path), np.errstate(over="ignore"):
        value = np.ascontiguousarray(tensor.read(), np.float32)
    if not np.isfinite(value).all():
        raise UserError(f"{path}: {tensor.source} holds values that are not finite float32 numbers")
    return value

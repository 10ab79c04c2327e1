"""The front door: a path of trained models in, one `Model` out. TensorFlow is loaded behind the checks that do not need it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vsim_tf.ensemble.combine import normalized_weights
from vsim_tf.ensemble.find import models_present
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.inference.embed_files import finished_checkpoint, require_same_model
from vsim_tf.io.paths import BEST, CHECKPOINT, CONFIG, FOLD_RUNS, LAST, RESULT, basis_file
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.presets import registry
from vsim_tf.runs.checkpoint_files import index_file, require_checkpoint
from vsim_tf.runs.stage import PRECISIONS
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

ACCEPTED = (
    "accepted are a folder of models (output/demo), of one model's folds (output/demo/uniter), a run folder"
    " (output/demo/uniter/fold-00), or a checkpoint (output/demo/uniter/fold-00/last/ckpt-48)"
)


class Part(NamedTuple):
    """Checkpoints whose mean is one term of a model's sum.

    Attributes:
        checkpoints: of runs of one model.
        weight: of the term.
        model: registered name that the runs must have; empty for any.
    """

    checkpoints: list[str]
    weight: float = 1.0
    model: str = ""


def load(path: PathLike, precision: str = "float32", checkpoint: str | None = None) -> "Model":
    """Opens trained models as one that embeds videos given as dicts.

    The first call loads TensorFlow, without its notes on stderr; Keras' global settings stay as they are.

    Args:
        path: one of
            a checkpoint, `output/demo/uniter/fold-00/last/ckpt-48`;
            the folder of a run, `output/demo/uniter/fold-00`: its newest checkpoint;
            the folder of a model, `output/demo/uniter`: the mean of all its folds;
            the folder of several models, `output/demo`: their ensemble as `ensemble_final.py` makes it. With a `result.basis.npz`
            there, that is the models of this basis, each the mean of its folds, concatenated and projected; else the sum of
            all models' means by the registered weights, scaled to the sum 1.
        precision: "float32", or "auto" for `mixed_bfloat16` on GPUs made for it, or "mixed_bfloat16" on any device.
        checkpoint: "last" or "best" of each run; None for the one that the model's stage keeps (`Selection.kept`). Of a path of a
            checkpoint it says nothing.

    Raises:
        UserError: nothing of that kind is there, a run is not complete, a file of it cannot be used, or the basis is of other
            models.
    """
    _require_one_of("precision", precision, PRECISIONS)
    if checkpoint is not None:
        _require_one_of("checkpoint", checkpoint, (LAST, BEST))
    basis = find_basis(Path(path))
    parts = find_parts(Path(path), checkpoint or "", basis)
    with quiet_imports():
        from vsim_tf.inference.member import Member
        from vsim_tf.inference.model import Model

    members = [Member(part.checkpoints, precision, part.weight, part.model) for part in parts]
    if basis:
        dims = {member.config.name: member.config.dim for member in members}
        basis.require(dims, dict(zip(dims, basis.weights, strict=True)))
    return Model(members, str(path), basis)


def find_basis(path: Path) -> SvdBasis | None:
    """The basis of the ensemble that a folder holds; None where it holds none."""
    file = basis_file(path / RESULT)
    return SvdBasis.load(file) if file.is_file() else None


def find_parts(path: Path, kind: str, basis: SvdBasis | None = None) -> list[Part]:
    """The checkpoints that a path stands for; arguments and errors are those of `load`."""
    if index_file(path).is_file():
        return [Part([os.fspath(path)])]
    if (path / CONFIG).is_file():
        return [Part([finished_checkpoint(path, kind)])]
    if folds := _folds(path):
        return [Part(_checkpoints(folds, kind))]
    if any(_folds(path / name) for name in registry.PUBLIC_MODELS):
        return _models(path, kind, basis)
    if path.name.startswith(CHECKPOINT):
        require_checkpoint(path)
    raise UserError(f"{path} {'holds no trained model' if path.exists() else 'does not exist'}; {ACCEPTED}")


def _models(path: Path, kind: str, basis: SvdBasis | None) -> list[Part]:
    """Of those that are there, or those of a basis with its weights."""
    if basis:
        names, weights = list(basis.names), list(basis.weights)
        if missing := [name for name in names if not _folds(path / name)]:
            raise UserError(f"{basis.source} is of {', '.join(names)}; {path} has no trained {', '.join(missing)}")
    else:
        names = models_present(path, registry.PUBLIC_MODELS)
        weights = normalized_weights([registry.preset(name).ensemble_weight for name in names])
    checkpoints = (_checkpoints(_folds(path / name), kind) for name in names)
    return [Part(*values) for values in zip(checkpoints, weights, names, strict=True)]


def _folds(path: Path) -> list[Path]:
    """Run folders of a model's folds, in their order."""
    return sorted(config.parent for config in path.glob(f"{FOLD_RUNS}/{CONFIG}"))


def _checkpoints(folds: Sequence[Path], kind: str) -> list[str]:
    require_same_model(folds)
    return [finished_checkpoint(folder, kind) for folder in folds]


def _require_one_of(name: str, value: str, accepted: Sequence[str]) -> None:
    if value not in accepted:
        raise UserError(f"{name}={value!r}: one of {', '.join(accepted)} is accepted")

"""The front door: a path of trained models in, one `Model` out. TensorFlow is loaded behind the checks that do not need it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from vsim_tf.ensemble.combine import normalized_weights
from vsim_tf.ensemble.find import linear_present
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.errors import UserError
from vsim_tf.inference.embed_files import finished_checkpoint, require_same_model
from vsim_tf.inference.model_file import read_model_file
from vsim_tf.inference.products import EMBEDDINGS, PREDICTIONS, Product
from vsim_tf.inference.shipped import ACCEPTED, model_path
from vsim_tf.io.files import read_json_object
from vsim_tf.io.paths import (
    BEST,
    CHECKPOINT,
    CONFIG,
    EXPORT,
    FOLD_RUNS,
    FULL,
    LAST,
    RESULT,
    SAVED_MODEL,
    TOWER,
    basis_file,
    fold_folder,
    linear_file,
)
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.presets import registry
from vsim_tf.runs.checkpoint_files import index_file, require_checkpoint, run_of
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.runs.stage import PRECISIONS
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.features.tower import Tower
    from vsim_tf.inference.model import Model


class Part(NamedTuple):
    """Checkpoints whose mean is one term of a model's sum.

    Attributes:
        checkpoints: of runs of one model, or the file of a linear one.
        weight: of the term.
        model: registered name that the runs must have; empty for any.
    """

    checkpoints: list[str]
    weight: float = 1.0
    model: str = ""

    @property
    def is_linear(self) -> bool:
        """Whether it is a linear model, which belongs to models of embeddings."""
        return self.model == registry.LINEAR

    @property
    def product(self) -> Product:
        """What the runs were trained for: predictions if on classes."""
        if self.is_linear:
            return EMBEDDINGS
        classes = RunFolder.open(run_of(self.checkpoints[0])).config.get("classes")
        return PREDICTIONS if isinstance(classes, dict) else EMBEDDINGS


def load(path: PathLike, precision: str = "float32", checkpoint: str | None = None, clip_dir: PathLike | None = None) -> "Model":
    """Opens trained models as one that embeds videos, or predicts their classes.

    The first call loads TensorFlow, without its notes on stderr; Keras' global settings stay as they are.

    Args:
        path: one of
            a checkpoint, `output/demo/uniter/fold-00/last/ckpt-48`;
            the folder of a run, `output/demo/uniter/fold-00`: its newest checkpoint;
            the folder of a model, `output/demo/uniter`: the mean of all its folds, of a classifier also of its run `full`;
            the folder of several models, `output/demo`: their ensemble as `ensemble_final.py` makes it. With a `result.basis.npz`
            there, that is the models of this basis, each the mean of its folds, concatenated and projected; else the sum of
            all models' means by the registered weights, scaled to the sum 1; of classifiers that of their probabilities. One of
            the models is the linear one, where an ensemble with it was made (`ensemble.linear_embeddings`);
            the folder of a saved model (`Model.save`);
            `aiac2021_rank4`, `aiac2021_rank1` or `wbdc2022_rank8`, where nothing is there under this name: a small model that
            comes with the package, for trying the software.
        precision: "float32", or "auto" for `mixed_bfloat16` on GPUs made for it, or "mixed_bfloat16" on any device.
        checkpoint: "last" or "best" of each run; None for the one that the model's stage keeps (`Selection.kept`). Of a path of a
            checkpoint, and of a saved model, it says nothing.
        clip_dir: a tower that makes features of pictures and video files, for models that read features: the Hugging Face folder
            of a CLIP model, or a run folder or checkpoint of a model with a vision tower (`inference.tower.load_tower`). By
            default the tower of a saved model that has one.

    Raises:
        UserError: nothing of that kind is there, a run is not complete, a file of it cannot be used, the basis is of other
            models, or the tower makes other features than the models read, or they have towers of their own.
    """
    _require_one_of("precision", precision, PRECISIONS)
    if checkpoint is not None:
        _require_one_of("checkpoint", checkpoint, (LAST, BEST))
    parts, basis, tower = find_model(model_path(path), checkpoint or "")
    product = _product(path, parts)
    with quiet_imports():
        from vsim_tf.inference.linear_member import LinearMember
        from vsim_tf.inference.member import Member
        from vsim_tf.inference.model import Model

    networks = [Member(part.checkpoints, precision, part.weight, part.model, product) for part in parts if not part.is_linear]
    form = networks[0].format if networks else None
    linear = [LinearMember(part.checkpoints[0], part.weight, form) for part in parts if part.is_linear]
    members: list[Member | LinearMember] = [*networks, *linear]
    if basis:
        dims = {member.name: member.dim for member in members}
        basis.require(dims, dict.fromkeys(dims, 0.0) | dict(zip(basis.names, basis.weights, strict=True)))
    model = Model(members, str(path), basis)
    if given := clip_dir or tower:
        model.tower = _tower(given, precision, model)
    return model


class Found(NamedTuple):
    """What a path stands for: checkpoints, the basis of their ensemble, and the folder of a tower."""

    parts: list[Part]
    basis: SvdBasis | None
    tower: Path | None = None


def find_model(path: Path, kind: str) -> Found:
    """What a path stands for; arguments and errors are those of `load`."""
    if (path / EXPORT).is_file():
        raise UserError(
            f"{path} is an exported model, a graph for programs without vsim_tf (docs/serving.md); load the model that it was"
            " made of, or a folder that model.save wrote"
        )
    if not (path / SAVED_MODEL).is_file():
        basis = find_basis(path)
        return Found(find_parts(path, kind, basis), basis)
    saved = read_model_file(path)
    parts = [Part(member.checkpoints, member.weight, member.model) for member in saved.members]
    for part in parts:
        if not part.is_linear:
            for checkpoint in part.checkpoints:
                require_checkpoint(checkpoint)
    basis = SvdBasis.load(basis_file(path / RESULT)) if saved.has_basis else None
    return Found(parts, basis, path / TOWER if saved.has_tower else None)


def find_basis(path: Path) -> SvdBasis | None:
    """The basis of the ensemble that a folder holds; None where it holds none."""
    file = basis_file(path / RESULT)
    return SvdBasis.load(file) if file.is_file() else None


def find_parts(path: Path, kind: str, basis: SvdBasis | None = None) -> list[Part]:
    """The checkpoints of a path that is no saved model."""
    if index_file(path).is_file():
        return [Part([os.fspath(path)])]
    if (path / CONFIG).is_file():
        if not isinstance(read_json_object(path / CONFIG).get("model"), dict):
            raise UserError(f"{path} is no folder of vsim_tf: its config.json is of another program; {ACCEPTED}")
        return [Part([finished_checkpoint(path, kind)])]
    for run in (path, path / FULL):
        if linear_file(run).is_file():
            return [Part([str(linear_file(run))], model=registry.LINEAR)]
    if runs := _runs(path):
        return [Part(_checkpoints(runs, kind))]
    if any(_runs(path / name) for name in (*registry.PUBLIC_MODELS, *registry.CLASSIFIERS)):
        return _models(path, kind, basis)
    if path.name.startswith(CHECKPOINT):
        require_checkpoint(path)
    raise UserError(f"{path} {'holds no trained model' if path.exists() else 'does not exist'}; {ACCEPTED}")


def _models(path: Path, kind: str, basis: SvdBasis | None) -> list[Part]:
    """Of those that are there, or those of a basis with its weights."""
    if basis:
        names, weights = list(basis.names), list(basis.weights)
        if missing := [name for name in names if not _is_there(path, name)]:
            raise UserError(f"{basis.source} is of {', '.join(names)}; {path} has no trained {', '.join(missing)}")
    else:
        names = [name for name in (*registry.PUBLIC_MODELS, *registry.CLASSIFIERS, registry.LINEAR) if _is_there(path, name)]
        weights = normalized_weights(registry.ensemble_weights(names))
    checkpoints = (
        [str(linear_file(fold_folder(path, name, FULL)))] if name == registry.LINEAR else _checkpoints(_runs(path / name), kind)
        for name in names
    )
    return [Part(*values) for values in zip(checkpoints, weights, names, strict=True)]


def _is_there(path: Path, name: str) -> bool:
    return linear_present(path) if name == registry.LINEAR else bool(_runs(path / name))


def _runs(path: Path) -> list[Path]:
    """Run folders of a model's folds, in their order, and of a classifier's run on all videos."""
    runs = sorted(config.parent for config in path.glob(f"{FOLD_RUNS}/{CONFIG}"))
    return [*runs, path / FULL] if (path / FULL / CONFIG).is_file() else runs


def _checkpoints(runs: Sequence[Path], kind: str) -> list[str]:
    require_same_model(runs)
    return [finished_checkpoint(folder, kind) for folder in runs]


def _product(path: PathLike, parts: Sequence[Part]) -> Product:
    """What models are loaded for; `UserError` where some are classifiers and some are not."""
    products = [part.product for part in parts]
    if len(set(products)) > 1:
        named = ", ".join(f"{part.model} ({product.noun})" for part, product in zip(parts, products, strict=True))
        raise UserError(f"{path} holds models of embeddings and classifiers: {named}; load the folder of one of them")
    return products[0]


def _tower(clip_dir: PathLike, precision: str, model: "Model") -> "Tower":
    from vsim_tf.inference.tower import load_tower
    from vsim_tf.runs.tower_origin import tower_origin

    if not model.frame_dim:
        raise UserError(f"clip_dir={clip_dir}: the models read pictures by towers of their own; leave it out")
    tower = load_tower(clip_dir, precision)
    if tower.dim != model.frame_dim:
        raise UserError(f"clip_dir={clip_dir}: its features have {tower.dim} numbers, the models read {model.frame_dim}")
    for run in model.runs:
        run.require_tower(f"clip_dir={clip_dir}", tower_origin(clip_dir))
    return tower


def _require_one_of(name: str, value: str, accepted: Sequence[str]) -> None:
    if value not in accepted:
        raise UserError(f"{name}={value!r}: one of {', '.join(accepted)} is accepted")

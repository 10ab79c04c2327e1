"""A model as one folder, which `vsim_tf.load` opens again."""

from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from vsim_tf.errors import UserError, system_reason
from vsim_tf.inference.compiled_tower import CompiledTower
from vsim_tf.inference.linear_member import LinearMember
from vsim_tf.inference.member import Member
from vsim_tf.inference.model_card import model_card
from vsim_tf.inference.model_file import ModelFile, SavedMember, write_model_file
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import new_folder, output_file
from vsim_tf.io.paths import FULL, MODEL_CARD, RESULT, TOWER, basis_file, fold_folder, linear_file
from vsim_tf.models.clip_folder import write_vision_tower
from vsim_tf.runs.checkpoint_files import run_of
from vsim_tf.runs.run_copy import copy_run
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model


def save_model(model: "Model", folder: PathLike) -> None:
    """Writes weights, configurations, vocabularies, tags or classes, summaries, basis, tower and card; see `Model.save`."""
    target = Path(folder)
    tower = model.tower.tower if model.frame_dim and isinstance(model.tower, CompiledTower) else None
    needed = sum(member.weight_bytes for member in model.members)
    with new_folder(target) as part:
        require_space(part, needed, "the saved model")
        saved = [
            _save_linear(member, part) if isinstance(member, LinearMember) else _save(member, part) for member in model.members
        ]
        if model.projection:
            model.projection.save(basis_file(part / RESULT))
        if tower:
            write_vision_tower(tower, part / TOWER)
        write_model_file(part, ModelFile(saved, model.projection is not None, tower is not None))
        with output_file(part / MODEL_CARD) as file:
            file.write(model_card(model, Path(target.absolute()).name, has_tower=tower is not None).encode())


def _save_linear(member: LinearMember, folder: Path) -> SavedMember:
    path = linear_file(fold_folder(folder, member.name, FULL))
    member.model.save(path)
    return SavedMember(member.name, member.weight, [path.relative_to(folder).as_posix()])


def _save(member: Member, folder: Path) -> SavedMember:
    """Writes the runs of a member into the folder of its model, each with one checkpoint where `RunFolder` looks for it."""
    name, paths = member.config.name, []
    for checkpoint in member.checkpoints:
        run = RunFolder.open(run_of(checkpoint))
        copy = folder / name / run.path.name
        if copy.exists():
            raise UserError(f"{name}: two runs of the name {run.path.name}; rename the folder of one of them")
        copy_run(run, copy)
        path = copy / run.training.selection.kept / Path(checkpoint).name
        path.parent.mkdir()
        try:
            member.write_weights(checkpoint, path)
        except tf.errors.OpError as error:
            raise UserError(f"{path}: cannot be written: {system_reason(error)}") from error
        paths.append(path.relative_to(folder).as_posix())
    return SavedMember(name, member.weight, paths)

"""The file of a saved model that says what it is made of: checkpoints and weights of its members. TensorFlow is not needed."""

import math
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.files import read_json_object
from vsim_tf.io.paths import SAVED_MODEL
from vsim_tf.runs.run_folder import write_json

FORMAT, VERSION = "vsim_tf model", 1


class SavedMember(NamedTuple):
    """A member of a saved model.

    Attributes:
        model: its registered name.
        weight: see `vsim_tf.inference.member.Member`.
        checkpoints: paths without `.index`, in the file relative to its folder.
    """

    model: str
    weight: float
    checkpoints: list[str]


class ModelFile(NamedTuple):
    """What the file says.

    Attributes:
        members: see above.
        has_basis: whether they are projected by a basis.
        has_tower: whether a vision tower is part of the model; false where the file does not say it.
    """

    members: list[SavedMember]
    has_basis: bool
    has_tower: bool = False


def write_model_file(folder: Path, content: ModelFile) -> None:
    """Writes the file into the folder of a saved model."""
    members = [member._asdict() for member in content.members]
    write_json(folder / SAVED_MODEL, {"format": FORMAT, "version": VERSION, **content._asdict(), "members": members})


def read_model_file(folder: Path) -> ModelFile:
    """The content, with whole paths of checkpoints.

    Raises:
        UserError: the file is damaged, of a newer version or of another program.
    """
    file = folder / SAVED_MODEL
    values = read_json_object(file)
    if values.get("format") != FORMAT:
        raise UserError(f"{file}: not a saved model of vsim_tf: its format is not {FORMAT!r}")
    if values.get("version") != VERSION:
        raise UserError(f"{file}: saved in version {values.get('version')}, this vsim_tf reads {VERSION}; take a newer vsim_tf")
    members, has_basis, has_tower = values.get("members"), values.get("has_basis"), values.get("has_tower", False)
    if not isinstance(members, list) or not members or not all(map(_is_member, members)):
        raise UserError(f"{file}: damaged; save the model again")
    if not isinstance(has_basis, bool) or not isinstance(has_tower, bool):
        raise UserError(f"{file}: damaged; save the model again")
    found = [SavedMember(**member) for member in members]
    found = [member._replace(checkpoints=[str(folder / path) for path in member.checkpoints]) for member in found]
    return ModelFile(found, has_basis, has_tower)


def _is_member(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != set(SavedMember._fields):
        return False
    checkpoints, weight = value["checkpoints"], value["weight"]
    return (
        isinstance(value["model"], str)
        and isinstance(weight, int | float) and math.isfinite(weight)
        and isinstance(checkpoints, list) and bool(checkpoints) and all(map(_is_inside, checkpoints))
    )  # fmt: skip


def _is_inside(path: Any) -> bool:
    """Whether a path stays in the folder."""
    return isinstance(path, str) and not PurePosixPath(path).is_absolute() and ".." not in PurePosixPath(path).parts

"""A model as one folder that programs without vsim_tf run: a graph with its weights, vocabularies, client and model card."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from vsim_tf.errors import UserError
from vsim_tf.export import client
from vsim_tf.export.formats import FORMATS, Format
from vsim_tf.export.interface import EMBEDDING, Interface
from vsim_tf.export.verification import Verified, verify
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import new_folder, output_file
from vsim_tf.io.memory import enough_memory
from vsim_tf.io.paths import CLIENT, MODEL_CARD
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model


def export_model(model: "Model", folder: PathLike, format: str = "savedmodel") -> Verified:
    """Writes a model for other programs (docs/serving.md); the folder appears once its numbers are those of the checkpoints.

    Args:
        model: one of features, in float32; an ensemble becomes one graph.
        folder: must not be there yet.
        format: "savedmodel", or "onnx", which needs tf2onnx and onnxruntime.

    Returns:
        How it compares with the checkpoints, on random videos.

    Raises:
        UserError: the model reads pictures or was loaded in another precision; the format is unknown, misses packages or cannot
            hold as many weights; the folder is there or cannot be written; or numbers differ by more than 1e-4, which leaves
            nothing.
    """
    form, target = _format(format), Path(folder)
    form.require_folder(target)
    interface, size = Interface.of(model), sum(member.weight_bytes for member in model.members)
    count = sum(len(member.checkpoints) for member in model.members)
    form.require_size(size)
    if mixed := [member.name for member in model.members if member.precision != "float32"]:
        raise UserError(f"{model.name}: {', '.join(mixed)} not in float32; load the model with precision='float32' to export it")
    with new_folder(target) as part, enough_memory("to export a model", f"the number of checkpoints ({count})"):
        require_space(part, size, "the exported model")
        _write(model, interface, form, part)
        shutil.copyfile(client.__file__, part / CLIENT)
        interface.write(part, form.name)
        verified = verify(model, interface, part, form)
        interface.write(part, form.name, verified._asdict())
        with output_file(part / MODEL_CARD) as file:
            file.write(_card(model, interface, form, Path(target.absolute()).name).encode())
    return verified


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise UserError(f"format={name!r}: one of {', '.join(FORMATS)} is accepted", ["format"])
    FORMATS[name].require_installed()
    return FORMATS[name]


def _write(model: "Model", interface: Interface, form: Format, folder: Path) -> None:
    """In a function of its own: the networks of the graph are gone before the check."""
    from vsim_tf.export.graph import ModelGraph

    form.write(ModelGraph(model, interface), folder)


def _card(model: "Model", interface: Interface, form: Format, name: str) -> str:
    from vsim_tf.inference.model_card import model_card

    columns = "the dimensions of the embedding" if interface.output == EMBEDDING else "the classes of export.json"
    video = f'{{"title": "天地玄黄", "frames": np.zeros((8, {interface.frame_dim}))}}'
    code = ["import numpy as np", form.package, "from client import Client", "", f'inputs = Client(".").inputs([{video}])']
    code.append(form.example.replace("OUTPUT", interface.output))
    said = f"In this folder, without vsim_tf. Columns of the result are {columns}."
    return model_card(model, name, "\n".join([said, "", "```python", *code, "```"]))

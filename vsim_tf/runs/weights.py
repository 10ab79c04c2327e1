"""Weights of a network by their names, and restored from checkpoints with proof that all were found."""

import re
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
from google.protobuf.message import DecodeError

from vsim_tf.errors import UserError, system_reason
from vsim_tf.io.paths import LAST, SUMMARY
from vsim_tf.models.network import VideoNetwork, is_random_state
from vsim_tf.runs.checkpoint_files import path_for_tensorflow, require_checkpoint, saved_checkpoints
from vsim_tf.types import PathLike

DAMAGES = (tf.errors.OpError, LookupError, ValueError, RuntimeError, DecodeError)
"""What TensorFlow raises on damaged checkpoints: its C++ layer turns some of its errors into Python's own."""


def model_weights(model: VideoNetwork) -> dict[str, tf.Variable]:
    """Weights and BatchNorm statistics by their path, e.g. `encoder/block_0/attention/qkv/kernel`."""
    return {name: variable.value for name, variable in model.weights_by_name().items()}


def random_states(model: VideoNetwork) -> dict[str, tf.Variable]:
    """States of the dropout generators, numbered: Keras neither saves them nor names them the same in every process."""
    return {str(i): v.value for i, v in enumerate(v for v in model.non_trainable_variables if is_random_state(v))}


def restore_weights(model: VideoNetwork, checkpoint: PathLike) -> None:
    """Fills every weight of a model from a checkpoint; what else the checkpoint holds is left alone.

    Raises:
        UserError: no such checkpoint, a damaged one, or weights that it lacks or holds in another shape (with their names).
    """
    restore_part(model_weights(model), checkpoint, f"model {model.config.name}")


def restore_shared_weights(model: VideoNetwork, checkpoint: PathLike, pattern: str = ".*") -> list[str]:
    """Fills those weights of a model that another model's checkpoint has too; returns their names.

    Args:
        model: whose other weights stay as they are.
        checkpoint: of a model that shares layers with it.
        pattern: regular expression of the whole names of weights to fill.

    Raises:
        UserError: see `restore_weights`; none that is missing.
    """
    saved = _saved_shapes(checkpoint)
    shared = {name: value for name, value in model_weights(model).items() if name in saved and re.fullmatch(pattern, name)}
    restore_part(shared, checkpoint, f"model {model.config.name}")
    return list(shared)


def restore_part(weights: Mapping[str, tf.Variable], checkpoint: PathLike, owner: str) -> None:
    """Fills some weights from a checkpoint, as `restore_weights` does.

    Args:
        weights: by their path in the whole model.
        checkpoint: path without `.index`.
        owner: what messages call the part.
    """
    try:
        require_fit(weights, checkpoint, owner)
        with path_for_tensorflow(checkpoint) as path:
            status = tf.train.Checkpoint(weights=weights).read(path)
    except DAMAGES as error:
        message = f"checkpoint {checkpoint} is damaged: {system_reason(error)}; {_way_out(Path(checkpoint))}"
        raise UserError(message, ["overwrite"]) from error
    status.assert_existing_objects_matched()
    status.expect_partial()


def _way_out(damaged: Path) -> str:
    folder = damaged.parent.parent
    others = [state.name for state in saved_checkpoints(folder, LAST) if state != damaged]
    if damaged.parent.name == LAST and others:
        return f"remove {folder / SUMMARY} and train this run again: it resumes from {others[0]}"
    return "train this run again with overwrite=True"


def require_fit(weights: Mapping[str, tf.Variable], checkpoint: PathLike, owner: str) -> None:
    """`UserError` unless a checkpoint has all of these weights, in their shapes; arguments are those of `restore_part`."""
    saved = _saved_shapes(checkpoint)
    missing = [name for name in weights if name not in saved]
    differing = [
        f"{name}: {saved[name]} in the checkpoint, {list(value.shape)} in the model"
        for name, value in weights.items()
        if name in saved and saved[name] != list(value.shape)
    ]
    if missing or differing:
        raise UserError(
            f"checkpoint {checkpoint} does not fit {owner}: {len(missing)} weights missing"
            f" {missing[:5]}, {len(differing)} of another shape {differing[:5]}"
        )


def _saved_shapes(checkpoint: PathLike) -> dict[str, list[int]]:
    require_checkpoint(checkpoint)
    with path_for_tensorflow(checkpoint) as path:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    pattern = re.compile(r"weights/(.+)/\.ATTRIBUTES/VARIABLE_VALUE")
    return {match[1].replace(".S", "/"): shape for key, shape in shapes.items() if (match := pattern.fullmatch(key))}

"""The state of a training run, saved as a whole, and weights restored with proof that all were found.

Files are those of `tf.train.Checkpoint`: a name such as `ckpt-4000` stands for `ckpt-4000.index` and its data.
"""

import os
import re
from pathlib import Path

import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.models import VideoModel
from vsim_tf.training.cluster import is_chief
from vsim_tf.training.optimizers import GroupAdam

LAST, BEST = "last", "best"
KEPT = {LAST: 2, BEST: 1}


def _is_seed(variable) -> bool:
    return "seed_generator" in variable.path


def model_weights(model: VideoModel) -> dict[str, tf.Variable]:
    """Weights and BatchNorm statistics by their path, e.g. `encoder/block_0/attention/qkv/kernel`."""
    weights = {v.path.removeprefix(f"{model.name}/"): v.value for v in model.weights if not _is_seed(v)}
    assert len(weights) == sum(not _is_seed(v) for v in model.weights), "two weights share a path"
    return weights


def random_states(model: VideoModel) -> dict[str, tf.Variable]:
    """States of the dropout generators, numbered: Keras neither saves them nor names them the same in every process."""
    return {str(i): v.value for i, v in enumerate(v for v in model.non_trainable_variables if _is_seed(v))}


def restore_weights(model: VideoModel, checkpoint: str | os.PathLike):
    """Fills every weight of a model from a checkpoint; what else the checkpoint holds is left alone.

    Raises:
        UserError: no such checkpoint, or weights that it lacks or holds in another shape (with their names).
    """
    weights = model_weights(model)
    saved = _saved_shapes(checkpoint)
    missing = [name for name in weights if name not in saved]
    differing = [
        f"{name}: {saved[name]} in the checkpoint, {list(value.shape)} in the model"
        for name, value in weights.items()
        if name in saved and saved[name] != list(value.shape)
    ]
    if missing or differing:
        raise UserError(
            f"checkpoint {checkpoint} does not fit model {model.config.name}: {len(missing)} weights missing"
            f" {missing[:5]}, {len(differing)} of another shape {differing[:5]}"
        )
    status = tf.train.Checkpoint(weights=weights).read(os.fspath(checkpoint))
    status.assert_existing_objects_matched()
    status.expect_partial()


def _saved_shapes(checkpoint: str | os.PathLike) -> dict[str, list[int]]:
    if not Path(f"{checkpoint}.index").exists():
        raise UserError(f"no checkpoint {checkpoint} (there is no file {checkpoint}.index)")
    shapes = tf.train.load_checkpoint(os.fspath(checkpoint)).get_variable_to_shape_map()
    pattern = re.compile(r"weights/(.+)/\.ATTRIBUTES/VARIABLE_VALUE")
    return {match[1].replace(".S", "/"): shape for key, shape in shapes.items() if (match := pattern.fullmatch(key))}


class TrainingState:
    """Everything that a run needs to continue as if it had not stopped.

    Attributes:
        step: completed updates.
        best_value, best_step: the highest evaluation so far and its step; -inf and 0 before the first.
    """

    def __init__(self, model: VideoModel, optimizer: GroupAdam):
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best_value = tf.Variable(float("-inf"), dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.weights, self.random_states = model_weights(model), random_states(model)
        self.slots = optimizer.slots
        self._initial = {name: value.numpy() for name, value in (self.weights | self.random_states).items()}
        counters = {"step": self.step, "best_value": self.best_value, "best_step": self.best_step}
        self._whole = tf.train.Checkpoint(weights=self.weights, random_states=self.random_states, slots=self.slots, **counters)
        self._weights_only = tf.train.Checkpoint(weights=self.weights)

    def reset(self):
        """Back to how everything was when the state was made."""
        for name, variable in (self.weights | self.random_states).items():
            variable.assign(self._initial[name])
        for slot in self.slots.values():
            slot.assign(tf.zeros_like(slot))
        self.step.assign(0)
        self.best_value.assign(float("-inf"))
        self.best_step.assign(0)

    def broken_weights(self) -> list[str]:
        """Names of the weights that hold a number that is not finite."""
        return [name for name, value in self.weights.items() if not tf.reduce_all(tf.math.is_finite(value))]

    def restore_last(self, folder: Path) -> bool:
        """Restores the newest whole state of a run folder; False when there is none."""
        newest = self._manager(folder, LAST).latest_checkpoint
        if newest is None:
            return False
        self._whole.restore(newest).assert_consumed()  # `read` would miss the count of saves in a new process
        return True

    def save_last(self, folder: Path):
        """Saves the whole state as `last/ckpt-<step>`."""
        self._save(folder, LAST)

    def save_best(self, folder: Path):
        """Saves the weights alone as `best/ckpt-<step>`."""
        self._save(folder, BEST)

    def _save(self, folder: Path, kind: str):
        if is_chief():
            self._manager(folder, kind).save(checkpoint_number=int(self.step.numpy()))

    def _manager(self, folder: Path, kind: str) -> tf.train.CheckpointManager:
        checkpoint = self._whole if kind == LAST else self._weights_only
        return tf.train.CheckpointManager(checkpoint, os.fspath(folder / kind), max_to_keep=KEPT[kind])


def newest_checkpoint(folder: Path, kind: str) -> str:
    """Path of a run folder's `last` or `best` checkpoint; `UserError` when there is none."""
    newest = tf.train.latest_checkpoint(os.fspath(folder / kind))
    if newest is None:
        raise UserError(f"{folder / kind} holds no checkpoint: train this model first")
    return newest

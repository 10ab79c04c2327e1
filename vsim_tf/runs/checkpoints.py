"""The state of a training run, saved as a whole.

Files are those of `tf.train.Checkpoint` (`vsim_tf.runs.checkpoint_files`). A checkpoint is written aside and is there once
its index has got its name: a process that is killed at any moment leaves complete checkpoints and at most an unfinished one,
which the next start removes.
"""

import contextlib
import logging
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import google_crc32c
import tensorflow as tf

from vsim_tf.distributed.cluster import is_chief
from vsim_tf.errors import UserError, system_reason
from vsim_tf.io.files import sync
from vsim_tf.io.paths import BEST, CHECKPOINT, LAST, checkpoint_name
from vsim_tf.models.network import VideoNetwork
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.averaging import WeightAverage
from vsim_tf.runs.checkpoint_files import (
    index_file,
    path_for_tensorflow,
    resuming_state,
    saved_checkpoints,
)
from vsim_tf.runs.stage import Selection
from vsim_tf.runs.weights import DAMAGES, model_weights, random_states, require_fit

KEPT_STATES = 2
"""So many whole states are kept while a run trains: should the newest be damaged, the one before is there."""
UNFINISHED = ".unfinished"
MOMENTS_REMOVED = "moments_removed"
"""Name of the mark in the state of a complete run that has given up its optimizer's moments."""

logger = logging.getLogger(__name__)


def _is_whole(checkpoint: Path) -> bool:
    """Whether a state of `last` holds the optimizer's moments, which complete runs have given up."""
    with path_for_tensorflow(checkpoint) as path:
        shapes = tf.train.load_checkpoint(path).get_variable_to_shape_map()
    return not any(key.startswith(f"{MOMENTS_REMOVED}/") for key in shapes)


# --- writing ----------------------------------------------------------------------------------------------------------


def write_checkpoint(content: tf.train.Checkpoint, checkpoint: Path) -> None:
    """Writes a checkpoint that appears complete or not at all, in place of one of the same name.

    Raises:
        UserError: it cannot be written.
    """
    unfinished = checkpoint.parent / UNFINISHED
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        content.write(os.fspath(unfinished / checkpoint.name))
        files = sorted(unfinished.iterdir())  # ...data-00000-of-00001 before ...index
        for file in files:
            sync(file)
        index_file(checkpoint).unlink(missing_ok=True)  # until the new one is there, the state before is the newest
        for file in files:
            os.replace(file, checkpoint.parent / file.name)
        sync(checkpoint.parent)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(
            f"checkpoint {checkpoint} cannot be written: {system_reason(error)}."
            f" Make room and run the same command again: {resuming_state(checkpoint.parent.parent)}"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _remove(checkpoint: Path) -> None:
    index_file(checkpoint).unlink(missing_ok=True)
    for file in checkpoint.parent.glob(f"{checkpoint.name}.data-*"):
        file.unlink()


def _remove_unfinished(folder: Path, kind: str) -> None:
    """What a killed process has left: data without an index, and the folder that checkpoints are written into."""
    shutil.rmtree(folder / kind / UNFINISHED, ignore_errors=True)
    for file in (folder / kind).glob(f"{CHECKPOINT}*.data-*"):
        if not file.with_suffix(".index").exists():
            file.unlink()


# --- a run ------------------------------------------------------------------------------------------------------------


class TrainingState:
    """Everything that a run needs to continue as if it had not stopped.

    With an average of weights, `weights` of checkpoints are the average, for every reader but this one, and the trained ones
    stand next to them.

    Attributes:
        step: completed updates.
        evaluated: step of the newest evaluation that has been compared with the best; -1 before the first.
        best_value, best_step: the best evaluation so far and its step; infinitely bad and 0 before the first.
        whole: False when a complete run has been restored that has given up its optimizer's moments.
    """

    def __init__(self, network: VideoNetwork, optimizer: GroupAdam, selection: Selection, average: WeightAverage | None = None):
        self.name, self.average = network.config.name, average
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.evaluated = tf.Variable(-1, dtype=tf.int64, trainable=False)
        self.best_value = tf.Variable(selection.worst, dtype=tf.float64, trainable=False)
        self.best_step = tf.Variable(0, dtype=tf.int64, trainable=False)
        counters = {
            "step": self.step, "evaluated": self.evaluated, "best_value": self.best_value, "best_step": self.best_step,
        }  # fmt: skip
        self.weights, self.random_states = model_weights(network), random_states(network)
        self.averages = _averages(network) if average else {}
        self.slots = optimizer.slots
        self._initial = [(v, v.numpy()) for v in (*self.weights.values(), *self.random_states.values(), *counters.values())]
        evaluated = self.weights | self.averages
        trained = {"trained": {name: self.weights[name] for name in self.averages}} if average else {}
        self._whole = tf.train.Checkpoint(
            weights=evaluated, random_states=self.random_states, slots=self.slots, **counters, **trained
        )
        self._weights_only = tf.train.Checkpoint(weights=evaluated)
        self._complete = tf.train.Checkpoint(
            weights=evaluated, **counters, **{MOMENTS_REMOVED: tf.Variable(True, trainable=False)}
        )
        self.whole = True

    def reset(self) -> None:
        """Back to how everything was when the state was made."""
        self.whole = True
        for variable, value in self._initial:
            variable.assign(value)
        for slot in self.slots.values():
            slot.assign(tf.zeros_like(slot))
        self.start_average()

    def start_average(self) -> None:
        """The average of no step: the weights as they are."""
        for name, average in self.averages.items():
            average.assign(self.weights[name])

    def update_average(self, strategy: tf.distribute.Strategy) -> None:
        """Follows the weights of a completed step."""
        for name, average in self.averages.items():
            strategy.extended.update(average, self._follow, args=(self.weights[name], self.step))

    def _follow(self, average: tf.Variable, weight: tf.Variable, step: tf.Variable) -> None:
        assert self.average is not None
        average.assign(self.average.update(average, weight, step))

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside it, the network has the averaged weights, where there are any."""
        trained = {name: self.weights[name].numpy() for name in self.averages}
        for name, average in self.averages.items():
            self.weights[name].assign(average)
        try:
            yield
        finally:
            for name, value in trained.items():
                self.weights[name].assign(value)

    def summary(self) -> dict[str, int | float]:
        """What tells this state from others: step, last evaluation, best value, and a checksum of weights, averages and seeds."""
        checksum = 0
        for variable in (*self.weights.values(), *self.averages.values(), *self.random_states.values()):
            checksum = google_crc32c.extend(checksum, variable.numpy().tobytes())
        counters = {"step": self.step, "evaluated": self.evaluated, "best value": self.best_value, "best step": self.best_step}
        return {name: counter.numpy().item() for name, counter in counters.items()} | {"checksum of the weights": checksum}

    def broken_weights(self) -> list[str]:
        """Names of the weights that hold a number that is not finite."""
        return [name for name, value in self.weights.items() if not tf.reduce_all(tf.math.is_finite(value))]

    def restore_last(self, folder: Path) -> bool:
        """Restores the newest whole state of a run folder that can be read; False when there is none.

        What a killed process has left is removed, and so is a damaged state when the one before it can be read.

        Raises:
            UserError: there are states and none can be read, or one is of another model.
        """
        damaged = {}
        for checkpoint in saved_checkpoints(folder, LAST):
            try:
                self._restore(checkpoint)
            except DAMAGES as error:
                damaged[checkpoint] = system_reason(error)
                continue
            for newer, reason in damaged.items():
                logger.warning("%s is damaged (%s) and is removed: the run resumes from %s", newer, reason, checkpoint.name)
            if is_chief():
                self._tidy(folder, damaged)
            return True
        if damaged:
            listed = "; ".join(f"{checkpoint}: {reason}" for checkpoint, reason in damaged.items())
            raise UserError(f"no state of this run can be read ({listed}); give overwrite=True to retrain", ["overwrite"])
        if is_chief():
            self._tidy(folder, {})
        return False

    def _restore(self, checkpoint: Path) -> None:
        require_fit(self.weights, checkpoint, f"model {self.name}")
        self.whole = _is_whole(checkpoint)
        try:
            with path_for_tensorflow(checkpoint) as path:
                (self._whole if self.whole else self._complete).read(path).assert_consumed()
        except AssertionError as error:
            raise UserError(f"checkpoint {checkpoint} is not the state of a run of model {self.name}: {error}") from error

    def _tidy(self, folder: Path, damaged: Mapping[Path, str]) -> None:
        for checkpoint in damaged:
            _remove(checkpoint)
        for kind in (LAST, BEST):
            _remove_unfinished(folder, kind)
        self._remove_superfluous(folder)

    def save_last(self, folder: Path) -> None:
        """Saves the whole state as `last/ckpt-<step>`, then removes the states and best weights that it makes superfluous."""
        if is_chief():
            write_checkpoint(self._whole, folder / LAST / checkpoint_name(self.step.numpy()))
            self._remove_superfluous(folder)

    def complete(self, folder: Path, keep_optimizer: bool) -> None:
        """Keeps of a complete run the last weights, and what a rerun must know, unless its optimizer is to be kept too.

        A process that is killed here leaves a run that resumes, from this state or the one before, and is completed again.
        """
        if not is_chief():
            return
        if self.whole and not keep_optimizer:
            write_checkpoint(self._complete, folder / LAST / checkpoint_name(self.step.numpy()))
        for checkpoint in saved_checkpoints(folder, LAST)[1:]:
            _remove(checkpoint)

    def require_moments(self, folder: Path, total_steps: int) -> None:
        """Raises `UserError` where more steps are asked of a complete run that has given up its optimizer's moments."""
        if not self.whole and self.step < total_steps:
            raise UserError(
                f"{folder}: complete at step {self.step.numpy()}, where the optimizer's state was removed, so it cannot be"
                f" extended to {total_steps} steps; train again with overwrite=True (a run with keep_optimizer=True can be"
                " extended)",
                ["overwrite", "keep_optimizer"],
            )

    def save_best(self, folder: Path) -> None:
        """Saves the weights alone as `best/ckpt-<step>`; those that were best before stay until the whole state is saved."""
        if is_chief():
            write_checkpoint(self._weights_only, folder / BEST / checkpoint_name(self.step.numpy()))

    def _remove_superfluous(self, folder: Path) -> None:
        """Removes states and best weights that newer ones have made superfluous."""
        for checkpoint in saved_checkpoints(folder, LAST)[KEPT_STATES:]:
            _remove(checkpoint)
        kept = checkpoint_name(self.best_step.numpy()) if math.isfinite(self.best_value.numpy()) else None
        for checkpoint in saved_checkpoints(folder, BEST):
            if checkpoint.name != kept:
                _remove(checkpoint)


def _averages(network: VideoNetwork) -> dict[str, tf.Variable]:
    """A second variable for every trainable weight."""
    trainable = {id(v) for v in network.trainable_variables}
    weights = {name: v.value for name, v in network.weights_by_name().items() if id(v) in trainable}
    return {name: tf.Variable(value, trainable=False) for name, value in weights.items()}

"""Outputs and batches made by hand, and objectives of them."""

from types import SimpleNamespace

import numpy as np
import tensorflow as tf

from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.sequence import Sequence
from vsim_tf.records.schema import VideoBatch
from vsim_tf.tasks.objective import Objective

NETWORK = SimpleNamespace(heads={name: (lambda states, *_: states) for name in ("mfm", "mlm", "itm")}, encoder=None)
"""Heads that give back what they get."""


def video_batch(num_frames, read=(), **targets) -> VideoBatch:
    """A batch of videos of which the model reads some frames, `[batch, frames, dim]`."""
    return tf.nest.map_structure(tf.constant, VideoBatch((), (), (), read, np.int32(num_frames), targets))


def logs_and_gradients(tasks, batch, states=None, logits=None, world=None):
    """The logged means, and the gradient of the mean loss with respect to the states or the logits.

    Args:
        tasks: by name.
        batch: videos.
        states, logits: one of the two, what the model makes of the videos.
        world: see `Objective`.
    """
    with tf.GradientTape() as tape:
        given = states if logits is None else logits
        tape.watch(given)
        sequence = None
        if states is not None:
            frames, length = batch.frames.shape[1], states.shape[1]
            spans = {"cls": (0, 1), "text": (0, length - frames), "frames": (length - frames, length)}
            sequence = Sequence(states, tf.ones(states.shape[:2], tf.bool), tf.range(length), tf.ones(length), spans)
        output = VideoOutput(tf.zeros((len(batch.num_frames), 1)), {} if logits is None else {"tags": logits}, sequence)
        _, logs = Objective(tasks).of_outputs(NETWORK, (output,), batch, world)
    return logs, tape.gradient(logs["loss"], given)

"""Weights of several checkpoints that take turns in one model."""

import math
from collections.abc import Sequence

import numpy as np

from vsim_tf.io.disk_space import format_bytes
from vsim_tf.io.memory import available_memory
from vsim_tf.models.architectures import Model
from vsim_tf.models.network import VideoNetwork
from vsim_tf.runs.weights import model_weights, restore_weights

VIDEOS_AT_A_TIME = 4096
"""So many decoded videos are kept while each checkpoint embeds them, if they fit; more where weights are restored each time."""
MEMORY_SHARE = 0.5
"""The part of the available memory that is taken for weights, or else for decoded videos."""


class HeldWeights:
    """Keeps the weights of all checkpoints in host memory where they fit, else restores them each time.

    Args:
        model: filled by `put`; nobody else may change its weights.
        checkpoints: all that will take turns.

    Attributes:
        in_memory: whether the weights are kept.
        videos: how many videos are to be embedded between two turns.
    """

    def __init__(self, model: VideoNetwork, checkpoints: Sequence[str]):
        self.model, self.count = model, len(set(checkpoints))
        self.needed = self.count * sum(value.shape.num_elements() * value.dtype.size for value in model_weights(model).values())
        self.budget = int(MEMORY_SHARE * available_memory())
        self.in_memory = self.needed <= self.budget
        fitting = max(self.budget // video_bytes(model.config), 1)
        if self.in_memory:
            self.videos = min(VIDEOS_AT_A_TIME, fitting)  # of pictures, thousands may be larger than the memory
        else:
            self.videos = fitting if model.config.tower else max(VIDEOS_AT_A_TIME, fitting)
        self._held: dict[str, dict[str, np.ndarray]] = {}
        self._current = ""

    def put(self, checkpoint: str) -> None:
        """Fills every weight of the model; errors as in `restore_weights`."""
        if checkpoint == self._current:
            return
        self._current = ""
        if checkpoint in self._held:
            assign_weights(self.model, self._held[checkpoint])
        else:
            restore_weights(self.model, checkpoint)
            if self.in_memory and self.count > 1:
                self._held[checkpoint] = {name: value.numpy() for name, value in model_weights(self.model).items()}
        self._current = checkpoint

    def __str__(self) -> str:
        sizes = f"{format_bytes(self.needed)}, and {format_bytes(self.budget)} of memory may be used"
        if self.in_memory:
            return f"weights of {self.count} checkpoints are kept in memory: {sizes}"
        return f"weights of {self.count} checkpoints are restored for every {self.videos:,} videos: they are {sizes}"


def assign_weights(model: VideoNetwork, weights: dict[str, np.ndarray]) -> None:
    """Fills every weight of a model from arrays by `model_weights`' names.

    Raises:
        ValueError: a weight is missing, or one too many or of another shape or type is there.
    """
    variables = model_weights(model)
    differing = sorted(variables.keys() ^ weights.keys())
    differing += [
        name
        for name, value in variables.items()
        if name in weights and (tuple(value.shape), value.dtype.as_numpy_dtype) != (weights[name].shape, weights[name].dtype.type)
    ]
    if differing:
        raise ValueError(f"weights that the model and the arrays do not share: {differing[:5]}")
    for name, value in variables.items():
        value.assign(weights[name])


def video_bytes(config: Model) -> int:
    """Memory of one decoded video of full length: float16 features or uint8 pixels, two rows of int32 tokens, int8 tags."""
    frame = math.prod(config.frame_shape) * (1 if config.tower else 2)
    return config.frames.max_frames * frame + 2 * 4 * config.text.max_length + config.num_tags

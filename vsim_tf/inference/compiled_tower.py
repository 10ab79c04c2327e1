"""A vision tower as a function of pictures in host memory."""

import numpy as np
import tensorflow as tf

from vsim_tf.distributed.device import precision_scope, suitable_precision
from vsim_tf.io.memory import enough_memory
from vsim_tf.layers.vision_config import CHANNELS
from vsim_tf.layers.vision_tower import VisionTower, pixel_values


def rounded_tower(tower: VisionTower, precision: str) -> VisionTower:
    """The tower with weights in the type that a dtype policy computes in, so that no call has to round them; the same numbers.

    Args:
        tower: filled with its weights, in float32.
        precision: dtype policy, or "auto".
    """
    policy = suitable_precision(precision).removeprefix("mixed_")
    if policy == "float32":
        return tower
    with precision_scope(policy):
        rounded = VisionTower(tower.config)
        rounded.build()
    for target, weight in zip(rounded.weights, tower.weights, strict=True):
        target.assign(weight)
    return rounded


class CompiledTower:
    """A vision tower that is traced once for any number of pictures; a `vsim_tf.features.tower.Tower`.

    Args:
        tower: filled with its weights.

    Attributes:
        picture_size: height and width of its pictures.
        dim: the feature dimension.
    """

    def __init__(self, tower: VisionTower):
        self.tower, self.picture_size, self.dim = tower, tower.config.picture_size, tower.config.hidden_size
        pictures = tf.TensorSpec([None, self.picture_size, self.picture_size, CHANNELS], tf.uint8)
        self._features = tf.function(self._traced, input_signature=[pictures], autograph=False)

    def _traced(self, pictures: tf.Tensor) -> tf.Tensor:
        return tf.cast(self.tower(pixel_values(pictures), training=False), tf.float32)

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features of pictures, `[pictures, picture_size, picture_size, 3]` uint8 to `[pictures, dim]` float32.

        Raises:
            UserError: not enough memory.
        """
        with enough_memory("for the vision tower", f"batch_size={len(pictures)}", fields=["batch_size"]):
            features: np.ndarray = self._features(pictures).numpy()
        return features

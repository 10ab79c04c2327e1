"""The fingerprint of a model: what it makes of three fixed videos.

Checksums of files would change where a model is saved again, copied into another folder, or loaded from its folds instead of
the whole output folder. Numbers do not.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from vsim_tf.inference.given import FRAMES, PICTURES, TITLE, Item

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

TITLES = ("天地玄黄 2021", "", "a video of a cat 猫")
FRAMES_OF_EACH = 3
PICTURE_SIZE = 64
TOLERANCE = 0.02
"""Distance of two embeddings of unit norm. On the demo data, bfloat16 in the place of float32 changes one by up to 0.006, another
fold of the same model by 0.08 and more."""


def fingerprint_of(model: "Model") -> np.ndarray:
    """Embeddings of the fixed videos, `[3, dim]`, of unit norm.

    Raises:
        UserError: several classifiers, which have no embedding in common.
    """
    return model.encode([_video(number, model.frame_dim) for number in range(len(TITLES))], normalize=True)


def is_same(first: Sequence[Sequence[float]] | np.ndarray, second: Sequence[Sequence[float]] | np.ndarray) -> bool:
    """Whether two fingerprints of one dimension are those of one model."""
    return bool(np.linalg.norm(np.subtract(first, second), axis=1).max() <= TOLERANCE)


def _video(number: int, frame_dim: int) -> Item:
    """A title with frames and pictures, of which a model reads one; values are waves, which no version of NumPy changes."""
    size = (PICTURE_SIZE, PICTURE_SIZE, 3)
    pictures = [np.uint8(127 + 127 * _waves(size, 1 + number + 5 * frame)) for frame in range(FRAMES_OF_EACH)]
    frames = {FRAMES: _waves((FRAMES_OF_EACH, frame_dim), 1 + number)} if frame_dim else {}
    return {TITLE: TITLES[number], PICTURES: pictures, **frames}


def _waves(shape: tuple[int, ...], frequency: int) -> np.ndarray:
    waves: np.ndarray = np.sin(0.1 * frequency * np.arange(np.prod(shape))).reshape(shape)
    return waves

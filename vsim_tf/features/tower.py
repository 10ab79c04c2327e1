"""What turns pictures into features, and how the frames of several videos share its calls."""

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol

import numpy as np

from vsim_tf.errors import UserError


class Tower(Protocol):
    """A network that gives one feature vector for each picture.

    Attributes:
        picture_size: height and width of its pictures.
        dim: the feature dimension.
    """

    picture_size: int
    dim: int

    def __call__(self, pictures: np.ndarray) -> np.ndarray:
        """Features of pictures, `[pictures, picture_size, picture_size, 3]` uint8 to `[pictures, dim]` float32."""
        ...


def features_of_videos(videos: Iterable[np.ndarray], tower: Tower, batch_size: int) -> Iterator[np.ndarray]:
    """Features of each video in turn, `[frames, dim]` float32.

    Frames of several videos fill a call, and no call holds padding; only the last one may be smaller.

    Args:
        videos: frames, `[frames, picture_size, picture_size, 3]` uint8 each; of no frames too.
        tower: called with at most `batch_size` pictures.
        batch_size: pictures a call.

    Raises:
        UserError: features of another shape, NaN or inf.
    """
    pictures: deque[np.ndarray] = deque()
    features: deque[np.ndarray] = deque()
    waiting: deque[int] = deque()  # frames of the videos whose features are not complete
    for frames in videos:
        waiting.append(len(frames))
        pictures.extend(frames)
        while len(pictures) >= batch_size:
            features.extend(_called(tower, [pictures.popleft() for _ in range(batch_size)]))
        while waiting and len(features) >= waiting[0]:
            yield _taken(features, waiting.popleft(), tower.dim)
    if pictures:
        features.extend(_called(tower, list(pictures)))
    for count in waiting:
        yield _taken(features, count, tower.dim)


def _called(tower: Tower, pictures: list[np.ndarray]) -> np.ndarray:
    features = np.asarray(tower(np.stack(pictures)), np.float32)
    if features.shape != (len(pictures), tower.dim):
        expected = [len(pictures), tower.dim]
        raise UserError(f"the tower gave {list(features.shape)} for {len(pictures)} pictures; expected {expected}")
    if not np.isfinite(features).all():
        raise UserError("the tower gave NaN or inf; its weights may be damaged")
    return features


def _taken(features: deque[np.ndarray], count: int, dim: int) -> np.ndarray:
    return np.array([features.popleft() for _ in range(count)], np.float32).reshape(count, dim)

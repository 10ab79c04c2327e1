"""Pictures of videos to the frames of a batch."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from vsim_tf.errors import RecordError, UserError
from vsim_tf.features.pictures import Picture, PictureSizes, picture_pixels, resize_and_crop


class UnreadablePicture(UserError):
    """A picture of a batch that cannot be decoded.

    Args:
        row: of its video in the batch.
        message: which picture of the video, and why.
    """

    def __init__(self, row: int, message: str):
        super().__init__(message)
        self.row = row


@contextlib.contextmanager
def video_named(where: Callable[[int], str]) -> Iterator[None]:
    """Raises `RecordError` with the record and video of a row in the place of `UnreadablePicture`."""
    try:
        yield
    except UnreadablePicture as error:
        raise RecordError(f"{where(error.row)}: {error}") from None


def sample_pictures(videos: Sequence[Sequence[Picture]], chosen: np.ndarray, sizes: PictureSizes) -> np.ndarray:
    """The chosen pictures of each video, decoded, resized and cropped; the others are not decoded.

    Args:
        videos: pictures of each.
        chosen: which picture stands at each slot, `[batch, slots]` integers; -1 for none.
        sizes: of pictures.

    Returns:
        `[batch, slots, crop, crop, 3]` uint8, zeros at slots without a picture.

    Raises:
        UnreadablePicture: a picture that cannot be decoded.
    """
    batch = np.zeros((*chosen.shape, sizes.crop, sizes.crop, 3), np.uint8)
    for row, pictures in enumerate(videos):
        for slot, number in enumerate(chosen[row]):
            if number >= 0:
                batch[row, slot] = _picture(pictures, number, sizes, row)
    return batch


def _picture(pictures: Sequence[Picture], number: int, sizes: PictureSizes, row: int) -> np.ndarray:
    where = f"frame {number}"
    try:
        return resize_and_crop(picture_pixels(pictures[number], where), sizes, where)
    except UserError as error:
        raise UnreadablePicture(row, str(error)) from None

"""Encoded pictures to the frames of a batch."""

from collections.abc import Sequence

import numpy as np

from vsim_tf.features.pictures import PictureSizes, decode_picture, resize_and_crop


def sample_pictures(videos: Sequence[Sequence[bytes]], chosen: np.ndarray, sizes: PictureSizes) -> np.ndarray:
    """The chosen pictures of each video, decoded, resized and cropped; the others are not decoded.

    Args:
        videos: encoded pictures of each.
        chosen: which picture stands at each slot, `[batch, slots]` integers; -1 for none.
        sizes: of pictures.

    Returns:
        `[batch, slots, crop, crop, 3]` uint8, zeros at slots without a picture.

    Raises:
        UserError: a picture that cannot be decoded.
    """
    batch = np.zeros((*chosen.shape, sizes.crop, sizes.crop, 3), np.uint8)
    for row, pictures in enumerate(videos):
        for slot, number in enumerate(chosen[row]):
            if number >= 0:
                where = f"frame {number}"
                batch[row, slot] = resize_and_crop(decode_picture(pictures[number], where), sizes, where)
    return batch

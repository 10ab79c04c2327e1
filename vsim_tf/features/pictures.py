"""Pictures as arrays: decoded by Pillow, resized and cropped to the byte as the 8th place of 2022 did (docs/facts_rank8.md 2)."""

import io
import struct
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from vsim_tf.errors import UserError
from vsim_tf.io.npz import UNREADABLE, unreadable_reason

RESIZE, CROP = 256, 224
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_PIXELS = 2**26
"""Largest accepted picture, before and after it is resized: a small file may unpack to gigabytes."""
JPEG_QUALITY = 95

Picture: TypeAlias = bytes | Image.Image | np.ndarray
"""An encoded picture, one that Pillow has opened, or its pixels, `[height, width, 3]` uint8."""

_BROKEN = (*UNREADABLE, SyntaxError, struct.error, Image.DecompressionBombError, Image.DecompressionBombWarning)
"""Pillow's errors; its PNG reader raises SyntaxError."""


class PictureSizes(NamedTuple):
    """How a picture becomes a square: the shorter side becomes `resize`, then the centre of `crop` x `crop` is taken."""

    resize: int = RESIZE
    crop: int = CROP

    def check(self) -> None:
        """Raises UserError for a crop that is larger than the picture, or for no pixel at all."""
        if not 1 <= self.crop <= self.resize:
            raise UserError(f"resize={self.resize}, crop={self.crop}: a crop from 1 to resize is needed", ["resize", "crop"])


def decode_picture(data: bytes, where: str) -> np.ndarray:
    """Pixels of a JPEG, PNG or WebP picture, `[height, width, 3]` uint8.

    Grey and palette pictures become RGB, an alpha channel is dropped, and the orientation in EXIF is ignored, as in the
    original.

    Args:
        data: the encoded picture.
        where: the file, and the member of a zip, for messages.

    Raises:
        UserError: not a picture of these formats, a damaged one, or one of more than `MAX_PIXELS`.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            _check_pixels(picture.size, where)
            return np.asarray(_rgb(picture))
    except _BROKEN as error:
        reason = unreadable_reason(error).partition(" <_io.")[0]  # the address of a file object
        raise UserError(f"{where}: not a readable picture ({', '.join(FORMATS)}): {reason}") from None


def picture_pixels(picture: Picture, where: str) -> np.ndarray:
    """Pixels of a picture in any of its forms, `[height, width, 3]` uint8; arguments and errors are those of `decode_picture`."""
    if isinstance(picture, bytes):
        return decode_picture(picture, where)
    if isinstance(picture, np.ndarray):
        return picture
    try:
        _check_pixels(picture.size, where)
        return np.asarray(_rgb(picture))
    except _BROKEN as error:  # Pillow reads a file when its pixels are asked for
        raise UserError(f"{where}: not a readable picture: {unreadable_reason(error).partition(' <_io.')[0]}") from None


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits, which Pillow would clip at 255
        return Image.fromarray((np.asarray(picture, np.uint32) >> 8).astype(np.uint8)).convert("RGB")
    if picture.mode == "P" and "transparency" in picture.info:
        return picture.convert("RGBA").convert("RGB")  # the same colours, without a warning
    return picture.convert("RGB")


def _check_pixels(size: tuple[int, int], where: str) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise UserError(f"{where}: a picture of {width} x {height} pixels; accepted are at most {MAX_PIXELS}")


def resized(picture: np.ndarray, resize: int, where: str = "picture") -> np.ndarray:
    """The picture with `resize` pixels on its shorter side, by Pillow's bilinear filter; the longer side is rounded down.

    Args:
        picture: `[height, width, 3]` uint8.
        resize: pixels.
        where: for messages.

    Raises:
        UserError: a picture so oblong that more than `MAX_PIXELS` would come out.
    """
    height, width = picture.shape[:2]
    short, long = sorted((height, width))
    longer = int(resize * long / short)
    size = (resize, longer) if width <= height else (longer, resize)
    if size == (width, height):
        return picture
    _check_pixels(size, f"{where}, resized")
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


def centre_crop(picture: np.ndarray, crop: int) -> np.ndarray:
    """The centre of a picture, `[crop, crop, 3]`; an odd rest is rounded half to even."""
    top, left = (round((side - crop) / 2) for side in picture.shape[:2])
    return picture[top : top + crop, left : left + crop]


def resize_and_crop(picture: np.ndarray, sizes: PictureSizes | None = None, where: str = "picture") -> np.ndarray:
    """A picture as a tower reads it.

    Args:
        picture: `[height, width, 3]` uint8.
        sizes: those of the original by default, 256 and 224.
        where: for messages.

    Returns:
        `[crop, crop, 3]` uint8.

    Raises:
        UserError: see `resized`.
    """
    resize, crop = sizes or PictureSizes()
    return np.ascontiguousarray(centre_crop(resized(picture, resize, where), crop))


def encode_jpeg(picture: np.ndarray, quality: int = JPEG_QUALITY) -> bytes:
    """A picture, `[height, width, 3]` uint8, as a JPEG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return file.getvalue()


def stacked(pictures: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Pictures of one size as `[pictures, size, size, 3]` uint8; of none too."""
    return np.stack(pictures) if pictures else np.zeros((0, size, size, 3), np.uint8)

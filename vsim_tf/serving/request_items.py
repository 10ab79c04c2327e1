"""Videos of requests as the items of a model."""

import base64
import binascii
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from vsim_tf.errors import UserError
from vsim_tf.features.pictures import decode_picture
from vsim_tf.inference.given import FRAMES, PICTURES, Item
from vsim_tf.serving.bodies import Array

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

DTYPES: dict[str, np.dtype[Any]] = {"float16": np.dtype("<f2"), "float32": np.dtype("<f4")}


def items_of(videos: Sequence[BaseModel], name: str, model: "Model") -> list[Item]:
    """Items that the model can read; pictures have been decoded once, so that a damaged one is found here.

    Args:
        videos: of a request, as their schema accepts them.
        name: what messages call the list.
        model: that will read them.

    Raises:
        UserError: a video that cannot be used, by its place in the request.
    """
    items = [_item(video, f"{name}[{number}]") for number, video in enumerate(videos)]
    model.check(items, lambda number: f"{name}[{number}]")
    return items


def _item(video: BaseModel, where: str) -> Item:
    item = {key: value for key, value in video if value is not None}
    if isinstance(frames := item.get(FRAMES), Array):
        item[FRAMES] = _array(frames, f"{where}.{FRAMES}")
    if PICTURES in item:
        item[PICTURES] = [_picture(data, f"{where}.{PICTURES}[{row}]") for row, data in enumerate(item[PICTURES])]
    return item


def _array(given: Array, where: str) -> np.ndarray:
    """The array; `Model.check` looks at its numbers."""
    data, dtype = _bytes(given.data, f"{where}.data"), DTYPES[given.dtype]
    if len(data) != (needed := math.prod(given.shape) * dtype.itemsize):
        raise UserError(f"{where}.data: {len(data)} bytes; {given.dtype} of shape {list(given.shape)} has {needed}")
    frames: np.ndarray = np.frombuffer(data, dtype).reshape(given.shape)
    return frames


def _picture(data: str, where: str) -> bytes:
    picture = _bytes(data, where)
    decode_picture(picture, where)
    return picture


def _bytes(data: str, where: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        raise UserError(f"{where}: no base64 ({error}); accepted are bytes in base64") from None

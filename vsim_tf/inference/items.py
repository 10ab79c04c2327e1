"""Videos given as dicts: their checks, and the batches that a model takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.input.decoding import BatchFormat, RawVideo, batch_videos
from vsim_tf.input.order import EvaluationOrder
from vsim_tf.records.schema import FLOAT16_EXPONENT, VideoBatch
from vsim_tf.text.fields import Fields
from vsim_tf.text.tokenizers import decode_titles

Item = Mapping[str, Any]
"""A video: `title` (str, may be empty) and `frames` (`[frames, frame_dim]`, may have 0 rows); other keys are ignored."""

TITLE, FRAMES = "title", "frames"
HOST = "CPU:0"


def check_items(items: Sequence[Item], frame_dim: int, name: Callable[[int], str]) -> None:
    """Raises `UserError` for the first item that `raw_video` refuses.

    Args:
        items: the dicts.
        frame_dim: feature dimension of a frame.
        name: what the message calls the item at an index.
    """
    for number, item in enumerate(items):
        try:
            raw_video(item, frame_dim)
        except UserError as error:
            raise UserError(f"{name(number)}: {error}") from None


def raw_video(item: Item, frame_dim: int) -> RawVideo:
    """The video of a dict as a record of it would have it: frames rounded to float16, no tags.

    Raises:
        UserError: no dict, a missing key, a title that is no str, frames of another shape or type, or with a number that float16
            cannot hold.
    """
    needed = f"{TITLE!r} (str) and {FRAMES!r} ([frames, {frame_dim}] numbers)"
    if not isinstance(item, Mapping):
        raise UserError(f"a {type(item).__name__} is given; accepted is a dict with the keys {needed}")
    for key in (TITLE, FRAMES):
        if key not in item:
            raise UserError(f"the key {key!r} is missing; there is {_listed(item)}, needed are {needed}")
    title = item[TITLE]
    if not isinstance(title, str):
        raise UserError(f"{TITLE!r} is of type {type(title).__name__}; accepted is a str, which may be empty")
    (title,) = decode_titles([title.encode("utf-8", "surrogatepass")])
    return RawVideo(Fields(title, "", ""), _bits(_array(item[FRAMES], frame_dim)), ())


def _listed(item: Item) -> str:
    return ", ".join(map(repr, item)) or "no key"


def _array(frames: Any, frame_dim: int) -> np.ndarray:
    """The frames as an array of real numbers, `[frames, frame_dim]`."""
    accepted = f"accepted are numbers of shape [frames, {frame_dim}], where frames may be 0"
    try:
        given = np.asarray(frames)
    except (ValueError, TypeError) as error:  # rows of different lengths, a tensor on another device
        raise UserError(f"{FRAMES!r} cannot be made an array ({error}); {accepted}") from None
    if given.shape == (0,):  # an empty list
        return np.zeros((0, frame_dim), np.float16)
    if given.dtype.kind not in "fiu":
        raise UserError(f"{FRAMES!r} has the type {given.dtype}; {accepted}")
    if given.ndim != 2 or given.shape[1] != frame_dim:
        raise UserError(f"{FRAMES!r} has the shape {list(given.shape)}; {accepted}")
    return given


def _bits(frames: np.ndarray) -> np.ndarray:
    """Bits of the frames rounded to float16, uint16 of the same shape."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.ascontiguousarray(frames, "<f2")
    bits = rounded.view("<u2")
    if bits.size and (bits & FLOAT16_EXPONENT).max() == FLOAT16_EXPONENT:
        number, position = np.argwhere(~np.isfinite(rounded))[0]
        raise UserError(
            f"frame {number} of {FRAMES!r} holds {frames[number, position]} at position {position};"
            " accepted are finite numbers from -65504 to 65504, the range of float16"
        )
    return bits


def numbered_item_batches(items: Sequence[Item], form: BatchFormat, batch_size: int) -> Iterator[tuple[tf.Tensor, VideoBatch]]:
    """All items once, as `vsim_tf.input.pipeline.numbered_batches` gives records: numbers, `[batch]`, and the batch of them.

    Where batches are trimmed, items are sorted by length within windows. Tensors are in host memory.

    Args:
        items: dicts that `check_items` accepts.
        form: how videos become batches.
        batch_size: items of a batch; the last one may have fewer.
    """

    def lengths(numbers: np.ndarray) -> np.ndarray:
        return np.array([_length(items[number], form) for number in numbers])

    order = EvaluationOrder(len(items), batch_size, lengths if form.trims else None)
    for place in range(len(order)):
        numbers = order(place)
        videos = [raw_video(items[number], form.frame_embedding_size) for number in numbers]
        batch = batch_videos([b""] * len(videos), videos, form)
        with tf.device(HOST):
            tensors = tf.nest.map_structure(tf.convert_to_tensor, (numbers, batch))
        yield tensors


def _length(item: Item, form: BatchFormat) -> int:
    """How much of a batch an item needs: characters of its title where titles are trimmed, and its frames where these are."""
    title = min(len(item[TITLE]), form.max_text_length) if form.trim_text else 0
    return title + (min(len(item[FRAMES]), form.max_frames) if form.trim_frames else 0)

"""Videos given as dicts: what is accepted, and how they become what records hold."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from vsim_tf.errors import UserError
from vsim_tf.features.feature_zips import as_float16
from vsim_tf.features.pictures import CROP, RESIZE, Picture, PictureSizes, picture_pixels, resize_and_crop, stacked
from vsim_tf.features.sampling import Sampling
from vsim_tf.features.sources import MAX_FRAMES, Preparation
from vsim_tf.features.tower import Tower, features_of_videos
from vsim_tf.features.videos import read_video
from vsim_tf.inference.given import ASR, FRAMES, OCR, PICTURES, TITLE, VIDEO, Item, is_list, is_path
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.input.video_form import VideoForm
from vsim_tf.io.read_ahead import Ahead
from vsim_tf.records.schema import FLOAT16_EXPONENT, NO_SPEECH
from vsim_tf.text.fields import ALL_FIELDS, Fields
from vsim_tf.text.tokenizers import decode_titles

PICTURES_AT_A_TIME = 64
"""Of a call of the tower."""
THREADS = min(8, os.cpu_count() or 1)
"""Which decode videos and pictures."""
Read = TypeVar("Read")
_OF_PICTURES = f"{PICTURES!r} (a list of files, bytes, Pillow images or arrays), {VIDEO!r} (a file)"


class ItemReader:
    """Items as the videos that a kind of model reads.

    Of several keys with frames the first counts that the model can read: `frames`, `pictures`, `video`.

    Args:
        form: how videos become batches of the model.
        tower: makes features of pictures for a model that reads features; None: nobody does.

    Raises:
        UserError: the tower makes features of another dimension.
    """

    def __init__(self, form: VideoForm, tower: Tower | None = None):
        self.form, self.dim, self.tower = form, form.frame_embedding_size, None if form.picture else tower
        if self.tower and self.tower.dim != self.dim:
            raise UserError(f"the tower makes features of {self.tower.dim} numbers; the model reads {self.dim}", ["clip_dir"])
        sizes = form.picture or (_sizes(self.tower) if self.tower else PictureSizes())
        self.preparation = Preparation(sizes, encode=form.picture is not None)
        self.text_keys = (TITLE, OCR, ASR) if form.text_form == ALL_FIELDS else (TITLE,)
        self.frame_keys = (PICTURES, VIDEO) if form.picture else (FRAMES, PICTURES, VIDEO) if self.tower else (FRAMES,)

    def check(self, item: Item) -> None:
        """Raises `UserError` for what can be seen to be wrong without decoding a picture or a video."""
        if not isinstance(item, Mapping):
            raise UserError(f"a {type(item).__name__} is given; accepted is a dict with the keys {self._needed()}")
        for keys in ((TITLE,), self.frame_keys):
            if not any(key in item for key in keys):
                raise UserError(self._missing(item, keys))
        self.texts(item)
        key = self._frame_key(item)
        if key == FRAMES:
            _bits(_array(item[FRAMES], self.dim))
        elif key == PICTURES:
            _check_pictures(item[PICTURES])
        else:
            _check_file(item[VIDEO], VIDEO)

    def texts(self, item: Item) -> Fields:
        """The texts that the model reads, as those of a record; the others are empty."""
        given = {key: item.get(key, "") for key in self.text_keys}
        for key, text in given.items():
            if not isinstance(text, str):
                raise UserError(f"{key!r} is of type {type(text).__name__}; accepted is a str, which may be empty")
        title, ocr, asr = decode_titles(given.get(key, "").encode("utf-8", "surrogatepass") for key in (TITLE, OCR, ASR))
        return Fields(title, ocr, "" if asr == NO_SPEECH else asr)

    def read(self, items: Sequence[Item], name: Callable[[int], str]) -> list[RawVideo]:
        """The videos of items that `check` accepts, without tags; `name` is what messages call the item at an index.

        Raises:
            UserError: a picture or a video cannot be read, or features of it cannot be held by float16.
        """
        named = [(item, name(number)) for number, item in enumerate(items)]
        if self.form.picture:
            read = _in_threads(self._pictures, named)
            return [RawVideo(self.texts(item), pictures, ()) for item, pictures in zip(items, read, strict=True)]
        keys = [self._frame_key(item) for item in items]
        made = self._features([each for each, key in zip(named, keys, strict=True) if key != FRAMES])
        given = (
            _bits(_array(item[FRAMES], self.dim)) if key == FRAMES else next(made) for item, key in zip(items, keys, strict=True)
        )
        return [RawVideo(self.texts(item), bits, ()) for item, bits in zip(items, given, strict=True)]

    def _features(self, named: Sequence[tuple[Item, str]]) -> Iterator[np.ndarray]:
        """Bits of the features of items without, which the tower makes while the next pictures are decoded."""
        if not self.tower:
            return
        features = features_of_videos(_in_threads(self._prepared, named), self.tower, PICTURES_AT_A_TIME)
        for (_, name), values in zip(named, features, strict=True):
            yield as_float16(values, name).astype("<f2").view("<u2")

    def _prepared(self, item: Item, name: str) -> np.ndarray:
        """Pictures as the tower reads them, `[pictures, crop, crop, 3]` uint8."""
        sizes = self.preparation.sizes
        if self._frame_key(item) == VIDEO:
            with _named(name):
                return self.preparation.frames(_frames_of(item[VIDEO]), (), VIDEO).pictures
        places = (f"{name}: picture {number}" for number in range(len(item[PICTURES])))
        read = zip(self._pictures(item, name), places, strict=True)
        return stacked([resize_and_crop(picture_pixels(picture, place), sizes, place) for picture, place in read], sizes.crop)

    def _pictures(self, item: Item, name: str) -> list[Picture]:
        """Pictures, read from their files, and frames of a video file as records of pictures have them."""
        with _named(name):
            if self._frame_key(item) == VIDEO:
                return list(self.preparation.frames(_frames_of(item[VIDEO]), (), VIDEO).encoded)
            return [_file_bytes(given) if is_path(given) else given for given in item[PICTURES]]

    def _frame_key(self, item: Item) -> str:
        return next(key for key in self.frame_keys if key in item)

    def _needed(self) -> str:
        features = f"{FRAMES!r} ([frames, {self.dim}] numbers)"
        if self.frame_keys == (FRAMES,):
            return f"{TITLE!r} (str) and {features}"
        return f"{TITLE!r} (str) and one of {_OF_PICTURES if self.form.picture else f'{features}, {_OF_PICTURES}'}"

    def _missing(self, item: Item, keys: Sequence[str]) -> str:
        missing = (
            f"the key {keys[0]!r} is missing" if len(keys) == 1 else f"none of the keys {', '.join(map(repr, keys))} is there"
        )
        said = f"{missing}; there is {', '.join(map(repr, item)) or 'no key'}, needed are {self._needed()}"
        if keys == (FRAMES,) and (PICTURES in item or VIDEO in item):
            return f"{said}; vsim_tf.load(..., clip_dir=...) takes a tower that makes features of pictures and videos"
        if self.form.picture and FRAMES in item:
            return f"{said}; the model makes features by a tower of its own"
        return said


def _in_threads(read: Callable[[Item, str], Read], named: Sequence[tuple[Item, str]]) -> Iterator[Read]:
    """Something read of each item and its name, in their order, several of them at a time."""
    ahead = Ahead(lambda number: read(*named[number]), THREADS, 2 * THREADS, len(named))
    return map(ahead, range(len(named)))


def _sizes(tower: Tower) -> PictureSizes:
    """How pictures are prepared for a tower, as `extract_features.py` does it by default."""
    return PictureSizes(round(tower.picture_size * RESIZE / CROP), tower.picture_size)


def _frames_of(video: Any) -> list[np.ndarray]:
    """Frames of a video file, as many and those that `extract_features.py` takes by default."""
    return read_video(video, Sampling(count=MAX_FRAMES)).pictures


@contextlib.contextmanager
def _named(name: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}: {error}") from None


def _file_bytes(path: Any) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _check_file(path: Any, key: str) -> None:
    if not is_path(path):
        raise UserError(f"{key!r} is of type {type(path).__name__}; accepted is the path of a file")
    if not os.path.isfile(path):
        raise UserError(f"{key!r} is {os.fspath(path)}, and no such file exists")


def _check_pictures(pictures: Any) -> None:
    accepted = "accepted are paths of files, bytes of files, Pillow images, and arrays [height, width, 3] of uint8"
    if not is_list(pictures):
        raise UserError(f"{PICTURES!r} is of type {type(pictures).__name__}; accepted is a list of pictures, which may be empty")
    for number, picture in enumerate(pictures):
        if is_path(picture):
            _check_file(picture, f"{PICTURES}[{number}]")
        elif isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
                raise UserError(f"picture {number} is an array {list(picture.shape)} of {picture.dtype}; {accepted}")
        elif not isinstance(picture, bytes | Image.Image):
            raise UserError(f"picture {number} is of type {type(picture).__name__}; {accepted}")


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

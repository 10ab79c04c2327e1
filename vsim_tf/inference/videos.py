"""Videos that a model is given, in memory or in files, and the batches that it takes of them."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.features.pictures import PictureSizes
from vsim_tf.features.tower import Tower
from vsim_tf.inference.given import Given, Item, as_items, is_path
from vsim_tf.inference.items import ItemReader
from vsim_tf.input.decoding import BatchFormat, batch_videos, raw_videos
from vsim_tf.input.order import EvaluationOrder
from vsim_tf.input.pictures import video_named
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.input.video_form import VideoForm
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import VideoBatch
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.text.fields import text_length
from vsim_tf.types import PathLike

Reading = tuple[PictureSizes | None, int, str]
"""What decides how a model reads videos: the sizes of pictures, or None and the feature dimension; and the form of its texts."""
HOST = "CPU:0"


def reading_of(form: VideoForm) -> Reading:
    """What two formats have in common for which the same videos are read."""
    return form.picture, form.frame_embedding_size, form.text_form


class Videos(Protocol):
    """Videos by their numbers from 0 on."""

    def __len__(self) -> int: ...

    def where(self, number: int, /) -> str:
        """What messages call a video."""

    def read(self, numbers: Sequence[int], form: VideoForm) -> list[RawVideo]:
        """Some videos as records have them; `UserError` where one cannot be read."""


class ItemVideos:
    """Items in memory.

    Args:
        items: the dicts.
        forms: of the batches of all models that read them.
        tower: see `ItemReader`.
        name: what messages call the item at an index.

    Raises:
        UserError: an item that a model cannot read; with its name.
    """

    def __init__(self, items: Sequence[Item], forms: Sequence[VideoForm], tower: Tower | None, name: Callable[[int], str]):
        self.items, self.where = items, name
        self.readers = {reading_of(form): ItemReader(form, tower) for form in forms}
        for number in range(len(items)):
            try:
                for reader in self.readers.values():
                    reader.check(items[number])
            except UserError as error:
                raise UserError(f"{name(number)}: {error}", error.fields) from None

    def __len__(self) -> int:
        return len(self.items)

    def read(self, numbers: Sequence[int], form: VideoForm) -> list[RawVideo]:
        reader = self.readers[reading_of(form)]
        return reader.read([self.items[number] for number in numbers], lambda row: self.where(numbers[row]))


class RecordVideos:
    """Records of files, which are read when they are needed.

    Args:
        pattern: see `expand_pattern`.

    Raises:
        UserError: no files, or no records in them.
        RecordError: a truncated file.
    """

    def __init__(self, pattern: PathLike):
        self.index = RecordIndex(expand_pattern(os.fspath(pattern)))

    def __len__(self) -> int:
        return len(self.index)

    def where(self, number: int, /) -> str:
        return self.index.where(number)

    def read(self, numbers: Sequence[int], form: VideoForm) -> list[RawVideo]:
        return raw_videos(self.index.read(np.array(numbers)), lambda row: self.where(numbers[row]), "videos", form)


def videos_of(given: Given, forms: Sequence[VideoForm], tower: Tower | None) -> Videos:
    """The videos of what a model is called with.

    Raises:
        UserError: something else is given, or as `ItemVideos` and `RecordVideos` do.
    """
    if is_path(given):
        return RecordVideos(given)
    if isinstance(given, Mapping):
        return ItemVideos([given], forms, tower, lambda _: "item")
    return ItemVideos(as_items(given), forms, tower, lambda number: f"items[{number}]")


def numbered_video_batches(
    videos: Sequence[RawVideo], form: BatchFormat, batch_size: int, name: Callable[[int], str]
) -> Iterator[tuple[tf.Tensor, VideoBatch]]:
    """All videos once, as `vsim_tf.input.pipeline.numbered_batches` gives records: numbers, `[batch]`, and the batch of them.

    Where batches are trimmed, videos are sorted by length within windows. Tensors are in host memory.

    Args:
        videos: as `Videos.read` gives them.
        form: how they become batches.
        batch_size: videos of a batch; the last one may have fewer.
        name: what messages call the video at an index.

    Raises:
        RecordError: a picture that cannot be decoded.
    """

    def lengths(numbers: np.ndarray) -> np.ndarray:
        return np.array([_length(videos[number], form) for number in numbers])

    order = EvaluationOrder(len(videos), batch_size, lengths if form.trims else None)
    for place in range(len(order)):
        numbers = order(place)
        names = [name(number) for number in numbers.tolist()]
        with video_named(names.__getitem__):
            batch = batch_videos([b""] * len(numbers), [videos[number] for number in numbers], form)
        with tf.device(HOST):
            tensors = tf.nest.map_structure(tf.convert_to_tensor, (numbers, batch))
        yield tensors


def _length(video: RawVideo, form: BatchFormat) -> int:
    """How much of a batch a video needs: characters of its texts where texts are trimmed, and its frames where these are."""
    text = min(text_length(video.texts, form.text_form), form.max_text_length) if form.trim_text else 0
    return text + (min(len(video.frames), form.max_frames) if form.trim_frames else 0)

"""Short videos of the 8th place: records and batches with classes, OCR and speech, and pictures where a model has a tower."""

import dataclasses
from collections.abc import Mapping

import numpy as np
import tensorflow as tf
import toys

from vsim_tf.features.pictures import encode_jpeg
from vsim_tf.input.decoding import BatchFormat, decode
from vsim_tf.input.pipeline import Draw
from vsim_tf.models.architectures import Model
from vsim_tf.records.classes import ClassTable, classes_of_ids
from vsim_tf.records.schema import VideoBatch
from vsim_tf.records.videos import video_record
from vsim_tf.runs.run_folder import batch_format
from vsim_tf.tasks.task import Task

CATEGORIES = ("0000", "0001", "0100", "0101", "0200")
CLASSES: ClassTable = classes_of_ids(CATEGORIES)
PICTURE = (9, 11, 3)


def short_video(number: int, rng: np.random.Generator, pictures: bool) -> bytes:
    """A record with 1 to 7 frames, features or pictures of even colours, and short texts."""
    frames = rng.standard_normal((rng.integers(1, 8), toys.DIM)).astype(np.float16)
    jpegs = [encode_jpeg(np.full(PICTURE, rng.integers(0, 256, 3), np.uint8)) for _ in frames] if pictures else None
    title, ocr, asr = (toys.random_title(rng, longest) for longest in (3, 2, 2))  # some do not fill `toys.TEXT`
    category = int(CATEGORIES[number % len(CATEGORIES)])
    return video_record(f"v{number}", title, None if pictures else frames, asr, None, category, ocr, jpegs)


def short_videos(count: int, pictures: bool = False, seed: int = 0) -> list[bytes]:
    rng = np.random.default_rng(seed)
    return [short_video(number, rng, pictures) for number in range(count)]


def form_of(model: Model, **changes) -> BatchFormat:
    """The format of a model's batches, with all targets that its tasks may need."""
    form = batch_format(model, toys.TOKENIZERS["bert"], np.zeros(0, np.int64), CLASSES, context=True)
    return dataclasses.replace(form, **changes)


def clean_batch(model: Model, size: int = 8, seed: int = 0) -> VideoBatch:
    """A batch before the tasks have changed anything."""
    records = short_videos(size, model.tower is not None, seed)
    return tf.nest.map_structure(tf.constant, decode(records, str, "videos", form_of(model)))


def corrupted(batch: VideoBatch, tasks: Mapping[str, Task], seed: int = 0) -> VideoBatch:
    """A batch as the tasks of a stage leave it."""
    size, text = batch.input_ids.shape
    draw = Draw(tf.constant([1, seed]), (size, text), batch.frames.shape[1], 0, toys.TOKENIZERS["bert"])
    for task in tasks.values():
        batch = task.corrupt(batch, draw)
    return batch


def training_batch(model: Model, tasks: Mapping[str, Task], size: int = 8, seed: int = 0) -> VideoBatch:
    """A batch that the tasks are trained on."""
    return corrupted(clean_batch(model, size, seed), tasks, seed)

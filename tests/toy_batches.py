"""Batches of videos that a test writes itself."""

import numpy as np
import tensorflow as tf
import toys

from vsim_tf.records.videos import video_record


def one_batch(tmp_path, records, form=None, kind="videos"):
    file = toys.write_records(tmp_path / "records", records)
    return next(iter(toys.evaluation_batches([file], kind, form or toys.batch_format(), len(records))))


def video(video_id="7", title="天地", num_frames=2, tags=(3,)):
    frames = np.arange(num_frames * toys.DIM).reshape(num_frames, toys.DIM)
    return video_record(video_id, title, frames, tags=tags)


def same(a, b) -> bool:
    pairs = zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True)
    return all(x.dtype == y.dtype and x.shape == y.shape and bool(tf.reduce_all(x == y)) for x, y in pairs)

"""Videos as the baselines need them: texts, mean frames, tags and classes, without the frames."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.records.category_tags import category_tag
from vsim_tf.records.record_index import RecordIndex
from vsim_tf.records.schema import ASR_TEXT, CATEGORY_ID, FRAME_FEATURE, NO_SPEECH, OCR_TEXT, TAG_ID, TITLE
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import check_video, parse_example
from vsim_tf.text.tokenizers import decode_titles
from vsim_tf.types import PathLike


class RawVideos(NamedTuple):
    """What the baselines need of some videos.

    Attributes:
        ids: one per video.
        titles: one per video, may be empty.
        mean_frames: mean over all frames of a video, `[videos, frame size]` float32; zeros for a video without frames.
        tags: tag ids of each video, and the tag of its category (`records.category_tags`); none where the records have none.
        texts: title, OCR and speech of each, with a blank between them.
        categories: class of each, four digits; empty where the record has none.
    """

    ids: list[str]
    titles: list[str]
    mean_frames: np.ndarray
    tags: Sequence[Sequence[int]] = ()
    texts: Sequence[str] = ()
    categories: Sequence[str] = ()


def read_raw_videos(test_file: PathLike, frame_embedding_size: int) -> RawVideos:
    """Reads the videos of a TFRecord file in its order.

    Raises:
        UserError: the file is missing or empty.
        RecordError: a damaged file, or a record that `records.videos.check_video` refuses.
    """
    if not Path(test_file).is_file():
        raise UserError(f"{test_file}: no such file; a TFRecord file of videos is needed for the baselines")
    named = ((f"{test_file}, record {number}", data) for number, (_, data) in enumerate(read_records(test_file)))
    return _raw_videos(named, frame_embedding_size, str(test_file))


def sample_raw_videos(files: Sequence[str], frame_embedding_size: int, max_videos: int | None = None) -> RawVideos:
    """Reads at most so many videos of TFRecord files, evenly spread over all of them; None: all.

    Raises:
        UserError: no records.
        RecordError: see `read_raw_videos`.
    """
    index = RecordIndex(files)
    records = index.named(index.spread(max_videos))
    return _raw_videos(records, frame_embedding_size, ", ".join(files))


def _raw_videos(records: Iterable[tuple[str, bytes]], frame_embedding_size: int, where: str) -> RawVideos:
    """Checks and reduces records, each with its place for messages."""
    ids, titles, means, tags = [], [], [], []
    others: dict[str, list[bytes]] = {OCR_TEXT: [], ASR_TEXT: []}
    categories: list[str] = []
    for place, data in records:
        ids.append(check_video(data, frame_embedding_size, place))
        features = parse_example(data, place)
        titles.append(features[TITLE].bytes_list.value[0])
        means.append(_mean_frame(features[FRAME_FEATURE].bytes_list.value, frame_embedding_size))
        for key, read in others.items():
            read.append(next(iter(features[key].bytes_list.value), b""))
        categories += [f"{category:04d}" for category in features[CATEGORY_ID].int64_list.value[:1]] or [""]
        tags.append([*features[TAG_ID].int64_list.value, *map(category_tag, features[CATEGORY_ID].int64_list.value)])
    if not ids:
        raise UserError(f"{where}: holds no record")
    known = decode_titles(titles)
    fields = zip(known, *map(decode_titles, others.values()), strict=True)
    texts = [" ".join(text for text in video if text and text != NO_SPEECH) for video in fields]
    return RawVideos(ids, known, np.stack(means), tags, texts, categories)


def _mean_frame(frames: Sequence[bytes], frame_embedding_size: int) -> np.ndarray:
    if not frames:
        return np.zeros(frame_embedding_size, np.float32)
    values = np.frombuffer(b"".join(frames), dtype="<f2").reshape(-1, frame_embedding_size)
    mean: np.ndarray = values.mean(axis=0, dtype=np.float32)
    return mean

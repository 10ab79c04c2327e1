"""Scores of what one would try before training anything: raw frame features, and the characters of the titles."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vsim_tf.data.labels import Pair
from vsim_tf.data.records import read_records
from vsim_tf.data.schema import BYTES_PER_FRAME_VALUE, FRAME_FEATURE, ID, REQUIRED_KEYS, TITLE
from vsim_tf.errors import RecordError, UserError
from vsim_tf.metrics import cosine_similarity, pair_rows, spearman
from vsim_tf.submission import PathLike

FRAME_BASELINE = "mean frame cosine"
TITLE_BASELINE = "character TF-IDF cosine"


class RawVideos(NamedTuple):
    """What the baselines need of a test set.

    Attributes:
        ids: one per video.
        titles: one per video, may be empty.
        mean_frames: mean over all frames of a video, `[videos, frame size]` float32; zeros for a video without frames.
    """

    ids: list[str]
    titles: list[str]
    mean_frames: np.ndarray


def baseline_scores(test_file: PathLike, pairs: Sequence[Pair], frame_embedding_size: int) -> dict[str, float]:
    """Returns the Spearman of each baseline on a labelled test set: name -> score, nan as in `metrics.spearman`.

    Args:
        test_file: TFRecord file of videos.
        pairs: its labelled pairs.
        frame_embedding_size: numbers per frame.

    Raises:
        UserError: the file is missing or empty, or lacks a video of a pair.
        RecordError: a damaged file, a record without a needed key or with a frame of another length.
    """
    videos = read_raw_videos(test_file, frame_embedding_size)
    return {
        FRAME_BASELINE: mean_frame_spearman(videos, pairs),
        TITLE_BASELINE: title_spearman(videos, pairs),
    }


def mean_frame_spearman(videos: RawVideos, pairs: Sequence[Pair]) -> float:
    """Returns the Spearman of the cosine of two videos' mean frame features with the pairs' similarity."""
    first, second, similarity = pair_rows(videos.ids, pairs)
    return spearman(cosine_similarity(videos.mean_frames[first], videos.mean_frames[second]), similarity)


def title_spearman(videos: RawVideos, pairs: Sequence[Pair]) -> float:
    """Returns the Spearman of the cosine of two titles' character TF-IDF with the pairs' similarity.

    Terms are single characters and pairs of neighbours (1- and 2-grams); document frequencies come from the titles of
    this test set and nothing else. nan where all titles are empty.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    first, second, similarity = pair_rows(videos.ids, pairs)
    if not any(title.strip() for title in videos.titles):
        return math.nan
    rows = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(videos.titles)
    cosine = rows[first].multiply(rows[second]).sum(axis=1)
    return spearman(np.asarray(cosine).ravel(), similarity)


def read_raw_videos(test_file: PathLike, frame_embedding_size: int) -> RawVideos:
    """Reads ids, titles and mean frame features of a TFRecord file of videos, in its order.

    Raises:
        UserError: the file is missing or empty.
        RecordError: a damaged file, a record without a needed key or with a frame of another length.
    """
    if not Path(test_file).is_file():
        raise UserError(f"{test_file}: no such file; a TFRecord file of videos is needed for the baselines")
    import tensorflow as tf

    videos = []
    for number, (_, record) in enumerate(read_records(test_file)):
        where = f"{test_file}, record {number}"
        videos.append(_raw_video(_features(tf.train.Example, record, where), frame_embedding_size, where))
    if not videos:
        raise UserError(f"{test_file}: holds no record")
    ids, titles, means = zip(*videos)
    return RawVideos(list(ids), list(titles), np.stack(means))


def _features(example_type: Any, record: bytes, where: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        features = example_type.FromString(record).features.feature
    except DecodeError as error:
        raise RecordError(f"{where}: not a tf.train.Example") from error
    if missing := [key for key in REQUIRED_KEYS if key not in features]:
        raise RecordError(f"{where}: lacks {', '.join(missing)}")
    return features


def _raw_video(features: Any, frame_size: int, where: str) -> tuple[str, str, np.ndarray]:
    ids = features[ID].bytes_list.value
    if len(ids) != 1:
        raise RecordError(f"{where}: {len(ids)} values of {ID}; accepted is one byte string")
    video = ids[0].decode(errors="replace")
    frames = features[FRAME_FEATURE].bytes_list.value
    expected = frame_size * BYTES_PER_FRAME_VALUE
    if wrong := [len(frame) for frame in frames if len(frame) != expected]:
        raise RecordError(f"{where}, video {video}: a frame of {wrong[0]} bytes; {frame_size} float16 values are "
                          f"{expected} bytes (frame_embedding_size)")
    title = b"".join(features[TITLE].bytes_list.value).decode(errors="replace")
    values = np.frombuffer(b"".join(frames), dtype="<f2").reshape(-1, frame_size).astype(np.float32)
    return video, title, values.mean(axis=0) if len(values) else np.zeros(frame_size, np.float32)

"""Scores of what one would try before training anything: raw frame features, and the characters of the titles."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import pair_rows, spearman
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.records.labels import Pair
from vsim_tf.records.schema import FRAME_FEATURE, TITLE
from vsim_tf.records.tfrecords import read_records
from vsim_tf.text.tokenizers import decode_titles
from vsim_tf.types import PathLike

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
        frame_embedding_size: feature dimension.

    Raises:
        UserError: the file is missing or empty, or lacks a video of a pair.
        RecordError: a damaged file, or a record that `data.videos.check_video` refuses.
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
        RecordError: a damaged file, or a record that `data.videos.check_video` refuses.
    """
    if not Path(test_file).is_file():
        raise UserError(f"{test_file}: no such file; a TFRecord file of videos is needed for the baselines")
    with quiet_imports():
        import tensorflow as tf

        from vsim_tf.records.videos import check_video

    ids, titles, means = [], [], []
    for number, (_, record) in enumerate(read_records(test_file)):
        ids.append(check_video(record, frame_embedding_size, f"{test_file}, record {number}"))
        features = tf.train.Example.FromString(record).features.feature
        titles.append(features[TITLE].bytes_list.value[0])
        means.append(_mean_frame(features[FRAME_FEATURE].bytes_list.value, frame_embedding_size))
    if not ids:
        raise UserError(f"{test_file}: holds no record")
    return RawVideos(ids, decode_titles(titles), np.stack(means))


def _mean_frame(frames: Sequence[bytes], frame_embedding_size: int) -> np.ndarray:
    if not frames:
        return np.zeros(frame_embedding_size, np.float32)
    values = np.frombuffer(b"".join(frames), dtype="<f2").reshape(-1, frame_embedding_size)
    mean: np.ndarray = values.mean(axis=0, dtype=np.float32)
    return mean

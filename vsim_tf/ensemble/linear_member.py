"""Short videos as logistic regression sees them: a baseline of the report, and a member of an ensemble of classifiers."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from vsim_tf.evaluation.class_baselines import MAX_VIDEOS, BaselineVideos, class_baselines, linear_predictions
from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1
from vsim_tf.evaluation.raw_videos import sample_raw_videos
from vsim_tf.io.paths import FEATURES, LABELED, short_videos_pattern
from vsim_tf.records.feature_origin import origin_of
from vsim_tf.records.predictions import Predictions
from vsim_tf.records.tfrecords import expand_pattern


def linear_member(data_dir: Path, tests: Sequence[str], width: int) -> dict[str, Predictions]:
    """Predictions of test sets by a logistic regression on the labelled videos, by the set's name.

    Args:
        data_dir: records of features of short videos (`io.paths.short_videos_pattern`).
        tests: names of the test sets.
        width: feature dimension of a frame.

    Raises:
        UserError: records are missing or cannot be used, or their features are of several towers.
    """
    origin_of([file for split in (LABELED, *tests) for file in _files(data_dir, split)])
    training, categories = _seen(data_dir, LABELED, width, MAX_VIDEOS)
    return linear_predictions(training, categories, {test: _seen(data_dir, test, width)[0] for test in tests})


def baseline_scores(data_dir: Path, test: str, labels: Mapping[str, str], width: int) -> dict[str, HierarchicalF1]:
    """Scores of the baselines on a test set, by name.

    Args:
        data_dir, width: see `linear_member`.
        test: name of the test set.
        labels: class of level 2 of each of its videos, by id.

    Raises:
        UserError: as in `linear_member`.
    """
    origin_of([file for split in (LABELED, test) for file in _files(data_dir, split)])
    training, categories = _seen(data_dir, LABELED, width, MAX_VIDEOS)
    return class_baselines(training, categories, _seen(data_dir, test, width)[0], labels)


def _seen(data_dir: Path, split: str, width: int, most: int | None = None) -> tuple[BaselineVideos, Sequence[str]]:
    """At most so many videos of a split, and their classes."""
    videos = sample_raw_videos(_files(data_dir, split), width, most)
    return BaselineVideos(videos.ids, videos.texts, videos.mean_frames), videos.categories


def _files(data_dir: Path, split: str) -> list[str]:
    return expand_pattern(short_videos_pattern(data_dir, split, FEATURES))

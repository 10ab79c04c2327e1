"""The linear model as a member of an ensemble: ridge to the tags, reduced, and what it makes of videos that it was fitted to."""

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.evaluation.linear_baseline import TagRidge
from vsim_tf.evaluation.raw_videos import RawVideos
from vsim_tf.inference.linear_model import LinearModel

ALPHA = 10.0
"""Ridge penalty. Of 0.3, 1, 3, 10, 30, 100 it ranks labelled pairs of real videos best, as `cross_fitted` embeds them, with 1,900
training videos; with 11,500, 30 is better by 0.001. That of the baseline, 1, is worse by 0.02 to 0.03.
"""
FOLDS = 5
"""Parts of the videos for `cross_fitted`."""
NUL = "\0"

logger = logging.getLogger(__name__)


class LinearFit(NamedTuple):
    """A fitted model, and its basis in the space of tags, `[tags, dim]`."""

    model: LinearModel
    basis: np.ndarray


def fit_linear(training: RawVideos, tags: np.ndarray, dim: int) -> LinearFit:
    """Fits the model to videos with tags.

    Its embeddings are predicted tags, less those of the mean video, times the basis of `TagRidge.tag_basis`; where that has fewer
    columns than `dim`, the last numbers are 0.

    Args:
        training: the videos; no pair is read.
        tags: known tags, ascending, `[tags]` int64.
        dim: embedding dimension.

    Raises:
        UserError: no video has a known tag.
    """
    training = _without_nul(training)
    ridge = TagRidge(training, tags, ALPHA)
    found, share = ridge.tag_basis(training, dim)
    basis = np.pad(found, ((0, 0), (0, dim - found.shape[1])))
    logger.info(f"linear: {len(training.ids):,} videos, {len(tags):,} tags; {dim} numbers hold {share:.2%} of the predictions")
    return LinearFit(ridge.projected(basis), basis)


def cross_fitted(training: RawVideos, tags: np.ndarray, basis: np.ndarray, videos: RawVideos) -> np.ndarray:
    """Embeddings of training videos by models that were fitted to others, `[videos, dim]` float32.

    A model knows the tags of the videos that it was fitted to, and ranks their pairs better than those of new ones. Videos of one
    title are in the same of `FOLDS` parts.

    Args:
        training, tags, basis: see `fit_linear`.
        videos: some of the training videos.

    Raises:
        UserError: no video of the other parts has a known tag.
    """
    training, videos = _without_nul(training), _without_nul(videos)
    numbers = {key: number % FOLDS for number, key in enumerate(dict.fromkeys(map(_key, training.ids, training.titles)))}
    of_training, of_videos = (
        np.array([numbers.get(_key(*named), 0) for named in zip(each.ids, each.titles, strict=True)])
        for each in (training, videos)
    )
    found = np.zeros((len(videos.ids), basis.shape[1]), np.float32)
    for number in np.unique(of_videos):
        rows = np.flatnonzero(of_videos == number)
        model = TagRidge(_rows(training, np.flatnonzero(of_training != number)), tags, ALPHA).projected(basis)
        found[rows] = model.embed([videos.titles[row] for row in rows], videos.mean_frames[rows])
    return found


def _key(video: str, title: str) -> str:
    """What videos of one part have in common."""
    return title.strip() or f"{NUL}{video}"


def _rows(videos: RawVideos, rows: np.ndarray) -> RawVideos:
    """Some of the videos, without texts and classes."""

    def some(values: Sequence[str]) -> list[str]:
        return [values[row] for row in rows]

    return RawVideos(some(videos.ids), some(videos.titles), videos.mean_frames[rows], [videos.tags[row] for row in rows])


def _without_nul(videos: RawVideos) -> RawVideos:
    """NumPy's text cannot end with that character, which would be a term."""
    return videos._replace(titles=[title.replace(NUL, "") for title in videos.titles])

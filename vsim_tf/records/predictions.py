"""Class logits on disk: the npz file of one run on one test set."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import output_file
from vsim_tf.io.npz import MAX_UNPACKED_BYTES, read_npz
from vsim_tf.records.embeddings import check_ids, id_array
from vsim_tf.types import PathLike


class Predictions(NamedTuple):
    """Predictions of a set of videos.

    Attributes:
        ids: one id per video, unique.
        classes: ids of the classes of level 2, in the order of the columns.
        logits: one row per id, `[videos, classes]`.
    """

    ids: list[str]
    classes: tuple[str, ...]
    logits: np.ndarray

    def categories(self) -> dict[str, str]:
        """The class with the largest logit of each video, by the video's id."""
        return best_classes(self.ids, self.classes, self.logits)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities of logits, `[videos, classes]` float64."""
    from scipy import special

    probabilities: np.ndarray = special.softmax(logits.astype(np.float64), axis=1)
    return probabilities


def best_classes(ids: Sequence[str], classes: Sequence[str], scores: np.ndarray) -> dict[str, str]:
    """The class with the largest score of each video, by the video's id; of equal scores the first.

    Args:
        ids: of the videos.
        classes: ids of the classes, in the order of the columns.
        scores: `[videos, classes]`.
    """
    return {video: classes[best] for video, best in zip(ids, scores.argmax(axis=1), strict=True)}


def predictions_bytes(videos: int, classes: int) -> int:
    """How large a file of `write_predictions` is: float32 numbers, and 4 bytes per character of ids of up to 20."""
    return videos * (4 * classes + 80)


def check_predictions(predictions: Predictions, where: PathLike) -> None:
    """Checks for unique ids and classes, one row per id, one column per class, finite logits.

    Raises:
        UserError: with the count and the first five ids at fault; `where` names the file.
    """
    ids, classes, logits = predictions
    if logits.shape != (len(ids), len(classes)) or not logits.size:
        raise UserError(
            f"{where}: {len(ids)} ids and {len(classes)} classes with logits of shape {list(logits.shape)}; accepted is a row per"
            " id and a column per class, at least one of each"
        )
    check_ids(ids, where)
    check_ids(classes, where)
    sound = np.isfinite(logits).all(axis=1)
    if not sound.all():
        faulty = [ids[row] for row in np.flatnonzero(~sound)]
        raise UserError(f"{where}: videos with a logit that is not finite: {count_and_first(faulty)}")


def write_predictions(path: PathLike, predictions: Predictions) -> None:
    """Writes `ids`, `classes` (text) and `logits` (float32, `[videos, classes]`) as an npz file without pickles.

    Raises:
        UserError: the predictions are not acceptable (see `check_predictions`), or the file cannot be written.
    """
    with np.errstate(over="ignore"):
        logits = predictions.logits.astype(np.float32)
    check_predictions(predictions._replace(logits=logits), path)
    ids, classes = id_array(predictions.ids, path), id_array(predictions.classes, path)
    with output_file(path) as file:
        np.savez(file, ids=ids, classes=classes, logits=logits)


def read_predictions(path: PathLike, max_bytes: int = MAX_UNPACKED_BYTES) -> Predictions:
    """Reads what `write_predictions` wrote.

    Args:
        path: the npz file.
        max_bytes: largest accepted size of the unpacked arrays.

    Raises:
        UserError: missing, damaged or another kind of file; names the file.
    """
    arrays = read_npz(path, ("ids", "classes", "logits"), "file of predictions", max_bytes)
    for name, kind in (("ids", "U"), ("classes", "U"), ("logits", "f")):
        array = arrays[name]
        if array.dtype.kind != kind or array.ndim != (1 if kind == "U" else 2):
            needed = "a list of text" if kind == "U" else "rows of floats"
            raise UserError(f"{path}: {name} are {array.dtype} {list(array.shape)}; accepted is {needed}")
    predictions = Predictions(arrays["ids"].tolist(), tuple(arrays["classes"].tolist()), arrays["logits"])
    check_predictions(predictions, path)
    return predictions

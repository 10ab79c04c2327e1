"""Trained classifiers to predictions on disk; TensorFlow is loaded where something is to be predicted."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from vsim_tf.distributed.cluster import is_chief
from vsim_tf.errors import UserError
from vsim_tf.inference.embed_files import announce_by_runs, by_checkpoints, by_runs, load_embedder, make_strategy
from vsim_tf.inference.products import PREDICTIONS, VideoSet
from vsim_tf.io.paths import FEATURES, PICTURES
from vsim_tf.records.category_files import write_categories
from vsim_tf.records.predictions import best_classes
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.checkpoint_files import require_checkpoint
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.types import PathLike

logger = logging.getLogger(__name__)


def predict_to_csv(
    checkpoint: str, test_files: Sequence[str], output: PathLike, batch_size: int, precision: str, expected_model: str = ""
) -> None:
    """Writes the class of each video of the test files by one checkpoint, lines `id,category_id` in their order.

    Raises:
        UserError: no checkpoint of a classifier, or of another one than expected; or the file cannot be written.
    """
    require_checkpoint(checkpoint)
    run = RunFolder.open(Path(checkpoint).parent.parent)
    run.require_features(test_files)
    classes = run.classes.ids
    predictor, form = load_embedder(run.path, precision, expected_model, make_strategy(), PREDICTIONS)
    (logits,) = by_checkpoints(predictor, test_files, form, batch_size, [checkpoint])
    if is_chief():
        write_categories(output, best_classes(logits.ids, classes, logits.values), logits.ids)
        logger.info(f"{output}: {len(logits.ids)} videos by {checkpoint}")


def predict_runs(
    model: str, folders: Sequence[Path], sets: Sequence[VideoSet], kind: str, batch_size: int, precision: str
) -> None:
    """Writes the class logits of each test set by runs of a classifier; arguments and errors are those of `by_runs`."""
    by_runs(PREDICTIONS, model, folders, sets, kind, batch_size, precision)


def announce_predicted(model: str, folders: Sequence[Path], pattern: Callable[[], str], kind: str, precision: str) -> bool:
    """Whether `predict_runs` has nothing to do for the test sets of `video_sets`, after saying so."""
    return announce_by_runs(PREDICTIONS, model, folders, lambda: video_sets(pattern()), kind, precision)


def read_kind(folder: Path) -> str:
    """The kind of records that the model of a run reads, "pictures" through its own tower or "features"."""
    return PICTURES if RunFolder.open(folder).model.tower else FEATURES


def video_sets(pattern: str) -> list[VideoSet]:
    """Record files by the folder that they are in, which is the name of their set.

    Raises:
        UserError: no files, or two folders of one name.
    """
    sets: dict[str, VideoSet] = {}
    for file in expand_pattern(pattern):
        folder = Path(file).absolute().parent
        found = sets.setdefault(folder.name, VideoSet(folder.name, []))
        if found.files and Path(found.files[0]).absolute().parent != folder:
            raise UserError(
                f"{found.files[0]} and {file}: predictions are named after the folder of their records, and both would be"
                f" {folder.name}.npz; rename one of them, or choose files with test_files",
                ["test_files"],
            )
        found.files.append(file)
    return list(sets.values())

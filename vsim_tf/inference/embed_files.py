"""Trained checkpoints to embeddings, or other products, on disk; TensorFlow is loaded where something is to be computed."""

import contextlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsim_tf.distributed.cluster import is_chief, worker_shard, workers
from vsim_tf.distributed.gpus import likely_precision
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.embedding_notes import are_current, make_note, note_file, require_distinct_names
from vsim_tf.inference.exporters import exporter_of
from vsim_tf.inference.products import EMBEDDINGS, Product, VideoSet
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import remove_stale_lock
from vsim_tf.io.paths import FOLD_RUNS, SUMMARY
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.tfrecords import count_records
from vsim_tf.runs.checkpoint_files import require_checkpoint
from vsim_tf.runs.run_folder import RunFolder, read_summary, run_lock, write_json

if TYPE_CHECKING:
    import tensorflow as tf

    from vsim_tf.inference.embedder import Embedder
    from vsim_tf.input.decoding import BatchFormat
    from vsim_tf.runs.held_weights import HeldWeights

logger = logging.getLogger(__name__)


def load_embedder(
    folder: Path,
    precision: str,
    expected_model: str = "",
    strategy: "tf.distribute.Strategy | None" = None,
    product: Product = EMBEDDINGS,
) -> "tuple[Embedder, BatchFormat]":
    """The model of a run folder, with weights still to be restored, and how records become its batches.

    Args:
        folder: the run folder.
        precision: dtype policy, or "auto".
        expected_model: registered name that it must have; empty for any.
        strategy: a `tf.distribute.Strategy`; by default one device.
        product: what it is to make of videos.

    Raises:
        UserError: the folder holds another model than expected.
    """
    with quiet_imports():
        import tensorflow as tf

        from vsim_tf.distributed.device import precision_scope
        from vsim_tf.models.build import build_network

        embedder = product.embedder()
    run = RunFolder.open(folder)
    if expected_model:
        run.require_model(expected_model)
    strategy = strategy or tf.distribute.get_strategy()
    with precision_scope(precision), strategy.scope():
        network = build_network(run.model, product.tasks())
    return embedder(network, strategy), run.batch_format()


def embed_to_file(
    checkpoint: str,
    test_files: Sequence[str],
    output: str,
    batch_size: int,
    precision: str,
    expected_model: str = "",
) -> None:
    """Embeds the videos of the test files by one checkpoint into a file, of the kind that its ending names."""
    exporter, path = exporter_of(Path(output)), Path(output)
    require_checkpoint(checkpoint)
    folder = Path(checkpoint).parent.parent
    RunFolder.open(folder).require_features(test_files)
    embedder, form = load_embedder(folder, precision, expected_model, make_strategy())
    videos = sum(count_records(file) for file in test_files)
    require_space(path.parent, exporter.size(videos, embedder.width), f"the embeddings in {path.name}")
    (embeddings,) = by_checkpoints(embedder, test_files, form, batch_size, [checkpoint])
    if is_chief():
        exporter.write(path, embeddings)
        logger.info(f"{path}: {len(embeddings.ids)} videos by {checkpoint}")


def embed_folds(
    model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str
) -> None:
    """Embeds each test file by the checkpoints of several runs of a model: `by_runs`, with the name of the file.

    Raises:
        UserError: two test files have the same name, or as in `by_runs`.
    """
    by_runs(EMBEDDINGS, model, folders, _sets(test_files), kind, batch_size, precision)


def announce_embedded(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, precision: str) -> bool:
    """Whether `embed_folds` has nothing to do, after saying so."""
    return announce_by_runs(EMBEDDINGS, model, folders, lambda: _sets(test_files), kind, precision)


def _sets(test_files: Sequence[str]) -> list[VideoSet]:
    require_distinct_names(test_files)
    return [VideoSet(Path(file).stem, [file]) for file in test_files]


def by_runs(
    product: Product,
    model: str,
    folders: Sequence[Path],
    sets: Sequence[VideoSet],
    kind: str,
    batch_size: int,
    precision: str,
) -> None:
    """Makes a product of each test set by the checkpoints of several runs of a model, in one pass over the data.

    Writes `<product>/<test set>.npz` into each run folder, and next to it a note of what made it
    (`vsim_tf.inference.embedding_notes`); what is there already from the same checkpoint, precision and test files is left.

    Args:
        product: what is made of videos.
        model: registered name.
        folders: run folders.
        sets: video records, each set with a name of its own.
        kind: "last" or "best" checkpoint; empty for that of the model's stage.
        batch_size: videos at a time.
        precision: dtype policy, or "auto".

    Raises:
        UserError: a run is not complete or of another model, it was trained on features of another tower, or the disk is too
            small.
    """
    with contextlib.ExitStack() as locks:
        for folder in folders:
            finished_checkpoint(folder, kind)  # before a lock file is written where nothing is
            RunFolder.open(folder).require_features([file for test in sets for file in test.files])
            locks.enter_context(run_lock(folder))
        _by_runs(product, model, folders, sets, kind, batch_size, precision)


def _by_runs(
    product: Product,
    model: str,
    folders: Sequence[Path],
    sets: Sequence[VideoSet],
    kind: str,
    batch_size: int,
    precision: str,
) -> None:
    checkpoints, strategy = _checkpoints(folders, kind), make_strategy()
    embedder: Embedder | None = None
    from vsim_tf.distributed.device import suitable_precision  # after the strategy: several machines are joined first
    from vsim_tf.distributed.workers import require_agreement

    resolved = suitable_precision(precision)
    for test in sets:
        missing = _missing(product, checkpoints, test, precision, resolved)
        of_set = {f"missing {product.noun}": {folder.name: note for folder, note in missing.items()}}
        require_agreement(strategy, of_set.copy, folders[0].parent)
        if not missing:
            _announce_there(product, model, test, folders)
            continue
        if embedder is None:
            embedder, form = load_embedder(folders[0], precision, model, strategy, product)
            require_same_model(folders)
            held = _held_weights(embedder, model, list(checkpoints.values()))
        size = product.size(sum(map(count_records, test.files)), embedder.width)
        require_space(folders[0].parent, len(missing) * size, f"{product.noun} of {test.name} by {len(missing)} checkpoints")
        results = by_checkpoints(embedder, test.files, form, batch_size, [checkpoints[folder] for folder in missing], held)
        if is_chief():
            for (folder, note), result in zip(missing.items(), results, strict=True):
                _write(product, folder, test, result, note)
        logger.info(f"{model} {test.name}: {len(results[0].ids)} videos by {len(missing)} checkpoints")


def announce_by_runs(
    product: Product, model: str, folders: Sequence[Path], sets: Callable[[], Sequence[VideoSet]], kind: str, precision: str
) -> bool:
    """Whether `by_runs` has nothing to do, after saying so; nothing is written, and TensorFlow is not loaded.

    Args:
        product, model, folders, kind, precision: see `by_runs`.
        sets: makes its test sets; called where all runs are complete.
    """
    if workers() or any(read_summary(folder) is None for folder in folders):
        return False
    checkpoints, resolved, tests = _checkpoints(folders, kind), likely_precision(precision), sets()
    if any(_missing(product, checkpoints, test, precision, resolved) for test in tests):
        return False
    for test in tests:
        _announce_there(product, model, test, folders)
    for folder in folders:
        remove_stale_lock(folder)
    return True


def make_strategy() -> "tf.distribute.Strategy":
    """The devices that there are, as `vsim_tf.distributed.strategy` finds them."""
    with quiet_imports():
        from vsim_tf.distributed import strategy

    return strategy.make_strategy()


def _held_weights(embedder: "Embedder", model: str, checkpoints: list[str]) -> "HeldWeights":
    from vsim_tf.runs.held_weights import HeldWeights

    held = HeldWeights(embedder.model, checkpoints)
    if len(checkpoints) > 1:
        logger.info(f"{model}: {held}")
    return held


def by_checkpoints(
    embedder: "Embedder",
    test_files: Sequence[str],
    form: "BatchFormat",
    batch_size: int,
    checkpoints: Sequence[str],
    held: "HeldWeights | None" = None,
) -> list[Embeddings]:
    """What each checkpoint makes of all videos of the files, in their order."""
    from vsim_tf.input.pipeline import numbered_batches, readable_errors
    from vsim_tf.io.memory import enough_memory

    with readable_errors(), enough_memory("to embed videos", f"batch_size={batch_size}", fields=["batch_size"]):
        batches = numbered_batches(list(test_files), "videos", form, batch_size, worker_shard())
        return embedder.embed_by_checkpoints(batches, checkpoints, held)


def _write(product: Product, folder: Path, test: VideoSet, results: Embeddings, note: dict[str, Any]) -> None:
    """The note is gone while the file is replaced: killed here, the results are computed again."""
    npz = product.file(folder, test.name)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        note_file(npz).unlink()
    product.write(npz, results, RunFolder.open(folder))
    write_json(note_file(npz), note)


def _missing(
    product: Product, checkpoints: dict[Path, str], test: VideoSet, precision: str, resolved: str
) -> dict[Path, dict[str, Any]]:
    """The run folders that lack the product of a test set by these checkpoints, with the notes of what will make it."""
    notes = {folder: make_note(checkpoint, test.files, precision, resolved) for folder, checkpoint in checkpoints.items()}
    return {folder: note for folder, note in notes.items() if not are_current(product.file(folder, test.name), note)}


def _announce_there(product: Product, model: str, test: VideoSet, folders: Sequence[Path]) -> None:
    logger.info(f"{model} {test.name}: {product.noun} by {len(folders)} checkpoints are there already")


def _checkpoints(folders: Sequence[Path], kind: str) -> dict[Path, str]:
    return {folder: finished_checkpoint(folder, kind) for folder in folders}


def finished_checkpoint(folder: Path, kind: str) -> str:
    """The newest `last` or `best` checkpoint of a complete run; `UserError` where training is not complete, or it has none."""
    if read_summary(folder) is None:
        complete = sorted(path.parent.name for path in folder.parent.glob(f"{FOLD_RUNS}/{SUMMARY}"))
        listed = f"complete are {count_and_first(complete)}" if complete else f"{folder.parent} holds no complete fold"
        raise UserError(f"{folder}: training is not complete; train this run first ({listed})")
    return RunFolder.open(folder).checkpoint(kind)


def require_same_model(folders: Sequence[Path]) -> None:
    """`UserError` unless all run folders hold one model with one vocabulary."""
    first, *others = map(RunFolder.open, folders)
    for other in others:
        other.require_same_model(first)

"""Trained checkpoints to embeddings on disk; TensorFlow is loaded where something is to be embedded."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsim_tf.distributed.cluster import is_chief, worker_shard, workers
from vsim_tf.distributed.gpus import likely_precision
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.embedding_notes import are_current, make_note, note_file, npz_file, require_distinct_names
from vsim_tf.inference.exporters import exporter_of
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import remove_stale_lock
from vsim_tf.io.paths import FOLD_RUNS, SUMMARY
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.records.embeddings import Embeddings, npz_bytes, write_embeddings
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
    folder: Path, precision: str, expected_model: str = "", strategy: "tf.distribute.Strategy | None" = None
) -> "tuple[Embedder, BatchFormat]":
    """The model of a run folder, with weights still to be restored, and how records become its batches.

    Args:
        folder: the run folder.
        precision: dtype policy, or "auto".
        expected_model: registered name that it must have; empty for any.
        strategy: a `tf.distribute.Strategy`; by default one device.

    Raises:
        UserError: the folder holds another model than expected.
    """
    with quiet_imports():
        import tensorflow as tf

        from vsim_tf.distributed.device import precision_scope
        from vsim_tf.inference.embedder import Embedder
        from vsim_tf.models.build import build_network

    run = RunFolder.open(folder)
    if expected_model:
        run.require_model(expected_model)
    strategy = strategy or tf.distribute.get_strategy()
    with precision_scope(precision), strategy.scope():
        network = build_network(run.model)
    return Embedder(network, strategy), run.batch_format()


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
    embedder, form = load_embedder(folder, precision, expected_model, _strategy())
    videos = sum(count_records(file) for file in test_files)
    require_space(path.parent, exporter.size(videos, embedder.model.config.dim), f"the embeddings in {path.name}")
    (embeddings,) = _embed(embedder, test_files, form, batch_size, [checkpoint])
    if is_chief():
        exporter.write(path, embeddings)
        logger.info(f"{path}: {len(embeddings.ids)} videos by {checkpoint}")


def embed_folds(
    model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str
) -> None:
    """Embeds each test file by the checkpoints of several runs of a model, in one pass over the data.

    Writes `embeddings/<test file>.npz` into each run folder, and next to it a note of what made it
    (`vsim_tf.inference.embedding_notes`); what is there already from the same checkpoint, precision and test file is left.

    Args:
        model: registered name.
        folders: run folders.
        test_files: video records.
        kind: "last" or "best" checkpoint.
        batch_size: videos at a time.
        precision: dtype policy, or "auto".

    Raises:
        UserError: two test files have the same name, a run is not complete or of another model, or the disk is too small.
    """
    require_distinct_names(test_files)
    with contextlib.ExitStack() as locks:
        for folder in folders:
            finished_checkpoint(folder, kind)  # before a lock file is written where nothing is
            locks.enter_context(run_lock(folder))
        _embed_folds(model, folders, test_files, kind, batch_size, precision)


def _embed_folds(
    model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str
) -> None:
    checkpoints, strategy = _checkpoints(folders, kind), _strategy()
    embedder: Embedder | None = None
    from vsim_tf.distributed.device import suitable_precision  # after the strategy: several machines are joined first
    from vsim_tf.distributed.workers import require_agreement

    resolved = suitable_precision(precision)
    for test_file in test_files:
        name, missing = Path(test_file).stem, _missing(checkpoints, test_file, precision, resolved)
        of_file = {"missing embeddings": {folder.name: note for folder, note in missing.items()}}
        require_agreement(strategy, of_file.copy, folders[0].parent)
        if not missing:
            _announce_there(model, test_file, folders)
            continue
        if embedder is None:
            embedder, form = load_embedder(folders[0], precision, model, strategy)
            require_same_model(folders)
            held = _held_weights(embedder, model, list(checkpoints.values()))
        size = npz_bytes(count_records(test_file), embedder.model.config.dim)
        require_space(folders[0].parent, len(missing) * size, f"embeddings of {name} by {len(missing)} checkpoints")
        results = _embed(embedder, [test_file], form, batch_size, [checkpoints[folder] for folder in missing], held)
        if is_chief():
            for (folder, note), embeddings in zip(missing.items(), results, strict=True):
                _write(npz_file(folder, test_file), embeddings, note)
        logger.info(f"{model} {name}: {len(results[0].ids)} videos by {len(missing)} checkpoints")


def announce_embedded(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, precision: str) -> bool:
    """Whether `embed_folds` has nothing to do, after saying so; nothing is written, and TensorFlow is not loaded."""
    if workers() or any(read_summary(folder) is None for folder in folders):
        return False
    require_distinct_names(test_files)
    checkpoints, resolved = _checkpoints(folders, kind), likely_precision(precision)
    if any(_missing(checkpoints, test_file, precision, resolved) for test_file in test_files):
        return False
    for test_file in test_files:
        _announce_there(model, test_file, folders)
    for folder in folders:
        remove_stale_lock(folder)
    return True


def _strategy() -> "tf.distribute.Strategy":
    with quiet_imports():
        from vsim_tf.distributed.strategy import make_strategy

    return make_strategy()


def _held_weights(embedder: "Embedder", model: str, checkpoints: list[str]) -> "HeldWeights":
    from vsim_tf.runs.held_weights import HeldWeights

    held = HeldWeights(embedder.model, checkpoints)
    if len(checkpoints) > 1:
        logger.info(f"{model}: {held}")
    return held


def _embed(
    embedder: "Embedder",
    test_files: Sequence[str],
    form: "BatchFormat",
    batch_size: int,
    checkpoints: Sequence[str],
    held: "HeldWeights | None" = None,
) -> list[Embeddings]:
    from vsim_tf.input.pipeline import numbered_batches, readable_errors
    from vsim_tf.io.memory import enough_memory

    with readable_errors(), enough_memory("to embed videos", f"batch_size={batch_size}", fields=["batch_size"]):
        batches = numbered_batches(list(test_files), "videos", form, batch_size, worker_shard())
        return embedder.embed_by_checkpoints(batches, checkpoints, held)


def _write(npz: Path, embeddings: Embeddings, note: dict[str, Any]) -> None:
    """The note is gone while the file is replaced: killed here, the embeddings are computed again."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        note_file(npz).unlink()
    write_embeddings(npz, embeddings)
    write_json(note_file(npz), note)


def _missing(checkpoints: dict[Path, str], test_file: str, precision: str, resolved: str) -> dict[Path, dict[str, Any]]:
    """The run folders that lack the embeddings of a test file by these checkpoints, with the notes of what will make them."""
    notes = {folder: make_note(checkpoint, test_file, precision, resolved) for folder, checkpoint in checkpoints.items()}
    return {folder: note for folder, note in notes.items() if not are_current(npz_file(folder, test_file), note)}


def _announce_there(model: str, test_file: str, folders: Sequence[Path]) -> None:
    logger.info(f"{model} {Path(test_file).stem}: embeddings by {len(folders)} checkpoints are there already")


def _checkpoints(folders: Sequence[Path], kind: str) -> dict[Path, str]:
    return {folder: finished_checkpoint(folder, kind) for folder in folders}


def finished_checkpoint(folder: Path, kind: str) -> str:
    """The newest `last` or `best` checkpoint of a complete run; `UserError` where training is not complete, or it has none."""
    if read_summary(folder) is None:
        complete = sorted(path.parent.name for path in folder.parent.glob(f"{FOLD_RUNS}/{SUMMARY}"))
        listed = f"complete are {count_and_first(complete)}" if complete else f"{folder.parent} holds no complete fold"
        raise UserError(f"{folder}: training is not complete; run train_pair.py for this fold first ({listed})")
    return RunFolder.open(folder).checkpoint(kind)


def require_same_model(folders: Sequence[Path]) -> None:
    """`UserError` unless all run folders hold one model with one vocabulary."""
    first, *others = map(RunFolder.open, folders)
    for other in others:
        other.require_same_model(first)

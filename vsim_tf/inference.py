"""Trained checkpoints to embeddings on disk."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

import keras

from vsim_tf.data.disk_space import require_space
from vsim_tf.data.pipeline import BatchFormat, numbered_batches, readable_errors
from vsim_tf.data.records import count_records
from vsim_tf.embedding import Embedder
from vsim_tf.embedding_notes import are_current, make_note, note_file, npz_file, require_distinct_names
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.memory import enough_memory
from vsim_tf.models import build_model
from vsim_tf.submission import Embeddings, npz_bytes, write_embeddings, write_submission, zip_bytes
from vsim_tf.training.checkpoint_files import newest_checkpoint, require_checkpoint
from vsim_tf.training.device import suitable_precision
from vsim_tf.training.held_weights import HeldWeights
from vsim_tf.training.run_folder import read_batch_format, read_config, read_model_config, read_summary, write_json


def load_embedder(folder: Path, precision: str, expected_model: str = ""):
    """The model of a run folder, with weights still to be restored, and how records become its batches.

    Raises:
        UserError: the folder holds another model than expected.
    """
    config = read_model_config(folder)
    if expected_model and config.name != expected_model:
        raise UserError(f"{folder} holds model {config.name}, --model={expected_model} was asked for")
    keras.config.set_dtype_policy(suitable_precision(precision))
    return Embedder(build_model(config)), read_batch_format(folder, config)


def embed_to_zip(
    checkpoint: str,
    test_files: Sequence[str],
    output_zip: str,
    batch_size: int,
    precision: str,
    expected_model: str = "",
):
    """Embeds the videos of the test files by one checkpoint into a submission zip."""
    require_checkpoint(checkpoint)
    folder = Path(checkpoint).parent.parent
    embedder, form = load_embedder(folder, precision, expected_model)
    videos = sum(count_records(file) for file in test_files)
    require_space(Path(output_zip).parent, zip_bytes(videos, embedder.model.config.embedding_size), "the submission zip")
    (embeddings,) = _embed(embedder, test_files, form, batch_size, [checkpoint])
    write_submission(output_zip, embeddings)
    print(f"{output_zip}: {len(embeddings.ids)} videos by {checkpoint}")


def embed_folds(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str):
    """Embeds each test file by the checkpoints of several runs of a model, in one pass over the data.

    Writes `embeddings/<test file>.npz` into each run folder, and next to it a note of what made it
    (`vsim_tf.embedding_notes`); what is there already from the same checkpoint, precision and test file is left.

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
    checkpoints = {folder: _finished_checkpoint(folder, kind) for folder in folders}
    resolved, embedder = suitable_precision(precision), None
    for test_file in test_files:
        name = Path(test_file).stem
        notes = {folder: make_note(checkpoint, test_file, precision, resolved) for folder, checkpoint in checkpoints.items()}
        missing = [folder for folder in folders if not are_current(npz_file(folder, test_file), notes[folder])]
        if not missing:
            print(f"{model} {name}: embeddings by {len(folders)} checkpoints are there already")
            continue
        if embedder is None:
            embedder, form = load_embedder(folders[0], precision, model)
            _require_same_model(folders)
            held = _held_weights(embedder, model, list(checkpoints.values()))
        size = npz_bytes(count_records(test_file), embedder.model.config.embedding_size)
        require_space(folders[0].parent, len(missing) * size, f"embeddings of {name} by {len(missing)} checkpoints")
        results = _embed(embedder, [test_file], form, batch_size, [checkpoints[folder] for folder in missing], held)
        for folder, embeddings in zip(missing, results, strict=True):
            _write(npz_file(folder, test_file), embeddings, notes[folder])
        print(f"{model} {name}: {len(results[0].ids)} videos by {len(missing)} checkpoints", flush=True)


def _held_weights(embedder: Embedder, model: str, checkpoints: list[str]) -> HeldWeights:
    held = HeldWeights(embedder.model, checkpoints)
    if len(checkpoints) > 1:
        print(f"{model}: {held}", flush=True)
    return held


def _embed(embedder: Embedder, test_files, form: BatchFormat, batch_size: int, checkpoints, held=None) -> list[Embeddings]:
    with readable_errors(), enough_memory("to embed videos", f"--batch_size={batch_size}"):
        batches = numbered_batches(list(test_files), "videos", form, batch_size)
        return embedder.embed_by_checkpoints(batches, checkpoints, held)


def _write(npz: Path, embeddings: Embeddings, note: dict):
    """The note is gone while the file is replaced: killed here, the embeddings are computed again."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        note_file(npz).unlink()
    write_embeddings(npz, embeddings)
    write_json(note_file(npz), note)


def _finished_checkpoint(folder: Path, kind: str) -> str:
    if read_summary(folder) is None:
        complete = sorted(path.parent.name for path in folder.parent.glob("fold-*/summary.json"))
        listed = f"complete are {count_and_first(complete)}" if complete else f"{folder.parent} holds no complete fold"
        raise UserError(f"{folder}: training is not complete; run train_pair.py for this fold first ({listed})")
    return newest_checkpoint(folder, kind)


def _require_same_model(folders: Sequence[Path]):
    first = read_config(folders[0])
    for folder in folders[1:]:
        config = read_config(folder)
        if any(config[key] != first[key] for key in ("model", "tokenizer")):
            raise UserError(f"{folder} holds another model or vocabulary than {folders[0]}")

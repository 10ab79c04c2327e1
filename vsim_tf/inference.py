"""Trained checkpoints to embeddings on disk; TensorFlow is loaded where something is to be embedded."""

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vsim_tf.data.files import remove_stale_lock
from vsim_tf.errors import UserError
from vsim_tf.flags import quiet_imports
from vsim_tf.submission import Embeddings, write_embeddings, write_submission
from vsim_tf.training.run_folder import (
    checkpoint_fingerprint,
    data_files,
    read_batch_format,
    read_config,
    read_json,
    read_model_config,
    read_summary,
    run_lock,
    write_json,
)
from vsim_tf.training.saved import newest_checkpoint

if TYPE_CHECKING:
    from vsim_tf.data.pipeline import BatchFormat
    from vsim_tf.embedding import Embedder

EMBEDDINGS = "embeddings"


def load_embedder(folder: Path, precision: str, expected_model: str = ""):
    """The model of a run folder, with weights still to be restored, and how records become its batches.

    Raises:
        UserError: the folder holds another model than expected.
    """
    with quiet_imports():
        import keras

        from vsim_tf.embedding import Embedder
        from vsim_tf.models import build_model
        from vsim_tf.training.device import suitable_precision

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
    folder = Path(checkpoint).parent.parent
    embedder, form = load_embedder(folder, precision, expected_model)
    (embeddings,) = _embed(embedder, test_files, form, batch_size, [checkpoint])
    write_submission(output_zip, embeddings)
    print(f"{output_zip}: {len(embeddings.ids)} videos by {checkpoint}")


def embed_folds(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str):
    """Embeds each test file by the checkpoints of several runs of a model, in one pass over the data.

    Writes `embeddings/<test file>.npz` into each run folder, and beside it which checkpoint and file made it; what is there
    already from the same ones is left.

    Args:
        model: registered name.
        folders: run folders.
        test_files: video records.
        kind: "last" or "best" checkpoint.
        batch_size: videos at a time.
        precision: dtype policy.
    """
    with contextlib.ExitStack() as locks:
        for folder in folders:
            _finished_checkpoint(folder, kind)  # before a lock file is written where nothing is
            locks.enter_context(run_lock(folder))
        _embed_folds(model, folders, test_files, kind, batch_size, precision)


def _embed_folds(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str, batch_size: int, precision: str):
    checkpoints = {folder: _finished_checkpoint(folder, kind) for folder in folders}
    embedder = None
    for test_file in test_files:
        name, missing = Path(test_file).stem, _missing(checkpoints, test_file)
        if not missing:
            _announce_there(model, test_file, folders)
            continue
        if embedder is None:
            embedder, form = load_embedder(folders[0], precision, model)
            _require_same_model(folders)
        results = _embed(embedder, [test_file], form, batch_size, [checkpoints[folder] for folder in missing])
        for folder, embeddings in zip(missing, results, strict=True):
            write_embeddings(_npz(folder, name), embeddings)
            write_json(_npz(folder, name).with_suffix(".json"), missing[folder])
        print(f"{model} {name}: {len(results[0].ids)} videos by {len(missing)} checkpoints", flush=True)


def _embed(embedder: "Embedder", test_files, form: "BatchFormat", batch_size: int, checkpoints) -> list[Embeddings]:
    from vsim_tf.data.pipeline import numbered_batches, readable_errors
    from vsim_tf.memory import enough_memory

    with readable_errors(), enough_memory("to embed videos", f"--batch_size={batch_size}"):
        return embedder.embed_by_checkpoints(numbered_batches(list(test_files), "videos", form, batch_size), checkpoints)


def announce_embedded(model: str, folders: Sequence[Path], test_files: Sequence[str], kind: str) -> bool:
    """Whether `embed_folds` has nothing to do, after saying so; nothing is written, and TensorFlow is not loaded."""
    if any(read_summary(folder) is None for folder in folders):
        return False
    checkpoints = {folder: newest_checkpoint(folder, kind) for folder in folders}
    if any(_missing(checkpoints, test_file) for test_file in test_files):
        return False
    for test_file in test_files:
        _announce_there(model, test_file, folders)
    for folder in folders:
        remove_stale_lock(folder)
    return True


def _missing(checkpoints: Mapping[Path, str], test_file: str) -> dict[Path, dict]:
    """The run folders that lack the embeddings of a test file by these checkpoints, with what the source notes will say."""
    sources = {folder: _source(checkpoint, test_file) for folder, checkpoint in checkpoints.items()}
    return {folder: source for folder, source in sources.items() if not _is_there(folder, Path(test_file).stem, source)}


def _announce_there(model: str, test_file: str, folders: Sequence[Path]):
    print(f"{model} {Path(test_file).stem}: embeddings by {len(folders)} checkpoints are there already", flush=True)


def _finished_checkpoint(folder: Path, kind: str) -> str:
    if read_summary(folder) is None:
        raise UserError(f"{folder}: training is not complete; run train_pair.py for this fold first")
    return newest_checkpoint(folder, kind)


def _require_same_model(folders: Sequence[Path]):
    first = read_config(folders[0])
    for folder in folders[1:]:
        config = read_config(folder)
        if any(config[key] != first[key] for key in ("model", "tokenizer")):
            raise UserError(f"{folder} holds another model or vocabulary than {folders[0]}")


def _npz(folder: Path, name: str) -> Path:
    return folder / EMBEDDINGS / f"{name}.npz"


def _source(checkpoint: str, test_file: str) -> dict:
    return {
        "checkpoint": "/".join(Path(checkpoint).parts[-2:]),
        "checkpoint_sha256": checkpoint_fingerprint(checkpoint),
        "test_file": data_files([test_file])[0],
    }


def _is_there(folder: Path, name: str, source: dict) -> bool:
    npz = _npz(folder, name)
    return npz.exists() and read_json(npz.with_suffix(".json")) == source

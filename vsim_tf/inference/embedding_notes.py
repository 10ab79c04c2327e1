"""Where the embeddings of a run folder are, and the note next to each file that says what made it.

    fold-00/embeddings/test_b.npz      embeddings of test_b.tfrecords
    fold-00/embeddings/test_b.json     checkpoint, precision and test file: embeddings of the same ones are not computed again

Notes of class logits, `fold-00/predictions/test_b.json`, are the same.

TensorFlow is not needed for it.
"""

import functools
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.io.files import fingerprint, read_json_object
from vsim_tf.io.paths import embeddings_file
from vsim_tf.runs.checkpoint_files import index_file


def npz_file(folder: Path, test_file: str) -> Path:
    """The embeddings of a test file in a run folder."""
    return embeddings_file(folder, Path(test_file).stem)


def note_file(npz: Path) -> Path:
    """The note of a file of embeddings."""
    return npz.with_suffix(".json")


def make_note(checkpoint: str, test_files: Sequence[str], precision: str, resolved: str | None = None) -> dict[str, Any]:
    """What makes embeddings, as plain values for JSON.

    Args:
        checkpoint: path without `.index`, whose sha256 stands for all of it: the index holds a checksum of every tensor.
        test_files: video records, one file as a rule.
        precision: as asked for, "auto" included.
        resolved: the dtype policy it stands for. None: itself, or for "auto" not known, as the device decides.
    """
    fingerprints = [file_fingerprint(file) for file in test_files]
    return {
        "checkpoint": "/".join(Path(checkpoint).parts[-2:]),
        "checkpoint_sha256": fingerprint(index_file(checkpoint))["sha256"],
        "precision": {"asked": precision, "resolved": resolved or (None if precision == "auto" else precision)},
        "test_file": fingerprints[0] if len(fingerprints) == 1 else fingerprints,
    }


def are_current(npz: Path, wanted: dict[str, Any]) -> bool:
    """Whether a file of embeddings is there with a note like the one wanted.

    Where it is not known what "auto" stands for, embeddings by "auto" count as the same.
    """
    found = _read_note(npz)
    if not npz.exists() or found.keys() != wanted.keys() or not isinstance(found["precision"], dict):
        return False
    key = "resolved" if wanted["precision"]["resolved"] else "asked"
    same_precision = found["precision"].get(key) == wanted["precision"][key]
    return same_precision and found | {"precision": None} == wanted | {"precision": None}


def require_distinct_names(test_files: Sequence[str]) -> None:
    """`UserError` for two test files whose embeddings would have the same name."""
    seen: dict[str, str] = {}
    for file in test_files:
        other = seen.setdefault(Path(file).stem, file)
        if other != file:
            raise UserError(
                f"{other} and {file}: embeddings are named after the test file, and both would be {Path(file).stem}.npz;"
                " rename one of them, or choose files with test_files",
                ["test_files"],
            )


def _read_note(npz: Path) -> dict[str, Any]:
    """The note of a file, empty where it is missing or damaged: then the embeddings are computed again."""
    try:
        return read_json_object(note_file(npz))
    except UserError:
        return {}


def file_fingerprint(path: str) -> dict[str, str | int]:
    """`fingerprint` of a file, computed once as long as size and time are the same."""
    status = os.stat(path)
    return _cached_fingerprint(path, status.st_size, status.st_mtime_ns)


@functools.cache
def _cached_fingerprint(path: str, size: int, modified: int) -> dict[str, str | int]:
    """Reading 2 GB takes seconds: once for all runs."""
    del size, modified
    return fingerprint(path)

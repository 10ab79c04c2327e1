"""The note next to a result that says what it was made of: while that is the same, the last stage has nothing to do."""

import json
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vsim_tf import __version__
from vsim_tf.ensemble.find import embedded_folds
from vsim_tf.ensemble.svd_basis import TRAIN
from vsim_tf.errors import UserError
from vsim_tf.inference.products import EMBEDDINGS
from vsim_tf.io.files import read_json_object, stamp
from vsim_tf.io.paths import FULL, LABELS, PAIRWISE, POINTWISE, RECORDS, embeddings_file, fold_folder, sources_file
from vsim_tf.presets.registry import LINEAR
from vsim_tf.runs.run_folder import write_json
from vsim_tf.types import PathLike

logger = logging.getLogger(__name__)


def announce_ensemble(settings: dict[str, Any]) -> bool:
    """Whether the zip, and the report with it, were made of the same settings and files and are unchanged, after saying so.

    Args:
        settings: arguments of `ensemble_and_report` without the command, which changes no number.
    """
    return announce_made(settings["output_zip"], _plain(settings), _files(settings))


def note_sources(settings: dict[str, Any], outputs: Sequence[Path]) -> None:
    """Notes what the outputs, the zip among them, were made of."""
    note_made(settings["output_zip"], _plain(settings), _files(settings), outputs)


def announce_made(output: PathLike, settings: dict[str, Any], files: Iterable[Path]) -> bool:
    """Whether the outputs that are noted next to one of them are of these settings and files, and unchanged, after saying so."""
    try:
        note = read_json_object(sources_file(output))
    except UserError:  # missing or damaged
        return False
    outputs = note.pop("outputs", None)
    if note != _inputs(settings, files) or not isinstance(outputs, dict) or outputs != _stamps(map(Path, outputs)):
        return False
    logger.info(f"{', '.join(outputs)}: made of the same {settings['product']}, settings and labels, nothing to do")
    return True


def note_made(output: PathLike, settings: dict[str, Any], files: Iterable[Path], outputs: Sequence[Path]) -> None:
    """Writes what `announce_made` reads."""
    write_json(sources_file(output), _inputs(settings, files) | {"outputs": _stamps(outputs)})


def _plain(settings: dict[str, Any]) -> dict[str, Any]:
    return settings | {"product": EMBEDDINGS.noun}


def _inputs(settings: dict[str, Any], files: Iterable[Path]) -> dict[str, Any]:
    values = settings | {"weights": list(settings["weights"].items())}  # whose order is that of the sum
    inputs: dict[str, Any] = json.loads(
        json.dumps({"version": __version__, "settings": values, "made_of": _stamps(files)}, default=str)
    )
    return inputs


def _stamps(files: Iterable[Path]) -> dict[str, Any]:
    return {str(path): stamp(path) if path.is_file() else None for path in files}


def _files(settings: dict[str, Any]) -> list[Path]:
    """Embeddings, records and labels of the test sets, records of the training videos, and the basis."""
    basis = [Path(settings["svd_basis"])] if settings.get("svd_basis") else []
    if settings.get("are_files"):
        return [*map(Path, settings["weights"]), *basis]
    output_dir, names = settings["output_dir"], [settings["test_name"], settings["labelled_test_name"]]
    if settings.get("fitted") or settings.get("basis_from") == TRAIN:
        names.append(PAIRWISE)
    folders = [fold_folder(output_dir, model, fold) for model in settings["weights"] for fold in _folds(settings, model)]
    embeddings = [embeddings_file(folder, name) for name in names for folder in folders]
    sets = [settings["data_dir"] / name for name in names]
    training = [settings["data_dir"] / name for name in (POINTWISE, PAIRWISE)]
    records = [file for folder in (*sets, *training) for file in folder.glob(RECORDS)]
    return [*embeddings, *(folder / LABELS for folder in sets), *records, *basis]


def _folds(settings: dict[str, Any], model: str) -> Sequence[int | str]:
    """The folds asked for, or those that there are; of the linear model its one run."""
    if model == LINEAR:
        return [FULL]
    if settings["folds"] is not None:
        folds: Sequence[int | str] = settings["folds"]
        return folds
    return embedded_folds(settings["output_dir"], model, settings["test_name"])

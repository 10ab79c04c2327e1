"""The linear model among models of embeddings: fitted and applied where that is not done, into a run folder of its own."""

import functools
import hashlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.evaluation.linear_baseline import MAX_VIDEOS
from vsim_tf.evaluation.linear_fit import ALPHA, LinearFit, cross_fitted, fit_linear
from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.inference.embedding_notes import note_file
from vsim_tf.inference.linear_model import LinearModel
from vsim_tf.io.files import fingerprint_once, read_json_object
from vsim_tf.io.paths import (
    FULL,
    PAIRWISE,
    POINTWISE,
    RECORDS,
    TAGS,
    embeddings_file,
    fold_folder,
    linear_file,
    records_pattern,
)
from vsim_tf.presets.registry import LINEAR
from vsim_tf.records.embeddings import Embeddings, write_embeddings
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import RunFolder, run_lock, write_json

REVISION = 2
"""Of the code that fits the model: of another one it is fitted again."""

logger = logging.getLogger(__name__)


def embed_by_linear(output_dir: Path, data_dir: Path, run: Path, names: Sequence[str]) -> None:
    """Writes the embeddings of sets of videos by the linear model, `<output_dir>/linear/full/embeddings/<set>.npz`.

    The model is fitted to all training videos with tags. Those of the labelled pairs are embedded by models that were fitted to
    others (`cross_fitted`). Files that were made of the same ones are left.

    Args:
        output_dir: folder of all runs.
        data_dir: records of the sets and of the training videos.
        run: of a model next to it, whose tags, feature dimension and embedding dimension it has.
        names: of the sets.

    Raises:
        UserError: records are missing or cannot be used, or another process is doing the same.
    """
    folder = fold_folder(output_dir, LINEAR, FULL)
    with run_lock(folder):
        work = _Work(folder, data_dir, RunFolder.open(run))
        for name in names:
            work.embed(name)


class _Work:
    """The work in a run folder, done where it is needed."""

    def __init__(self, folder: Path, data_dir: Path, other: RunFolder):
        self.folder, self.data_dir = folder, data_dir
        self.dim, self.width, self.tags = other.model.dim, other.model.frames.dim, known_tags(other, data_dir)
        self.files = training_files(data_dir)
        self.file = linear_file(folder)
        self.model_note = {
            "revision": REVISION,
            "alpha": ALPHA,
            "dim": self.dim,
            "frame_dim": self.width,
            "tags": hashlib.sha256(self.tags.tobytes()).hexdigest(),
            "training": [fingerprint_once(file) for file in self.files],
        }

    @functools.cached_property
    def training(self) -> RawVideos:
        return sample_raw_videos(self.files, self.width, MAX_VIDEOS)

    @functools.cached_property
    def fitted(self) -> LinearFit:
        return fit_linear(self.training, self.tags, self.dim)

    def model(self) -> LinearModel:
        """The model, fitted now if there is none of the same files."""
        if not _is_made(self.file, self.model_note):
            _make(self.file, self.model_note, lambda: self.fitted.model.save(self.file))
        return LinearModel.load(self.file)

    def embed(self, name: str) -> None:
        """Writes the embeddings of a set unless they are there."""
        files = expand_pattern(records_pattern(self.data_dir / name))
        note = {"model": self.model_note, "test_file": [fingerprint_once(file) for file in files]}
        path = embeddings_file(self.folder, name)
        model = self.model()
        if _is_made(path, note):
            logger.info(f"{LINEAR} {name}: embeddings are there already")
            return
        videos = sample_raw_videos(files, self.width)
        if name == PAIRWISE:
            values = cross_fitted(self.training, self.tags, self.fitted.basis, videos)
        else:
            values = model.embed(videos.titles, videos.mean_frames)
        _make(path, note, lambda: write_embeddings(path, Embeddings(videos.ids, values)))
        logger.info(f"{LINEAR} {name}: {len(videos.ids)} videos")


def known_tags(run: RunFolder, data_dir: Path) -> np.ndarray:
    """Tags that a run was trained with, those of categories among them; those of the data where it has none."""
    return run.tags if len(run.tags) else read_tag_list(data_dir / TAGS)


def training_files(data_dir: Path) -> list[str]:
    """Records of all training videos with tags; `UserError` where there are none."""
    folders = [data_dir / name for name in (POINTWISE, PAIRWISE)]
    there = [folder for folder in folders if any(folder.glob(RECORDS))]
    return [file for folder in there or folders for file in expand_pattern(records_pattern(folder))]


def _is_made(path: Path, note: dict[str, Any]) -> bool:
    try:
        return path.is_file() and read_json_object(note_file(path)) == note
    except UserError:  # missing or damaged
        return False


def _make(path: Path, note: dict[str, Any], write: Callable[[], None]) -> None:
    """The note is gone while the file is replaced: killed here, it is made again."""
    note_file(path).unlink(missing_ok=True)
    write()
    write_json(note_file(path), note)

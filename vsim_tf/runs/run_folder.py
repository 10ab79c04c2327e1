"""The folder of one training run, so that a checkpoint in it is enough to embed videos.

config.json      model, training and data settings, sha256 of the vocabulary and tag list
tag_list.txt     known tags in ascending order         category_ids.txt   or the classes, of a classifier
tokenizer/       vocab.txt and tokenizer_config.json
metrics.jsonl    one JSON object per log line          events/    the same for TensorBoard
last/  best/     checkpoints                           summary.json  written when the run is complete
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsim_tf.distributed.cluster import is_chief
from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive, fingerprint, output_file, read_json_object
from vsim_tf.io.paths import CLASSES, CONFIG, SUMMARY, TAGS, TOKENIZER
from vsim_tf.models.architectures import Model
from vsim_tf.records.classes import ClassTable, read_class_table, write_class_table
from vsim_tf.records.feature_origin import Origin, origin_of, require_same_tower
from vsim_tf.records.tags import read_tag_list
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.extension import asks_for_more_steps, require_extensible
from vsim_tf.runs.logged_step import OF_STEPS
from vsim_tf.runs.migration import migrate_flat_config
from vsim_tf.runs.settings import FEATURES_BY, Difference, differences, other_settings
from vsim_tf.runs.stage import Stage
from vsim_tf.text.tokenizers import Tokenizer, load_tokenizer
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.input.decoding import BatchFormat


class RunFolder:
    """What a training run has left in its folder, read without TensorFlow.

    `open` reads and checks config.json. Everything else is read and checked when it is first asked for, and once.

    Attributes:
        path: the folder.
        config: config.json, with an object for each of its parts.
    """

    def __init__(self, path: Path, config: dict[str, Any]):
        self.path, self.config = path, config

    @classmethod
    def open(cls, path: PathLike) -> "RunFolder":
        """The run of a folder; `UserError` when config.json is missing or damaged."""
        folder = Path(path)
        file = folder / CONFIG
        if not file.exists():
            raise UserError(f"{file} does not exist: {folder} is no folder of a training run")
        config = read_json_object(file)
        damaged = [key for key in ("model", "training", "tokenizer", "tags", "data") if not isinstance(config.get(key), dict)]
        if damaged:
            raise UserError(f"{file}: {', '.join(damaged)} is missing or no object; remove {folder} to retrain it")
        try:
            return cls(folder, migrate_flat_config(config))
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{file}: a setting is missing or of another type: {error}; remove {folder} to retrain it") from None

    @functools.cached_property
    def model(self) -> Model:
        """The model; `UserError` when this version does not know it."""
        with self._named_config():
            return Model.from_dict(self.config["model"])

    @functools.cached_property
    def training(self) -> Stage:
        """How it was trained; `UserError` when this version does not know it."""
        with self._named_config():
            return Stage.from_dict(self.config["training"])

    @functools.cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer; `UserError` when it is not the one that the model was trained with."""
        tokenizer = load_tokenizer(self.path / TOKENIZER, self.model.encoder.kind)
        if tokenizer.fingerprint != self.config["tokenizer"].get("sha256"):
            raise UserError(f"{self.path / TOKENIZER}: another vocabulary than the model was trained with ({self.path / CONFIG})")
        return tokenizer

    @functools.cached_property
    def tags(self) -> np.ndarray:
        """Known tags in ascending order, `[tags]` int64; `UserError` when they are not those that the model was trained with."""
        if not self.config["tags"].get("count"):
            return np.zeros(0, np.int64)
        tags = read_tag_list(self.path / TAGS)
        if hashlib.sha256(_tag_lines(tags)).hexdigest() != self.config["tags"].get("sha256"):
            raise UserError(f"{self.path / TAGS}: other tags than the model was trained with ({self.path / CONFIG})")
        return tags

    @functools.cached_property
    def classes(self) -> ClassTable:
        """The classes of a classifier; `UserError` when they are not those that it was trained on, or it is none."""
        wanted = self.config.get("classes")
        if not isinstance(wanted, dict):
            raise UserError(f"{self.path}: model {self.model.name} was not trained on classes")
        table = read_class_table(self.path / CLASSES)
        if table.fingerprint != wanted.get("sha256"):
            raise UserError(f"{self.path / CLASSES}: other classes than the model was trained on ({self.path / CONFIG})")
        return table

    def batch_format(self) -> "BatchFormat":
        """How records become batches for the model; raises as `tokenizer` and `tags` do."""
        return batch_format(self.model, self.tokenizer, self.tags)

    @functools.cached_property
    def summary(self) -> dict[str, Any] | None:
        """The summary of a complete run, else None; `UserError` when it is damaged."""
        return read_summary(self.path)

    def checkpoint(self, kind: str = "") -> str:
        """Path of the newest `last` or `best` checkpoint, by default the stage's choice; `UserError` when there is none."""
        return newest_checkpoint(self.path, kind or self.training.selection.kept)

    @property
    def features_by(self) -> Origin | None:
        """The tower whose features the model reads; None where it is not known, or the model reads pictures."""
        return Origin.from_json(self.config["data"].get(FEATURES_BY))

    def require_features(self, files: Sequence[PathLike]) -> None:
        """`UserError` for record files with features of another tower than those that the model was trained on."""
        if self.features_by:
            self.require_tower(str(files[0]), origin_of(files))

    def require_tower(self, other: str, origin: Origin | None) -> None:
        """The same for a tower; `other` is what messages call its features."""
        require_same_tower(f"the model of {self.path}", self.features_by, other, origin)

    def require_model(self, name: str) -> None:
        """`UserError` unless the run is of the registered model of this name."""
        if self.model.name != name:
            raise UserError(f"{self.path} holds model {self.model.name}, model={name} was asked for", ["model"])

    def require_same_model(self, other: "RunFolder") -> None:
        """`UserError` unless both runs have the same model, vocabulary and classes, so that one's weights fit the other."""
        if self.model != other.model or self.config["tokenizer"] != other.config["tokenizer"]:
            raise UserError(f"{self.path} holds another model or vocabulary than {other.path}")
        if self.config.get("classes") != other.config.get("classes"):
            raise UserError(f"{self.path} was trained on other classes than {other.path}")

    @contextlib.contextmanager
    def _named_config(self) -> Iterator[None]:
        """Errors about values of config.json name the file."""
        try:
            yield
        except UserError as error:
            raise UserError(f"{self.path / CONFIG}: {error}") from None


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All that decides the result of a run.

    Attributes:
        kind: "pretrain", "pair" or "classes".
        model, training: configurations.
        tokenizer: of the titles.
        tags: known tag ids in ascending order.
        data: files read and where the first weights come from, as plain values for config.json.
        classes: those of a classifier.
    """

    kind: str
    model: Model
    training: Stage
    tokenizer: Tokenizer
    tags: np.ndarray
    data: dict[str, Any]
    classes: ClassTable | None = None

    def to_dict(self) -> dict[str, Any]:
        classes = {"count": len(self.classes.ids), "sha256": self.classes.fingerprint} if self.classes else None
        return ({"classes": classes} if classes else {}) | {
            "kind": self.kind,
            "model": self.model.to_dict(),
            "training": self.training.to_dict(),
            "tokenizer": {"kind": self.tokenizer.kind, "sha256": self.tokenizer.fingerprint},
            "tags": {"count": len(self.tags), "sha256": hashlib.sha256(_tag_lines(self.tags)).hexdigest()},
            "data": self.data,
        }

    def differences(self, run: RunFolder) -> list[Difference]:
        """Differences from a run that is there, in which a setting that it did not know has its default."""
        found = run.config | {"model": run.model.to_dict(), "training": run.training.to_dict()}
        return differences(*(json.loads(json.dumps(settings)) for settings in (found, self.to_dict())))


@contextlib.contextmanager
def run_lock(folder: Path) -> Iterator[None]:
    """Keeps other processes out of a run folder, from before it is prepared until its summary is written; for the chief alone.

    Raises:
        UserError: another process has it, or the folder cannot be written.
    """
    with contextlib.ExitStack() as stack:
        try:
            if is_chief():
                stack.enter_context(exclusive(folder))
        except OSError as error:
            raise UserError(f"output_dir: {folder} cannot be written: {error.strerror}", ["output_dir"]) from None
        yield


def prepare_run_folder(folder: Path, settings: RunSettings, overwrite: bool) -> dict[str, Any] | None:
    """Makes a folder, which `run_lock` holds, ready for a run, or returns the summary of the finished run in it.

    Raises:
        UserError: the folder cannot be written, or holds a run with other settings, except for more steps where its schedules
            allow them.
    """
    if not is_chief():
        return None if overwrite else _finished(folder, settings)
    if overwrite and folder.exists():
        shutil.rmtree(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / CONFIG).exists():
            _require_same(folder, settings)
        else:
            _write_inputs(folder, settings)
    except OSError as error:
        raise UserError(f"output_dir: {folder} cannot be written: {error.strerror}", ["output_dir"]) from None
    return _finished(folder, settings)


def _finished(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The summary of a run that has all its steps; one of fewer steps is there until another process extends the run."""
    summary = read_summary(folder)
    extended = summary is not None and _steps(summary) in range(settings.training.total_steps)
    return None if extended else summary


def finished_run(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The summary of the finished run of these settings that a folder holds, else None; nothing is written.

    Raises:
        UserError: the folder holds a finished run with other settings.
    """
    summary = read_summary(folder)
    if summary is None or _steps(summary) != settings.training.total_steps:
        return None
    if differing := settings.differences(RunFolder.open(folder)):
        raise other_settings(folder, settings.kind, differing)
    return summary


def _tag_lines(tags: np.ndarray) -> bytes:
    return "".join(f"{tag}\n" for tag in tags).encode()


def _write_inputs(folder: Path, settings: RunSettings) -> None:
    (folder / TOKENIZER).mkdir(exist_ok=True)
    settings.tokenizer.save(folder / TOKENIZER)
    if len(settings.tags):
        with output_file(folder / TAGS) as file:
            file.write(_tag_lines(settings.tags))
    if settings.classes:
        write_class_table(folder / CLASSES, settings.classes)
    write_json(folder / CONFIG, settings.to_dict())


def _require_same(folder: Path, settings: RunSettings) -> None:
    """Checks that the folder's run has these settings, or makes it one that has more steps."""
    found = RunFolder.open(folder)
    differing = settings.differences(found)
    if asks_for_more_steps(differing):
        require_extensible(folder, found.training, settings.training)
        (folder / SUMMARY).unlink(missing_ok=True)  # first, so that no moment shows a complete run of too few steps
        write_json(folder / CONFIG, settings.to_dict())
    elif differing:
        raise other_settings(folder, settings.kind, differing)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Writes a readable JSON file that appears complete or not at all."""
    with output_file(path) as file:
        file.write((json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Marks a run as complete."""
    if is_chief():
        write_json(folder / SUMMARY, summary)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a complete run, else None; `UserError` when it is damaged."""
    return read_json(folder / SUMMARY)


def is_complete(folder: Path, total_steps: int) -> bool:
    """Whether a folder holds a complete run of so many steps; one of fewer may be extended."""
    return bool(_steps(read_summary(folder) or {}) == total_steps)


def _steps(summary: dict[str, Any]) -> Any:
    """The number of steps that a complete run was asked for."""
    return summary.get(OF_STEPS, summary.get("step"))


def read_json(path: Path) -> dict[str, Any] | None:
    """The object of a JSON file that can be regenerated, None where there is none; `UserError` when it is damaged."""
    if not path.exists():
        return None
    try:
        return read_json_object(path)
    except UserError as error:
        raise UserError(f"{error}; remove it to have it regenerated") from None


def batch_format(
    model: Model, tokenizer: Tokenizer, tags: np.ndarray, classes: ClassTable | None = None, context: bool = False
) -> "BatchFormat":
    """How records become batches for a model."""
    from vsim_tf.features.pictures import PictureSizes
    from vsim_tf.input.decoding import BatchFormat

    text, frames = model.text, model.frames
    picture = PictureSizes(frames.resize, model.tower.picture_size) if model.tower else None
    return BatchFormat(
        tokenizer, tags, text.max_length, frames.max_frames, frames.dim, model.trims_text, model.trims_frames,
        text_form=text.form, sampling=frames.sampling, padding=frames.padding, classes=classes, context=context, picture=picture,
        categories=model.categories,
    )  # fmt: skip


def features_by(origin: Origin | None) -> dict[str, Any]:
    """The entry of config.json's data for the tower whose features are trained on; none where it is not known."""
    return {FEATURES_BY: origin.to_json()} if origin else {}


def data_files(files: Sequence[str]) -> list[dict[str, Any]]:
    """Name and size of record files, for config.json: enough to notice other data without reading it."""
    return [{"name": Path(file).name, "bytes": Path(file).stat().st_size} for file in files]


def checkpoint_fingerprint(checkpoint: str) -> str:
    """sha256 of a checkpoint's index, which holds a checksum of every tensor."""
    return str(fingerprint(f"{checkpoint}.index")["sha256"])

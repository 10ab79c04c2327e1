"""What stands in the folder of one training run, so that a checkpoint in it is enough to embed videos.

config.json      model, training and data settings, sha256 of the vocabulary and tag list
tag_list.txt     known tags in ascending order
tokenizer/       vocab.txt and tokenizer_config.json
metrics.jsonl    one JSON object per log line          events/    the same for TensorBoard
last/  best/     checkpoints                           summary.json  written when the run is complete
"""

import contextlib
import dataclasses
import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vsim_tf.config import ModelConfig, StageConfig
from vsim_tf.distributed.cluster import is_chief
from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive, fingerprint, output_file, read_json_object
from vsim_tf.io.paths import CONFIG, SUMMARY, TAGS, TOKENIZER
from vsim_tf.records.tags import read_tag_list
from vsim_tf.runs.extension import asks_for_more_steps, require_extensible
from vsim_tf.runs.settings import differences, other_settings
from vsim_tf.text.tokenizers import Tokenizer, load_tokenizer

if TYPE_CHECKING:
    from vsim_tf.input.pipeline import BatchFormat  # which loads TensorFlow


@dataclasses.dataclass(frozen=True)
class RunSettings:
    """All that decides the result of a run.

    Attributes:
        kind: "pretrain" or "pair".
        model, training: configurations.
        tokenizer: of the titles.
        tags: known tag ids in ascending order.
        data: files read and where the first weights come from, as plain values for config.json.
    """

    kind: str
    model: ModelConfig
    training: StageConfig
    tokenizer: Tokenizer
    tags: np.ndarray
    data: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "model": self.model.to_dict(),
            "training": self.training.to_dict(),
            "tokenizer": {"kind": self.tokenizer.kind, "sha256": self.tokenizer.fingerprint},
            "tags": {"count": len(self.tags), "sha256": hashlib.sha256(_tag_lines(self.tags)).hexdigest()},
            "data": self.data,
        }


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
            raise UserError(f"--output_dir: {folder} cannot be written: {error.strerror}") from None
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
        raise UserError(f"--output_dir: {folder} cannot be written: {error.strerror}") from None
    return _finished(folder, settings)


def _finished(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The summary of a run that has all its steps; one of fewer steps is there until another process extends the run."""
    summary = read_summary(folder)
    extended = summary is not None and summary.get("step") in range(settings.training.total_steps)
    return None if extended else summary


def finished_run(folder: Path, settings: RunSettings) -> dict[str, Any] | None:
    """The summary of the finished run of these settings that a folder holds, else None; nothing is written.

    Raises:
        UserError: the folder holds a finished run with other settings.
    """
    summary = read_summary(folder)
    if summary is None or summary.get("step") != settings.training.total_steps:
        return None
    if differing := differences(read_config(folder), json.loads(json.dumps(settings.to_dict()))):
        raise other_settings(folder, settings.kind, differing)
    return summary


def _tag_lines(tags: np.ndarray) -> bytes:
    return "".join(f"{tag}\n" for tag in tags).encode()


def _write_inputs(folder: Path, settings: RunSettings):
    (folder / TOKENIZER).mkdir(exist_ok=True)
    settings.tokenizer.save(folder / TOKENIZER)
    with output_file(folder / TAGS) as file:
        file.write(_tag_lines(settings.tags))
    write_json(folder / CONFIG, settings.to_dict())


def _require_same(folder: Path, settings: RunSettings):
    """Checks that the folder's run has these settings, or makes it one that has more steps."""
    found, wanted = read_config(folder), json.loads(json.dumps(settings.to_dict()))
    differing = differences(found, wanted)
    if asks_for_more_steps(differing):
        require_extensible(folder, _stage(folder, found), settings.training)
        (folder / SUMMARY).unlink(missing_ok=True)  # first, so that no moment shows a complete run of too few steps
        write_json(folder / CONFIG, settings.to_dict())
    elif differing:
        raise other_settings(folder, settings.kind, differing)


def _stage(folder: Path, config: dict[str, Any]) -> StageConfig:
    try:
        return StageConfig.from_dict(config["training"])
    except UserError as error:
        raise UserError(f"{folder / CONFIG}: {error}") from None


def write_json(path: Path, values: dict[str, Any]):
    """Writes a readable JSON file that appears complete or not at all."""
    with output_file(path) as file:
        file.write((json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_summary(folder: Path, summary: dict[str, Any]):
    """Marks a run as complete."""
    if is_chief():
        write_json(folder / SUMMARY, summary)


def read_summary(folder: Path) -> dict[str, Any] | None:
    """The summary of a complete run, else None; `UserError` when it is damaged."""
    return read_json(folder / SUMMARY)


def read_json(path: Path) -> dict[str, Any] | None:
    """The object of a JSON file that can be made anew, None where there is none; `UserError` when it is damaged."""
    if not path.exists():
        return None
    try:
        return read_json_object(path)
    except UserError as error:
        raise UserError(f"{error}; remove it to have it made anew") from None


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a run folder; `UserError` when it is missing or damaged."""
    path = folder / CONFIG
    if not path.exists():
        raise UserError(f"{path} does not exist: {folder} is no folder of a training run")
    config = read_json_object(path)
    damaged = [key for key in ("model", "training", "tokenizer", "tags", "data") if not isinstance(config.get(key), dict)]
    if damaged:
        raise UserError(f"{path}: {', '.join(damaged)} is missing or no object; remove {folder} to retrain it")
    return config


def read_model_config(folder: Path) -> ModelConfig:
    """The model that a run folder holds."""
    try:
        return ModelConfig.from_dict(read_config(folder)["model"])
    except UserError as error:
        raise UserError(f"{folder / CONFIG}: {error}") from None


def read_batch_format(folder: Path, model: ModelConfig) -> "BatchFormat":
    """How records become batches for the model of a run folder; raises as `read_vocabularies` does."""
    return batch_format(model, *read_vocabularies(folder, model))


def read_vocabularies(folder: Path, model: ModelConfig) -> tuple[Tokenizer, np.ndarray]:
    """The tokenizer and the tag list of a run folder.

    Raises:
        UserError: one of them is not the one that the model was trained with.
    """
    config = read_config(folder)
    tokenizer = load_tokenizer(folder / TOKENIZER, model.encoder.kind)
    if tokenizer.fingerprint != config["tokenizer"].get("sha256"):
        raise UserError(f"{folder / TOKENIZER}: another vocabulary than the model was trained with ({folder / CONFIG})")
    tags = read_tag_list(folder / TAGS)
    if hashlib.sha256(_tag_lines(tags)).hexdigest() != config["tags"].get("sha256"):
        raise UserError(f"{folder / TAGS}: other tags than the model was trained with ({folder / CONFIG})")
    return tokenizer, tags


def batch_format(model: ModelConfig, tokenizer: Tokenizer, tags: np.ndarray) -> "BatchFormat":
    """How records become batches for a model."""
    from vsim_tf.input.pipeline import BatchFormat

    return BatchFormat(
        tokenizer, tags, model.max_text_length, model.max_frames, model.frame_embedding_size, model.trims_text, model.trims_frames
    )


def data_files(files: list[str]) -> list[dict[str, Any]]:
    """Name and size of record files, for config.json: enough to notice other data without reading it."""
    return [{"name": Path(file).name, "bytes": Path(file).stat().st_size} for file in files]


def checkpoint_fingerprint(checkpoint: str) -> str:
    """sha256 of a checkpoint's index, which holds a checksum of every tensor."""
    return str(fingerprint(f"{checkpoint}.index")["sha256"])

"""A run folder without all that only training needs."""

import os
import shutil
from pathlib import Path
from typing import Any

from vsim_tf.io.paths import CLASSES, CONFIG, SUMMARY, TAGS, TOKENIZER
from vsim_tf.records.classes import write_class_table
from vsim_tf.runs.run_folder import RunFolder, write_json


def copy_run(run: RunFolder, folder: Path) -> None:
    """Writes config.json, vocabulary, tags or classes, and the summary of a run into a new folder; no checkpoint.

    Of paths of this machine only their last names are kept.

    Raises:
        UserError: a file of the run is missing or damaged.
    """
    (folder / TOKENIZER).mkdir(parents=True)
    run.tokenizer.save(folder / TOKENIZER)
    if len(run.tags):
        shutil.copyfile(run.path / TAGS, folder / TAGS)
    if run.config.get("classes"):
        write_class_table(folder / CLASSES, run.classes)
    if run.summary is not None:
        write_json(folder / SUMMARY, without_paths(run.summary))
    write_json(folder / CONFIG, without_paths(run.config))


def without_paths(value: Any) -> Any:
    """A value as JSON has it, with the last name of each absolute path in its place."""
    if isinstance(value, dict):
        return {key: without_paths(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_paths(each) for each in value]
    return Path(value).name if isinstance(value, str) and os.path.isabs(value) else value

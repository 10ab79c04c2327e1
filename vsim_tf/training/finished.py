"""Finished runs, recognised before TensorFlow is loaded.

Where this is in doubt the answer is no, and the stage itself decides: with several machines, which must decide alike, and where
precision "auto" may stand for another precision than the run has.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from vsim_tf.distributed.gpus import likely_precision
from vsim_tf.io.files import remove_stale_lock
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import RunFolder, RunSettings, finished_run, read_summary
from vsim_tf.runs.stage import Stage
from vsim_tf.training.class_options import ClassOptions
from vsim_tf.training.class_runs import class_settings
from vsim_tf.training.console import announce_finished
from vsim_tf.training.pair_runs import PairRun, finished_pretraining, run_settings
from vsim_tf.training.pretrain_inputs import PretrainOptions, note_source, read_inputs


def announce_pretrained(options: PretrainOptions) -> bool:
    """Whether the pre-training is finished, after saying so.

    Raises:
        UserError: it is, with other settings; or an input is missing.
    """
    if options.overwrite or not _is_certain([options.folder], options.training):
        return False
    inputs = read_inputs(options)
    if not _announce_all({f"pretrain {options.model.name}": options.folder}, [inputs.settings(_decided(options.training))]):
        return False
    note_source(options, inputs)
    return True


def announce_finetuned(model: str, pretrained: Path, runs: Sequence[PairRun], training: Stage, overwrite: bool) -> bool:
    """Whether all of these fine-tuning runs are finished, after saying so; errors as in `announce_pretrained`."""
    if overwrite or not _is_certain([run.folder for run in runs], training):
        return False
    labels = {f"{model} {run.folder.name}": run.folder for run in runs}
    return _announce_all(labels, run_settings(finished_pretraining(pretrained, model), runs, _decided(training)))


def announce_classified(options: ClassOptions) -> bool:
    """Whether all runs of a classification are finished, after saying so; errors as in `announce_pretrained`."""
    folders = {f"{options.classifier.name} {folder.name}": folder for folder in map(options.run_folder, options.runs)}
    if options.overwrite or not _is_certain(list(folders.values()), options.training):
        return False
    decided, files = dataclasses.replace(options, training=_decided(options.training)), expand_pattern(options.records)
    classes = RunFolder.open(next(iter(folders.values()))).classes  # those of the files, unless they are other files
    return _announce_all(folders, list(class_settings(decided, files, classes).values()))


def _is_certain(folders: Sequence[Path], training: Stage) -> bool:
    """Whether all folders hold summaries of runs of the precision that "auto" stands for, and no other machine takes part."""
    if os.environ.get("TF_CONFIG") or any(read_summary(folder) is None for folder in folders):
        return False
    if training.precision != "auto":
        return True
    wanted = _decided(training).precision
    return all(RunFolder.open(folder).config["training"].get("precision") == wanted for folder in folders)


def _decided(training: Stage) -> Stage:
    return training.replace(precision=likely_precision(training.precision))


def _announce_all(folders: dict[str, Path], settings: Sequence[RunSettings]) -> bool:
    summaries = [finished_run(folder, wanted) for folder, wanted in zip(folders.values(), settings, strict=True)]
    complete = [summary for summary in summaries if summary is not None]
    if len(complete) < len(summaries):
        return False
    for (label, folder), summary in zip(folders.items(), complete, strict=True):
        announce_finished(label, summary, folder)
        remove_stale_lock(folder)
    return True

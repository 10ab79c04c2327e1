"""Run folders of the smallest models, untrained, and what scripts write of them."""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import toys
from toy_short_videos import CLASSES

from vsim_tf.io.paths import BEST
from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder, write_summary
from vsim_tf.runs.stage import Selection
from vsim_tf.tasks.classes import Classes
from vsim_tf.tasks.task import Task


def make_run(folder: Path, name: str, seed: int, changes=None) -> Path:
    """A run folder with a complete run of a registered model whose weights are those of a seed."""
    return save_run(folder, toys.model(name, changes), seed)


def save_run(folder: Path, config: Model, seed: int) -> Path:
    """The same of any model."""
    settings = RunSettings("pair", config, toys.stage(), toys.TOKENIZERS[config.encoder.kind], toys.TAGS, {})
    return _save(folder, settings, seed, [])


def make_classifier(folder: Path, name: str, seed: int, pictures: bool = True) -> Path:
    """The same of a single-stream classifier of five classes, which reads pictures by a tower of its own, or features."""
    config = toys.model("wbdc_1", {"name": name} | ({} if pictures else {"tower": None, "frames.resize": 0}))
    stage = toys.stage(of=("wbdc_1", "stage"))
    settings = RunSettings("classes", config, stage, toys.TOKENIZERS["bert"], np.zeros(0, np.int64), {}, CLASSES)
    return _save(folder, settings, seed, [Classes()])


def _save(folder: Path, settings: RunSettings, seed: int, tasks: Sequence[Task]) -> Path:
    prepare_run_folder(folder, settings, overwrite=False)
    keras.utils.set_random_seed(seed)
    state = TrainingState(build_network(settings.model, tasks), GroupAdam({}, {}), Selection())
    state.save_last(folder)
    if settings.training.selection.kept == BEST:
        state.save_best(folder)
    write_summary(folder, {"step": 0, "spearman": 0.5})
    return folder

"""Run folders of the smallest models, untrained, and what scripts write of them."""

from pathlib import Path

import keras
import toys

from vsim_tf.models.architectures import Model
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder, write_summary
from vsim_tf.runs.stage import Selection


def make_run(folder: Path, name: str, seed: int, changes=None) -> Path:
    """A run folder with a complete run of a registered model whose weights are those of a seed."""
    return save_run(folder, toys.model(name, changes), seed)


def save_run(folder: Path, config: Model, seed: int) -> Path:
    """The same of any model."""
    settings = RunSettings("pair", config, toys.stage(), toys.TOKENIZERS[config.encoder.kind], toys.TAGS, {})
    prepare_run_folder(folder, settings, overwrite=False)
    keras.utils.set_random_seed(seed)
    TrainingState(build_network(config), GroupAdam({}, {}), Selection()).save_last(folder)
    write_summary(folder, {"step": 0})
    return folder

"""Vision towers that make features of pictures: of a published CLIP model, or of a model that was trained here."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from vsim_tf.errors import UserError
from vsim_tf.features.tower import Tower
from vsim_tf.io.files import read_json_object
from vsim_tf.io.paths import CONFIG
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.runs.checkpoint_files import require_checkpoint
from vsim_tf.runs.run_folder import RunFolder
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.layers.vision_tower import VisionTower

logger = logging.getLogger(__name__)


def load_tower(path: PathLike, precision: str = "float32") -> Tower:
    """The vision tower of a Hugging Face folder, of a run folder, or of a checkpoint in one.

    TensorFlow is loaded behind the checks of configurations and files.

    Args:
        path: a folder with a CLIP model's config.json and model.safetensors; a run folder, whose `last` or `best` checkpoint is
            taken as its stage says; or a checkpoint, without `.index`.
        precision: dtype policy, or "auto".

    Raises:
        UserError: none of these, a model without a tower, or weights that are damaged or do not fit.
    """
    path = Path(path)
    if not path.is_dir():
        return _of_checkpoint(path, precision)
    if "model_type" in read_json_object(path / CONFIG):
        return _of_hub(path, precision)
    return _of_checkpoint(Path(RunFolder.open(path).checkpoint()), precision)


def _of_hub(folder: Path, precision: str) -> Tower:
    from vsim_tf.models.clip_weights import load_vision_tower, read_vision_config
    from vsim_tf.models.weight_files import SAFETENSORS, weights_file

    config = read_vision_config(folder)
    weights_file(folder, SAFETENSORS)
    tower = _built(config)
    logger.info(f"vision tower: {load_vision_tower(tower, folder)}")
    return _compiled(tower, precision)


def _of_checkpoint(checkpoint: Path, precision: str) -> Tower:
    require_checkpoint(checkpoint)
    run = RunFolder.open(checkpoint.parent.parent)
    if run.model.tower is None:
        raise UserError(f"{run.path}: model {run.model.name} has no vision tower; one that reads pictures is needed")
    tower = _built(run.model.tower)
    from vsim_tf.runs.weights import restore_part

    restore_part({weight.path: weight.value for weight in tower.weights}, checkpoint, f"the tower of model {run.model.name}")
    return _compiled(tower, precision)


def _built(config: VisionConfig) -> "VisionTower":
    with quiet_imports():
        from vsim_tf.distributed.device import precision_scope
        from vsim_tf.layers.vision_tower import VisionTower

    with precision_scope("float32"):
        tower = VisionTower(config)
        tower.build()
    return tower


def _compiled(tower: "VisionTower", precision: str) -> Tower:
    from vsim_tf.inference.compiled_tower import CompiledTower, rounded_tower

    return CompiledTower(rounded_tower(tower, precision))

"""What tells a vision tower from others: the checksum of its files."""

import hashlib
import json
import os
from pathlib import Path

from vsim_tf.io.files import fingerprint_once
from vsim_tf.io.paths import BEST, CONFIG, LAST
from vsim_tf.records.feature_origin import Origin
from vsim_tf.runs.run_folder import RunFolder, checkpoint_fingerprint
from vsim_tf.types import PathLike

WEIGHTS = "*.safetensors"


def tower_origin(path: PathLike) -> Origin:
    """The tower of a Hugging Face folder, of a run folder, or of a checkpoint in one, as notes name it.

    Args:
        path: as for `inference.tower.load_tower`; of a Hugging Face folder configuration and weights are read.

    Raises:
        UserError: a run folder without a checkpoint.
    """
    place = Path(path)
    if place.is_dir() and not any((place / kind).is_dir() for kind in (LAST, BEST)):
        return Origin(os.path.realpath(place), _of_files(place))
    checkpoint = RunFolder.open(place).checkpoint() if place.is_dir() else str(place)
    return Origin(os.path.realpath(place), checkpoint_fingerprint(checkpoint))


def _of_files(folder: Path) -> str:
    files = [file for pattern in (CONFIG, WEIGHTS) for file in sorted(folder.glob(pattern))]
    return hashlib.sha256(json.dumps([fingerprint_once(file) for file in files]).encode()).hexdigest()

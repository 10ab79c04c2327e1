"""Small trained models that come with the package, for trying the software: saved models under the names of their systems."""

from pathlib import Path

from vsim_tf.errors import UserError
from vsim_tf.io.paths import shipped_model
from vsim_tf.types import PathLike

SHIPPED_MODELS = ("aiac2021_rank4", "aiac2021_rank1", "wbdc2022_rank8")
ACCEPTED = (
    "accepted are a folder of models (output/demo), of one model's folds (output/demo/uniter), a run folder"
    " (output/demo/uniter/fold-00), a checkpoint (output/demo/uniter/fold-00/last/ckpt-48), a saved model, or the name of a"
    f" model that comes with the package ({', '.join(SHIPPED_MODELS)})"
)
"""Paths that are opened as a model, in words."""


def model_path(path: PathLike) -> Path:
    """The folder of the shipped model of this name, where nothing else is there under it; any other path as it is."""
    path = Path(path)
    return shipped_model(path.name) if str(path) in SHIPPED_MODELS and not path.exists() else path


def require_model(path: str | None) -> None:
    """`UserError` for a path that does not exist and is no name of a shipped model; None and an empty one are passed over."""
    if path and not model_path(path).exists():
        raise UserError(f"{path} does not exist; {ACCEPTED}")

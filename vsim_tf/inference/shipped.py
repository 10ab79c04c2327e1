"""Small trained models that come with the package, for trying the software: saved models under the names of their systems."""

from pathlib import Path

from vsim_tf.io.files import require_existing
from vsim_tf.io.paths import shipped_model
from vsim_tf.types import PathLike

SHIPPED_MODELS = ("aiac2021_rank4", "aiac2021_rank1", "wbdc2022_rank8")


def model_path(path: PathLike) -> Path:
    """The folder of the shipped model of this name, where nothing else is there under it; any other path as it is."""
    path = Path(path)
    return shipped_model(path.name) if str(path) in SHIPPED_MODELS and not path.exists() else path


def require_model(path: str | None) -> None:
    """`UserError` for a path that does not exist and is no name of a shipped model; None and an empty one are passed over."""
    if path:
        require_existing(str(model_path(path)))

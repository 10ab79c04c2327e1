"""Free space on a disk, compared with what a stage is about to write."""

import logging
import shutil
from pathlib import Path

from vsim_tf.errors import UserError
from vsim_tf.types import PathLike

logger = logging.getLogger(__name__)


def require_space(folder: PathLike, needed: int, purpose: str) -> None:
    """Logs one line with the bytes that are needed and free.

    Args:
        folder: where the files go; it need not exist yet.
        needed: bytes in addition to what is there.
        purpose: what they are for, e.g. `checkpoints of 11 runs`.

    Raises:
        UserError: less is free than needed; with both.
    """
    free = shutil.disk_usage(_existing(Path(folder))).free
    if needed > free:
        raise UserError(
            f"{folder}: {format_bytes(needed)} are needed for {purpose}, {format_bytes(free)} are free;"
            " make room, or choose another output folder (docs/reproduce.md, 'Disk')"
        )
    logger.info(f"disk: up to {format_bytes(needed)} for {purpose} in {folder}, {format_bytes(free)} are free")


def format_bytes(count: int) -> str:
    """Returns `2.5 GB` or `0.3 MB`, in powers of 1000 as disks are sold."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


def _existing(folder: Path) -> Path:
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())

"""A demo data set as a folder, which appears complete or not at all and says what it was made with."""

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive, remove_stale_lock, sync
from vsim_tf.io.paths import DEMO


class DemoSet(NamedTuple):
    """A kind of demo data.

    Attributes:
        identity: says which kind and version it is, in `demo.json` next to the sizes.
        defaults: sizes and the seed, by name.
        least: smallest values, by name, where they are not 1.
        write_all: writes all files but `demo.json` into an empty folder, of a size or seed by each name.
    """

    identity: Mapping[str, Any]
    defaults: Mapping[str, int]
    least: Mapping[str, int]
    write_all: Callable[[Path, Mapping[str, int]], None]

    def check_sizes(self, sizes: Mapping[str, int]) -> None:
        """Raises UserError for a size that is too small."""
        for name, value in sizes.items():
            least = self.least.get(name, 1)
            if value < least:
                raise UserError(f"{name} is {value}; expected at least {least}", [name])

    def is_complete(self, folder: Path, sizes: Mapping[str, int]) -> bool:
        """Whether a folder holds the data set of these sizes; `UserError` if it holds something else."""
        if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
            return False
        try:
            found = json.loads((folder / DEMO).read_bytes())
        except (OSError, ValueError):
            raise UserError(f"{folder} exists and is no demo data set; choose another output_dir", ["output_dir"]) from None
        if found != {**self.identity, **sizes}:
            message = f"{folder} holds demo data of other parameters ({found}); remove it or choose another output_dir"
            raise UserError(message, ["output_dir"])
        return True

    def write(self, output_dir: str, sizes: Mapping[str, int]) -> bool:
        """Writes the data set into a folder that is new or empty, or holds it already; equal sizes give equal files.

        Returns:
            Whether something was written.

        Raises:
            UserError: a size that is too small, a folder that holds something else or cannot be written, or another process that
                writes it.
        """
        self.check_sizes(sizes)
        target = Path(os.path.abspath(output_dir))
        if self.is_complete(target, sizes):
            remove_stale_lock(target)
            return False
        try:
            with exclusive(target):
                return self._write_folder(target, sizes)
        except OSError as error:
            message = f"output_dir {output_dir!r} cannot be written: {error.strerror}; choose another"
            raise UserError(message, ["output_dir"]) from None

    def _write_folder(self, target: Path, sizes: Mapping[str, int]) -> bool:
        if self.is_complete(target, sizes):  # written by another process meanwhile
            return False
        unfinished = target.with_name(f".{target.name}.unfinished")
        try:
            shutil.rmtree(unfinished, ignore_errors=True)
            unfinished.mkdir(parents=True)
            self.write_all(unfinished, sizes)
            parameters = json.dumps({**self.identity, **sizes}, indent=1, allow_nan=False)
            (unfinished / DEMO).write_text(f"{parameters}\n", encoding="utf-8")
            os.replace(unfinished, target)
            sync(target.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return True

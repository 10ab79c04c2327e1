"""What an extraction has done so far, in files of some videos each: one that is killed resumes behind the last complete file."""

import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file, read_json_object
from vsim_tf.io.paths import parts_folder
from vsim_tf.records.tfrecords import append_records, read_records
from vsim_tf.types import PathLike

SETTINGS, PARTS = "settings.json", "part-*.tfrecords"


class Damaged(NamedTuple):
    """A video that cannot be read: its id, its file, and the reason."""

    id: str
    file: str
    reason: str


class Part(NamedTuple):
    """Some videos of an extraction.

    Attributes:
        records: of the readable videos.
        frames: how many all of them have.
        damaged: the others.
    """

    records: list[bytes]
    frames: int
    damaged: list[Damaged]


class Parts:
    """The folder of parts of an output, `<output>.parts`; a block in which none becomes complete leaves no folder."""

    def __init__(self, output: PathLike, settings: Mapping[str, Any], overwrite: bool = False):
        """Opens the folder, or makes it.

        Args:
            output: the file that the parts will be.
            settings: all that their content follows from, as JSON.
            overwrite: discard parts of other settings.

        Raises:
            UserError: there are parts of other settings; with the names of those that differ.
        """
        self.folder = parts_folder(output)
        note = self.folder / SETTINGS
        if note.exists() and (differing := differences(read_json_object(note), settings)):
            if not overwrite:
                raise UserError(
                    f"{self.folder}: an extraction of other settings was begun here ({differing} differ); finish it with those,"
                    " or discard it with overwrite=True",
                    ["overwrite"],
                )
            self.remove()
        with output_file(note) as file:
            file.write(json.dumps(dict(settings), indent=1, ensure_ascii=False).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if not any(self.folder.glob(PARTS)):
            shutil.rmtree(self.folder, ignore_errors=True)  # it would hold other settings up for nothing

    def __contains__(self, number: int) -> bool:
        return self._file(number).exists()

    def write(self, number: int, part: Part) -> None:
        """Adds a part, completely or not at all."""
        head = json.dumps({"frames": part.frames, "damaged": part.damaged}).encode()
        with output_file(self._file(number)) as file:
            append_records(file, [head, *part.records])

    def read(self, number: int) -> Part:
        """A part; `RecordError` if its file is damaged."""
        head, *records = [data for _, data in read_records(self._file(number))]
        content = json.loads(head)
        return Part(records, content["frames"], [Damaged(*each) for each in content["damaged"]])

    def records(self, count: int) -> Iterator[bytes]:
        """All records of the first `count` parts, one part in memory at a time."""
        for number in range(count):
            yield from self.read(number).records

    def discard(self, number: int) -> None:
        """Removes a part, so that it is done again."""
        self._file(number).unlink()

    def remove(self) -> None:
        """Removes all parts."""
        shutil.rmtree(self.folder)

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}.tfrecords"


def differences(found: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """Names of settings that differ, separated by commas; empty if all are equal."""
    wanted = json.loads(json.dumps(dict(settings)))
    return ", ".join(name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name))

"""Kinds of files that embeddings are written to, chosen by the ending of the file's name."""

from pathlib import Path
from typing import ClassVar

from vsim_tf.components import Component
from vsim_tf.errors import UserError
from vsim_tf.records.embeddings import Embeddings, npz_bytes, write_embeddings, write_submission, zip_bytes


class Exporter(Component):
    """Writes embeddings to a file.

    Attributes:
        ending: of the file's name, with its dot.
    """

    ending: ClassVar[str] = ""

    def write(self, path: Path, embeddings: Embeddings) -> None:
        """Writes a file that appears complete or not at all; `UserError` when that fails."""
        raise NotImplementedError

    def size(self, videos: int, dim: int) -> int:
        """Bytes that the file will have at most, as free space is checked before anything is computed."""
        return 32 * videos * (dim + 1)


class SubmissionZip(Exporter, name="submission"):
    """The contest's result.zip: one JSON object of lists by video id."""

    ending = ".zip"

    def write(self, path: Path, embeddings: Embeddings) -> None:
        write_submission(path, embeddings)

    def size(self, videos: int, dim: int) -> int:
        return zip_bytes(videos, dim)


class NumpyArchive(Exporter, name="npz"):
    """`ids` and `embeddings` (float16) as NumPy's npz without pickles."""

    ending = ".npz"

    def write(self, path: Path, embeddings: Embeddings) -> None:
        write_embeddings(path, embeddings)

    def size(self, videos: int, dim: int) -> int:
        return npz_bytes(videos, dim)


def exporter_of(path: Path) -> Exporter:
    """The exporter for a file's name; `UserError` with the known endings where there is none."""
    found = [entry for entry in Exporter.entries.values() if issubclass(entry, Exporter) and entry.ending == path.suffix]
    if not found:
        endings = ", ".join(entry.ending for entry in Exporter.entries.values() if issubclass(entry, Exporter))
        raise UserError(f"{path}: embeddings are written to files that end with {endings}", ["output_zip"])
    return found[0]()

"""The folder of an index: vectors, ids with titles, and a note with checksums of both and the model's fingerprint."""

import dataclasses
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vsim_tf.errors import UserError
from vsim_tf.io.files import fingerprint, new_folder, output_file, read_json_lines, read_json_object, whats_there
from vsim_tf.io.paths import INDEX_NOTE, INDEX_VECTORS, INDEX_VIDEOS
from vsim_tf.runs.run_folder import write_json
from vsim_tf.search.nearest import RECALL_AT, VectorIndex
from vsim_tf.types import PathLike

FORMAT, VERSION = "vsim_tf index", 1


@dataclasses.dataclass(frozen=True)
class IndexNote:
    """What an index is.

    Attributes:
        videos: how many.
        dim: embedding dimension.
        clusters: of the vectors, those that a query is compared with, and all.
        recall: recall@10 of a sample, compared with an exact search; 1 of an exact index.
        model: what the model was called that made the embeddings; None: it is not known.
        fingerprint: of the model, see `vsim_tf.search.fingerprint`.
    """

    videos: int
    dim: int
    clusters: tuple[int, int]
    recall: float
    model: str | None = None
    fingerprint: list[list[float]] | None = None

    def summary(self) -> str:
        """One line."""
        looked_into, clusters = self.clusters
        kind = f"IVF-PQ, {looked_into} of {clusters} clusters, recall@{RECALL_AT} {self.recall:.4f}" if clusters > 1 else "exact"
        return f"{self.videos:,} videos, {self.dim} dimensions, {kind}"

    def fits(self, vectors: VectorIndex, videos: int) -> bool:
        """Whether it says of files what they hold."""
        return (self.videos, self.dim) == vectors.vectors.shape and self.videos == videos

    @property
    def is_sound(self) -> bool:
        """Whether values that were read have the types that they are written with."""
        numbers = [self.videos, self.dim, self.recall, *(value for row in self.fingerprint or () for value in row)]
        return all(isinstance(number, int | float) and math.isfinite(number) for number in numbers) and (
            self.fingerprint is None or all(len(row) == self.dim for row in self.fingerprint)
        )


def write_index_folder(
    folder: PathLike, ids: Sequence[str], titles: Sequence[str | None], vectors: VectorIndex, note: IndexNote
) -> None:
    """Writes the folder; it appears complete or not at all.

    Raises:
        UserError: it is there already, or cannot be written.
    """
    with new_folder(folder) as part:
        vectors.write(part / INDEX_VECTORS)
        with output_file(part / INDEX_VIDEOS) as file:
            for video, title in zip(ids, titles, strict=True):
                file.write((json.dumps({"id": video, "title": title}, ensure_ascii=False) + "\n").encode())
        files = {name: fingerprint(part / name)["sha256"] for name in (INDEX_VECTORS, INDEX_VIDEOS)}
        write_json(part / INDEX_NOTE, {"format": FORMAT, "version": VERSION, **dataclasses.asdict(note), "sha256": files})


def read_index_folder(folder: PathLike) -> tuple[list[str], list[str | None], VectorIndex, IndexNote]:
    """Ids, titles, vectors and note of a folder.

    Raises:
        UserError: it is no index, a file of it is missing or has changed, or it is of a newer version.
    """
    folder = Path(folder)
    if not (folder / INDEX_NOTE).is_file():
        raise UserError(f"{folder} is no index: it has no {INDEX_NOTE} ({whats_there(folder)}); `vsim-tf index` writes one")
    note, checksums = _read_note(folder / INDEX_NOTE)
    for name in (INDEX_VECTORS, INDEX_VIDEOS):
        if not (folder / name).is_file():
            raise UserError(f"{folder / name} is missing; build the index again")
        if fingerprint(folder / name)["sha256"] != checksums.get(name):
            raise UserError(f"{folder / name} is damaged, or of another index: its checksum is not that in {INDEX_NOTE}")
    vectors, videos = VectorIndex.read(folder / INDEX_VECTORS), read_json_lines(folder / INDEX_VIDEOS)
    if not note.fits(vectors, len(videos)):
        raise UserError(f"{folder / INDEX_NOTE}: says {note.summary()}; the files hold others; build the index again")
    return [video["id"] for video in videos], [video["title"] for video in videos], vectors, note


def _read_note(file: Path) -> tuple[IndexNote, dict[str, Any]]:
    values = read_json_object(file)
    if values.pop("format", None) != FORMAT:
        raise UserError(f"{file}: not the note of an index: its format is not {FORMAT!r}")
    if (version := values.pop("version", None)) != VERSION:
        raise UserError(f"{file}: written in version {version}, this vsim_tf reads {VERSION}; take a newer vsim_tf")
    checksums = values.pop("sha256", None)
    try:
        note = IndexNote(**values | {"clusters": tuple(values["clusters"])})
        sound = note.is_sound and len(note.clusters) == 2 and isinstance(checksums, dict)
    except (TypeError, LookupError):
        sound = False
    if not sound:
        raise UserError(f"{file}: damaged; build the index again")
    return note, checksums

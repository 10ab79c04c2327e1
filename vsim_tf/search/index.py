"""An index of videos: the most similar ones by cosine, and groups of near-duplicates."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.inference.cosine import l2_normalize
from vsim_tf.records.embeddings import Embeddings, check_ids
from vsim_tf.search.duplicates import duplicate_groups
from vsim_tf.search.fingerprint import fingerprint_of, is_same
from vsim_tf.search.index_folder import IndexNote, read_index_folder, write_index_folder
from vsim_tf.search.nearest import CODES, VectorIndex
from vsim_tf.search.parquet import write_parquet
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from vsim_tf.inference.model import Model

EXACT_BELOW = 1_000_000
ROWS_AT_A_TIME = 1 << 16
"""Of what float64 is needed for, which takes twice the memory of the vectors."""

logger = logging.getLogger(__name__)


class Neighbour(NamedTuple):
    """A video of an index.

    Attributes:
        id: its id.
        title: None where it is not known.
        similarity: cosine with the query; in a group of duplicates, with the first video of the group.
    """

    id: str
    title: str | None
    similarity: float


class Index:
    """Embeddings of unit norm with ids and titles, in memory; `build` or `open` makes one.

    Attributes:
        ids: of the videos, unique.
        titles: one for each id; None where it is not known.
        note: how many videos and dimensions, how the nearest are found, with what recall, and the model.
    """

    def __init__(self, ids: Sequence[str], titles: Sequence[str | None], nearest: VectorIndex, note: IndexNote):
        self.ids, self.titles, self.note = list(ids), list(titles), note
        self._nearest = nearest
        self._rows = {video: row for row, video in enumerate(self.ids)}

    @classmethod
    def build(
        cls,
        embeddings: Embeddings,
        titles: Sequence[str | None] | None = None,
        model: "Model | None" = None,
        exact_below: int = EXACT_BELOW,
    ) -> "Index":
        """Makes an index, and measures its recall if it is approximate.

        Args:
            embeddings: `values` is `[videos, dim]`, of any norm; embeddings of zeros have cosine 0 with all others.
            titles: one for each id.
            model: that made the embeddings; the index is refused for another one later.
            exact_below: a query is compared with all videos if they are fewer, else with the best candidates of IVF-PQ; at
                least 256.

        Raises:
            UserError: ids that are no text or occur twice, numbers that are not finite, no videos, arguments that do not fit
                each other, or faiss is not installed.
        """
        ids, values = embeddings
        _check(ids, values, titles, exact_below)
        fingerprint = fingerprint_of(model) if model else None
        if model and fingerprint is not None and fingerprint.shape[1] != values.shape[1]:
            raise UserError(f"embeddings have {values.shape[1]} dimensions, those of {model.name} have {fingerprint.shape[1]}")
        parts = (l2_normalize(values[start : start + ROWS_AT_A_TIME]) for start in range(0, len(ids), ROWS_AT_A_TIME))
        vectors = np.concatenate([part.astype(np.float32) for part in parts])
        make = VectorIndex.build_exact if len(ids) < exact_below else VectorIndex.build_approximate
        nearest = make(vectors)
        note = IndexNote(
            videos=len(ids),
            dim=vectors.shape[1],
            clusters=nearest.clusters,
            recall=1.0 if nearest.is_exact else nearest.recall(),
            model=model.name if model else None,
            fingerprint=None if fingerprint is None else fingerprint.round(6).tolist(),
        )
        logger.info(note.summary())
        return cls(ids, titles if titles is not None else [None] * len(ids), nearest, note)

    @classmethod
    def open(cls, folder: PathLike, model: "Model | None" = None) -> "Index":
        """Opens what `save` wrote.

        Args:
            folder: of the index.
            model: that will embed queries; it must be the one that made the index.

        Raises:
            UserError: no index, a damaged file, an index of another model, or faiss is not installed.
        """
        index = cls(*read_index_folder(folder))
        if model:
            index.require_model(model)
        return index

    def save(self, folder: PathLike) -> None:
        """Writes a folder, which appears complete or not at all; `UserError` if it is there already or cannot be written."""
        write_index_folder(folder, self.ids, self.titles, self._nearest, self.note)

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"Index({self.note.summary()})"

    def require_model(self, model: "Model") -> None:
        """Raises UserError unless the model is the one whose embeddings these are; where that is not known, warns."""
        if model.dim and model.dim != self.note.dim:
            raise UserError(f"the index has embeddings of {self.note.dim} dimensions; those of {model.name} have {model.dim}")
        if self.note.fingerprint is None:
            logger.warning(f"the index does not say which model made its embeddings; it is assumed to be {model.name}")
        elif not is_same(self.note.fingerprint, fingerprint_of(model)):
            raise UserError(f"the index was made by another model ({self.note.model}): {model.name} gives other embeddings")

    def search(self, vectors: ArrayLike, k: int = 10, without: Sequence[str | None] | None = None) -> list[list[Neighbour]]:
        """The k most similar videos of each vector, by falling cosine; fewer where there are no more.

        Args:
            vectors: `[queries, dim]`, of any norm, as `Model.encode` of a list gives them.
            k: at least 1.
            without: for each vector, the id of a video that is not to be found, as a rule the query itself; None: there is none.

        Raises:
            UserError: vectors of another dimension or with numbers that are not finite, or a k below 1.
        """
        queries = np.asarray(vectors)
        if queries.ndim != 2 or queries.shape[1] != self.note.dim:
            raise UserError(f"vectors have the shape {list(queries.shape)}; accepted is [queries, {self.note.dim}]")
        if not np.isfinite(queries).all():
            raise UserError("vectors hold numbers that are not finite")
        if k < 1:
            raise UserError(f"k={k}: at least 1 is accepted")
        left_out = without if without is not None else [None] * len(queries)
        found = self._nearest.search(l2_normalize(queries), min(k + 1, len(self)))
        return [
            self._neighbours(products, rows, k, video)
            for products, rows, video in zip(found.products, found.rows, left_out, strict=True)
        ]

    def similar(self, video: str, k: int = 10) -> list[Neighbour]:
        """The k videos that are most similar to one of the index, without itself; `UserError` for an id that is not there."""
        return self.search(self.vectors([video]), k, [video])[0]

    def vectors(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Embeddings of videos of the index, `[videos, dim]` of unit norm; `UserError` for an id that is not there."""
        return self._nearest.vectors[[self._row(video) for video in ids]]

    def title(self, video: str) -> str | None:
        """The title of a video of the index, None where it is not known; `UserError` for an id that is not there."""
        return self.titles[self._row(video)]

    def _row(self, video: str) -> int:
        if video not in self._rows:
            raise UserError(f"no video of the index has the id {video!r}; it holds {count_and_first(self.ids)}")
        return self._rows[video]

    def with_title(self, title: str) -> list[str]:
        """Ids of the videos with a title.

        Raises:
            UserError: there are none.
        """
        if found := [video for video, other in zip(self.ids, self.titles, strict=True) if other == title]:
            return found
        known = sum(other is not None for other in self.titles)
        raise UserError(f"no video of the index has the title {title!r}; {known:,} of {len(self):,} videos have known titles")

    def duplicates(self, threshold: float) -> list[list[Neighbour]]:
        """Groups of videos that are connected by pairs whose cosine is at least the threshold, the largest group first.

        Two videos of a group may be less similar than the threshold, with others between them. An approximate index misses
        pairs, as its recall says.

        Raises:
            UserError: a threshold that is not above 0 and at most 1.
        """
        if not 0 < threshold <= 1:
            raise UserError(f"threshold={threshold}: accepted are cosines above 0 and up to 1", ["threshold"])
        vectors = self._nearest.vectors
        return [
            [self._neighbour(row, float(vectors[row] @ vectors[rows[0]])) for row in rows]
            for rows in duplicate_groups(self._nearest, threshold)
        ]

    def write_parquet(self, path: PathLike) -> None:
        """Writes `id`, `title` and `vector`, a list of float32 of unit norm, as vector databases import them.

        Raises:
            UserError: pyarrow is not installed, or the file cannot be written.
        """
        write_parquet(path, self.ids, self.titles, self._nearest.vectors)

    def _neighbours(self, products: np.ndarray, rows: np.ndarray, k: int, without: str | None) -> list[Neighbour]:
        pairs = zip(rows.tolist(), products.tolist(), strict=True)
        return [self._neighbour(row, product) for row, product in pairs if row >= 0 and self.ids[row] != without][:k]

    def _neighbour(self, row: int, similarity: float) -> Neighbour:
        return Neighbour(self.ids[row], self.titles[row], similarity)


def _check(ids: Sequence[str], values: np.ndarray, titles: Sequence[str | None] | None, exact_below: int) -> None:
    check_ids(ids, "embeddings")
    if values.ndim != 2 or len(values) != len(ids) or not values.size:
        raise UserError(f"{len(ids)} ids with embeddings of shape {list(values.shape)}; accepted is one row of numbers per id")
    if faulty := np.flatnonzero(~np.isfinite(values).all(axis=1)).tolist():
        raise UserError(f"embeddings with a number that is not finite: {count_and_first([ids[row] for row in faulty])}")
    if titles is not None and len(titles) != len(ids):
        raise UserError(f"{len(titles)} titles of {len(ids)} ids; accepted is one for each, or None")
    if exact_below < CODES:
        raise UserError(f"exact_below={exact_below}: at least {CODES} is accepted, as many as IVF-PQ needs", ["exact_below"])

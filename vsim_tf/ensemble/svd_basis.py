"""The basis of an SVD ensemble: fitted on the embeddings of one set of videos, applied to any other (docs/facts_rank1.md 10)."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.evaluation.metrics import l2_normalize
from vsim_tf.io.files import output_file
from vsim_tf.io.npz import MAX_UNPACKED_BYTES, read_npz
from vsim_tf.records.embeddings import MAX_DIMENSIONS
from vsim_tf.types import PathLike

FORMAT, VERSION, CENTRED_VERSION = "vsim_tf SVD basis", 1, 2
"""A basis without means is written as it always was."""
KEYS = ("format", "version", "names", "dims", "weights", "projection")
TEST, TRAIN = "test", "train"
"""Videos that a basis may be fitted to."""
ROWS_AT_ONCE = 4096
"""Videos whose concatenated embeddings are in memory at a time."""


def means_of(members: Mapping[str, np.ndarray], center: bool) -> dict[str, np.ndarray]:
    """Name -> what is subtracted from a member's embeddings: their mean, or zeros, `[dim of its own]` float64."""
    return {
        name: values.mean(axis=0, dtype=np.float64) if center else np.zeros(values.shape[1]) for name, values in members.items()
    }


def concatenated(
    members: Mapping[str, np.ndarray],
    weights: Mapping[str, float],
    rows: slice | np.ndarray,
    means: Mapping[str, np.ndarray],
) -> np.ndarray:
    """Rows of the members, each less the member's mean, scaled to unit norm and times sqrt(weight), next to each other.

    A dot product of two such rows is the weighted sum of the members' cosines.

    Args:
        members: name -> embeddings, `[videos, dim of its own]`, with the same videos in the same order.
        weights: name -> weight, above 0.
        rows: which videos, `[rows]`.
        means: see `means_of`.

    Returns:
        `[rows, sum of dims]` float64.
    """
    parts = [math.sqrt(weights[name]) * l2_normalize(values[rows] - means[name]) for name, values in members.items()]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class SvdBasis:
    """A projection of concatenated embeddings X to fewer dimensions: the first right singular vectors of X.

    X itself is not centred; its members may be, before their rows are scaled to unit norm.

    Attributes:
        names: of the members, unique, in the order of the concatenation.
        dims: embedding dimension of each.
        weights: of each, above 0.
        projection: singular vectors as columns, `[sum of dims, dim]` float64.
        source: what messages call it.
        mean: of the members' embeddings, next to each other, `[sum of dims]` float64; None: members are not centred.
    """

    names: tuple[str, ...]
    dims: tuple[int, ...]
    weights: tuple[float, ...]
    projection: np.ndarray
    source: str = "the basis"
    mean: np.ndarray | None = None

    @property
    def dim(self) -> int:
        """Embedding dimension of the result."""
        dim: int = self.projection.shape[1]
        return dim

    @classmethod
    def fit(
        cls, members: Mapping[str, np.ndarray], weights: Mapping[str, float], dim: int | None = None, center: bool = False
    ) -> Self:
        """Fits the basis to embeddings, by the eigenvectors of X^T X: exact and deterministic.

        The sign of a column is chosen so that its largest entry is positive.

        Args:
            members, weights: see `concatenated`.
            dim: number of columns, at most the sum of the members' dimensions; default: 256, or that sum if it is less.
            center: whether each member's mean over these videos is subtracted first, here and in `project`.

        Raises:
            UserError: an unusable `dim`.
        """
        dims = tuple(values.shape[1] for values in members.values())
        dim = min(MAX_DIMENSIONS, sum(dims)) if dim is None else dim
        if not 1 <= dim <= sum(dims):
            raise UserError(f"{dim} dimensions asked of an SVD of {sum(dims)} columns; accepted are 1 to {sum(dims)}")
        gram, means = np.zeros((sum(dims), sum(dims))), means_of(members, center)
        for x in _chunks(members, weights, means):
            gram += x.T @ x
        _, vectors = np.linalg.eigh(gram)
        basis = vectors[:, ::-1][:, :dim]
        largest = np.take_along_axis(basis, np.abs(basis).argmax(axis=0, keepdims=True), axis=0)
        used = tuple(float(weights[name]) for name in members)
        mean = np.concatenate(list(means.values())) if center else None
        return cls(tuple(members), dims, used, basis * np.where(largest < 0, -1.0, 1.0), mean=mean)

    def project(self, members: Mapping[str, np.ndarray]) -> np.ndarray:
        """Reduces embeddings by this basis, `[videos, dim]` float64; of the fitted ones it gives U S of the SVD.

        Args:
            members: name -> embeddings, `[videos, dim of its own]`, of the basis' members in any order.
        """
        ordered = {name: members[name] for name in self.names}
        weights = dict(zip(self.names, self.weights, strict=True))
        return np.concatenate([x @ self.projection for x in _chunks(ordered, weights, self.means())])

    def means(self) -> dict[str, np.ndarray]:
        """Name -> what is subtracted from the member's embeddings, `[dim of its own]`: zeros unless members are centred."""
        mean = np.zeros(sum(self.dims)) if self.mean is None else self.mean
        return dict(zip(self.names, self._split(mean), strict=True))

    def matrices(self) -> dict[str, np.ndarray]:
        """Name -> sqrt(weight) times its rows of the projection, `[dim of its own, dim]`.

        The projection is Σ over members of their embeddings, less their means and scaled to unit norm, times their matrices.
        """
        parts = self._split(self.projection)
        return {name: math.sqrt(weight) * part for name, weight, part in zip(self.names, self.weights, parts, strict=True)}

    def _split(self, rows: np.ndarray) -> list[np.ndarray]:
        """What belongs to each member."""
        return np.split(rows, np.cumsum(self.dims)[:-1])

    def require(self, dims: Mapping[str, int], weights: Mapping[str, float]) -> None:
        """`UserError` unless the basis is of these members, whatever their order, with these dimensions and weights."""
        mine = dict(zip(self.names, zip(self.dims, self.weights, strict=True), strict=True))
        same = mine.keys() == dims.keys() and all(
            dims[name] == dim and math.isclose(weights[name], weight, rel_tol=1e-9) for name, (dim, weight) in mine.items()
        )
        if not same:
            theirs = {name: (dims[name], weights[name]) for name in dims}
            raise UserError(f"{self.source} is of another ensemble: {_listed(mine)}; embeddings are of {_listed(theirs)}")

    def save(self, path: PathLike) -> None:
        """Writes the basis as an npz file; it appears complete or not at all.

        Raises:
            UserError: the file cannot be written.
        """
        arrays = {
            "format": np.array(FORMAT), "version": np.array(VERSION), "names": np.array(self.names, np.str_),
            "dims": np.array(self.dims), "weights": np.array(self.weights), "projection": self.projection,
        }  # fmt: skip
        if self.mean is not None:
            arrays |= {"version": np.array(CENTRED_VERSION), "mean": self.mean}
        with output_file(path) as file:
            np.savez(file, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: PathLike, max_bytes: int = MAX_UNPACKED_BYTES) -> Self:
        """Reads what `save` wrote, up to a size of the unpacked arrays.

        Raises:
            UserError: missing, damaged, of another version or another kind of file; names the file.
        """
        arrays = read_npz(path, KEYS, "basis of an SVD ensemble", max_bytes)
        if fault := _fault(*(arrays[key] for key in KEYS)):
            raise UserError(f"{path}: not a basis of an SVD ensemble: {fault}")
        mean = None
        if arrays["version"] == CENTRED_VERSION:
            mean = read_npz(path, ("mean",), "basis of an SVD ensemble", max_bytes)["mean"]
            if mean.dtype != np.float64 or mean.shape != (arrays["dims"].sum(),) or not np.isfinite(mean).all():
                raise UserError(f"{path}: not a basis of an SVD ensemble: its mean is no finite number for each dimension")
        names, dims, weights = (tuple(arrays[key].tolist()) for key in ("names", "dims", "weights"))
        return cls(names, dims, weights, arrays["projection"], str(path), mean)


def _chunks(
    members: Mapping[str, np.ndarray], weights: Mapping[str, float], means: Mapping[str, np.ndarray]
) -> Iterator[np.ndarray]:
    videos = len(next(iter(members.values())))
    for start in range(0, max(videos, 1), ROWS_AT_ONCE):
        yield concatenated(members, weights, slice(start, start + ROWS_AT_ONCE), means)


def _listed(members: Mapping[str, tuple[int, float]]) -> str:
    return ", ".join(f"{name} ({dim} dimensions, weight {weight:.9g})" for name, (dim, weight) in members.items())


def _fault(
    form: np.ndarray, version: np.ndarray, names: np.ndarray, dims: np.ndarray, weights: np.ndarray, projection: np.ndarray
) -> str:
    """Why arrays are no basis; empty where they are one."""
    types = [array.dtype.kind for array in (names, dims, weights)]
    shapes = [list(array.shape) for array in (names, dims, weights)]
    if form.shape or form.tolist() != FORMAT:
        return f"its format is not {FORMAT!r}"
    if version.shape or version.tolist() not in (VERSION, CENTRED_VERSION):
        return f"its version is not {VERSION} or {CENTRED_VERSION}; a newer vsim_tf may have written it"
    if types != ["U", "i", "f"] or projection.dtype != np.float64:
        return f"names, dims, weights and projection are {names.dtype}, {dims.dtype}, {weights.dtype} and {projection.dtype}"
    if not names.size or any(shape != [len(set(names.ravel().tolist()))] for shape in shapes):
        return f"names, dims and weights have the shapes {shapes}, or a name is repeated"
    if projection.ndim != 2 or len(projection) != dims.sum() or not 1 <= projection.shape[1] <= len(projection):
        return f"its projection has the shape {list(projection.shape)} for dimensions {dims.tolist()}"
    if not (np.isfinite(weights).all() and np.isfinite(projection).all()) or dims.min() < 1 or weights.min() <= 0:
        return "a dimension or weight is not above 0, or a number is not finite"
    return ""

"""A linear model of the tags as a file: title and mean frame in, an embedding out whose cosine is that of predicted tags."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file
from vsim_tf.io.npz import MAX_UNPACKED_BYTES, read_npz
from vsim_tf.presets.registry import LINEAR
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from sklearn.feature_extraction.text import TfidfVectorizer

FORMAT, VERSION = "vsim_tf linear model", 1
NUMBERS = ("idf", "mean", "scale", "projection", "offset")
"""Arrays of float32."""
KEYS = ("format", "version", "terms", *NUMBERS)
TERM_OPTIONS = {"analyzer": "char", "ngram_range": (1, 2), "dtype": np.float32}
"""Characters and pairs of neighbours."""


@dataclass(frozen=True, eq=False)
class LinearModel:
    """An embedding e = [TF-IDF of the title, (mean frame - mean) * scale] projection - offset.

    Attributes:
        terms: characters and pairs of neighbours that are counted, unique; none: titles are not read.
        idf: of each term, `[terms]` float32.
        mean, scale: of the mean frame, `[frame dim]` float32.
        projection: `[terms + frame dim, dim]` float32.
        offset: `[dim]` float32.
    """

    name: ClassVar[str] = LINEAR
    terms: tuple[str, ...]
    idf: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    projection: np.ndarray
    offset: np.ndarray

    @property
    def frame_dim(self) -> int:
        """Feature dimension of a frame."""
        return len(self.mean)

    @property
    def dim(self) -> int:
        """Embedding dimension."""
        return len(self.offset)

    @property
    def parameters(self) -> int:
        """Numbers of all arrays."""
        return sum(getattr(self, key).size for key in NUMBERS)

    @cached_property
    def _vectorizer(self) -> "TfidfVectorizer":
        from sklearn.feature_extraction.text import TfidfVectorizer

        vectorizer = TfidfVectorizer(vocabulary=self.terms, **TERM_OPTIONS)
        vectorizer.idf_ = self.idf
        return vectorizer

    def embed(self, titles: Sequence[str], mean_frames: np.ndarray) -> np.ndarray:
        """Embeddings, `[videos, dim]` float32, not normalised.

        Args:
            titles: one per video, may be empty.
            mean_frames: mean over all frames of each, zeros without frames, `[videos, frame dim]`.
        """
        terms = len(self.terms)
        embeddings = (mean_frames - self.mean) * self.scale @ self.projection[terms:] - self.offset
        if terms and titles:
            embeddings = embeddings + self._vectorizer.transform(titles) @ self.projection[:terms]
        return np.asarray(embeddings, np.float32)

    def save(self, path: PathLike) -> None:
        """Writes the model as an npz file; it appears complete or not at all.

        Raises:
            UserError: the file cannot be written.
        """
        numbers = {key: getattr(self, key) for key in NUMBERS}
        with output_file(path) as file:
            np.savez(file, format=FORMAT, version=VERSION, terms=np.array(self.terms, np.str_), **numbers)

    @classmethod
    def load(cls, path: PathLike, max_bytes: int = MAX_UNPACKED_BYTES) -> Self:
        """Reads what `save` wrote, up to a size of the unpacked arrays.

        Raises:
            UserError: missing, damaged, of another version or another kind of file; names the file.
        """
        arrays = read_npz(path, KEYS, "linear model", max_bytes)
        if fault := _fault(arrays):
            raise UserError(f"{path}: not a linear model: {fault}")
        return cls(tuple(arrays["terms"].tolist()), *(arrays[key] for key in NUMBERS))


def _fault(arrays: dict[str, np.ndarray]) -> str:
    """Why arrays are no linear model; empty where they are one."""
    form, version, terms = (arrays[key] for key in ("format", "version", "terms"))
    numbers = {key: arrays[key] for key in NUMBERS}
    if form.shape or form.tolist() != FORMAT:
        return f"its format is not {FORMAT!r}"
    if version.shape or version.tolist() != VERSION:
        return f"its version is not {VERSION}; a newer vsim_tf may have written it"
    if terms.dtype.kind != "U" or any(values.dtype != np.float32 for values in numbers.values()):
        return f"terms are {terms.dtype}, numbers {', '.join(str(values.dtype) for values in numbers.values())}"
    shapes = [list(values.shape) for values in (terms, *numbers.values())]
    count, frame_dim, dim = terms.size, arrays["mean"].size, arrays["offset"].size
    if shapes != [[count], [count], [frame_dim], [frame_dim], [count + frame_dim, dim], [dim]] or not frame_dim or not dim:
        return f"terms and numbers have the shapes {shapes}"
    if len(set(terms.tolist())) < count or "" in terms.tolist():
        return "a term is empty or repeated"
    return "" if all(np.isfinite(values).all() for values in numbers.values()) else "a number is not finite"

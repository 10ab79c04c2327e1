"""Nearest vectors by inner product, found by faiss: all compared, or by IVF-PQ with candidates that are compared exactly."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vsim_tf.errors import UserError
from vsim_tf.io.npz import unreadable_reason

CODES = 256
"""Centroids of a product quantizer, which needs at least so many vectors."""
VECTORS_PER_LIST = 39
"""Below it faiss considers a centroid of k-means undetermined."""
DIMENSIONS_PER_BYTE = 4
CANDIDATES = 16
"""Of so many times the nearest ones that are asked for, inner products are computed exactly."""
RECALL_AT, SAMPLE, WANTED_RECALL = 10, 1000, 0.99
ROUNDING = 1e-6
"""Of an inner product in float32."""

Vectors = NDArray[np.float32]


class Nearest(NamedTuple):
    """Inner products with the nearest vectors, falling, and their rows, `[queries, k]` each; row -1: there is no further one."""

    products: Vectors
    rows: NDArray[np.int64]


class VectorIndex:
    """Vectors, `[vectors, dim]` float32, and what finds the nearest of them.

    Args:
        index: of faiss; `build_exact`, `build_approximate` and `read` make one.

    Attributes:
        vectors: as they were given; they live as long as the index.
        is_exact: whether all of them are compared with a query.
    """

    def __init__(self, index: Any):
        self._index = index
        self.is_exact = not hasattr(index, "refine_index")
        self._flat = index if self.is_exact else require_faiss().downcast_index(index.refine_index)
        shape = (self._flat.ntotal, self._flat.d)
        self.vectors: Vectors = require_faiss().rev_swig_ptr(self._flat.get_xb(), math.prod(shape)).reshape(shape)

    @classmethod
    def build_exact(cls, vectors: Vectors) -> "VectorIndex":
        """An index that compares all vectors with a query."""
        index = require_faiss().IndexFlatIP(vectors.shape[1])
        index.add(vectors)
        return cls(index)

    @classmethod
    def build_approximate(cls, vectors: Vectors) -> "VectorIndex":
        """An index that compares a query with codes of the vectors in near clusters (IVF-PQ), and with the best of them exactly.

        It looks into as few clusters as give a recall of `WANTED_RECALL`. The same vectors give the same index.

        Args:
            vectors: at least `CODES`.
        """
        faiss = require_faiss()
        base = faiss.index_factory(vectors.shape[1], description(*vectors.shape), faiss.METRIC_INNER_PRODUCT)
        for clustering in (base.cp, base.pq.cp):
            clustering.min_points_per_centroid = 1  # a warning on stderr, of small indexes
        index = faiss.IndexRefineFlat(base)
        index.train(vectors)
        index.add(vectors)
        index.k_factor = CANDIDATES
        found = cls(index)
        lists, base.nprobe = base.nlist, 1
        while base.nprobe < lists and found.recall() < WANTED_RECALL:
            base.nprobe = min(2 * base.nprobe, lists)
        return found

    @classmethod
    def read(cls, path: Path) -> "VectorIndex":
        """Reads what `write` wrote; `UserError` for another file."""
        faiss = require_faiss()
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise UserError(f"{path}: not a readable index of faiss: {unreadable_reason(error)}") from None
        kinds = (faiss.IndexFlat, faiss.IndexRefineFlat)
        if not isinstance(index, kinds) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise UserError(f"{path}: holds an {type(index).__name__} of faiss; accepted is what `vsim-tf index` writes")
        return cls(index)

    def write(self, path: Path) -> None:
        """Writes a file of faiss; `OSError` where that fails."""
        try:
            require_faiss().write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(None, unreadable_reason(error), str(path)) from None

    @property
    def clusters(self) -> tuple[int, int]:
        """Clusters that are looked into, and all; (1, 1) of an exact index."""
        if self.is_exact:
            return 1, 1
        base = require_faiss().extract_index_ivf(self._index)
        return base.nprobe, base.nlist

    def search(self, queries: np.ndarray, k: int) -> Nearest:
        """The k nearest vectors of each query, `[queries, dim]`."""
        return Nearest(*self._index.search(np.ascontiguousarray(queries, np.float32), k))

    def recall(self) -> float:
        """Recall@10 of up to 1,000 of the vectors: the share of the 10 nearest others by an exact search that is found.

        Of vectors that are equally near, any count.
        """
        count = len(self.vectors)
        rows = np.random.default_rng(0).choice(count, min(count, SAMPLE), replace=False)
        k = min(RECALL_AT + 1, count)  # with itself
        exact = Nearest(*self._flat.search(self.vectors[rows], k)).products
        found = self.search(self.vectors[rows], k).products >= exact[:, -1:] - ROUNDING
        return float(np.mean((found.sum(axis=1) - 1) / (k - 1))) if k > 1 else 1.0


def description(vectors: int, dim: int) -> str:
    """The parts of an approximate index as faiss spells them: clusters, bytes of a code, no polysemous training."""
    lists = max(1, min(round(4 * math.sqrt(vectors)), vectors // VECTORS_PER_LIST))
    code = max(size for size in range(1, max(dim // DIMENSIONS_PER_BYTE, 1) + 1) if dim % size == 0)
    return f"IVF{lists},PQ{code}x8np"


def require_faiss() -> Any:
    """The module of faiss; `UserError` where it is not installed."""
    try:
        import faiss
    except ImportError:
        raise UserError("faiss is not installed; `pip install faiss-cpu` brings it") from None
    return faiss

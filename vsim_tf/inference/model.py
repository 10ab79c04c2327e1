"""Trained checkpoints as one model: dicts in, embeddings and similarities out. Nothing is written, nothing is printed."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray

from vsim_tf.errors import UserError
from vsim_tf.inference.cosine import cosine_similarity, l2_normalize
from vsim_tf.inference.items import Item, check_items
from vsim_tf.inference.member import Member
from vsim_tf.io.memory import enough_memory

BATCH_SIZE = 64


class RankedPair(NamedTuple):
    """A pair of items and the cosine of their embeddings."""

    first: Item
    second: Item
    similarity: float


class Projection(Protocol):
    """What makes one embedding of those of several members, as `vsim_tf.ensemble.svd_basis` does."""

    @property
    def dim(self) -> int:
        """Embedding dimension of the result."""

    def project(self, members: Mapping[str, np.ndarray]) -> np.ndarray:
        """Name of a member -> embeddings, `[items, dim of its own]`; the result is `[items, dim]`."""


class Model:
    """A weighted sum of members, each the mean of its checkpoints, or their projection; `vsim_tf.load` makes one.

    An item is a dict with `title` (str, may be empty) and `frames` (`[frames, frame_dim]`, may have 0 rows; rounded to float16
    as in records). Other keys are ignored. Several threads may share a model, and several models a process.

    Args:
        members: their weights are those of the sum.
        name: what `repr` calls the model.
        projection: of the members' embeddings, instead of a sum.

    Attributes:
        dim: embedding dimension.
        frame_dim: feature dimension of a frame.
        max_frames: frames that are sampled of a video, at most.

    Raises:
        UserError: the members differ in the size of frames, or in that of embeddings, which a sum needs to be equal.
    """

    def __init__(self, members: Sequence[Member], name: str = "", projection: Projection | None = None):
        self.members, self.name, self.projection = tuple(members), name, projection
        self.dim = projection.dim if projection else self._same("embedding_size")
        self.frame_dim = self._same("frames.dim")
        self.max_frames = max(member.config.frames.max_frames for member in members)

    def _same(self, path: str) -> int:
        sizes: dict[str, int] = {member.config.name: member.config.paths()[path] for member in self.members}
        if len(set(sizes.values())) > 1:
            raise UserError(f"{self.name}: the models differ in {path}: {sizes}; load one of them alone")
        return next(iter(sizes.values()))

    def __repr__(self) -> str:
        checkpoints = sum(len(member.checkpoints) for member in self.members)
        return (
            f"Model({self.name!r}, dim={self.dim}, frame_dim={self.frame_dim}, max_frames={self.max_frames},"
            f" members={len(self.members)}, checkpoints={checkpoints})"
        )

    def encode(self, items: Item | Sequence[Item], batch_size: int = BATCH_SIZE, normalize: bool = False) -> NDArray[np.float32]:
        """Embeddings of items, in their order.

        Args:
            items: one item, or a list of items, which may be empty.
            batch_size: items of a batch; it changes speed and memory, and the numbers by float32 rounding alone.
            normalize: scale embeddings to unit norm; one of zeros stays zero.

        Returns:
            `[dim]` of one item, `[items, dim]` of a list, float32.

        Raises:
            UserError: an item cannot be used; the message names it by its index. It comes before anything is computed.
        """
        if isinstance(items, Mapping):
            embedding: NDArray[np.float32] = self._scaled(self._embed([items], batch_size, lambda _: "item"), normalize)[0]
            return embedding
        _require_list(items, "items")
        return self._scaled(self._embed(items, batch_size, lambda number: f"items[{number}]"), normalize)

    @overload
    def similarity(self, a: Item, b: Item, batch_size: int = ...) -> float: ...
    @overload
    def similarity(self, a: Sequence[Item], b: Sequence[Item], batch_size: int = ...) -> NDArray[np.float64]: ...
    def similarity(
        self, a: Item | Sequence[Item], b: Item | Sequence[Item], batch_size: int = BATCH_SIZE
    ) -> float | NDArray[np.float64]:
        """Cosine of the embeddings of `a` and `b`, as pairs are ranked by.

        Args:
            a, b: two items, or two equally long lists of items.
            batch_size: see `encode`.

        Returns:
            A float, or of lists `[pairs]` float64: of `a[0]` with `b[0]`, and so on.

        Raises:
            UserError: lists of different lengths, one item with a list, or an item that cannot be used.
        """
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            return float(self._cosines([a], [b], batch_size, ("a", "b"))[0])
        if isinstance(a, Mapping) or isinstance(b, Mapping):
            raise UserError("a or b is one item, the other is not; accepted are two items, or two equally long lists of items")
        _require_list(a, "a")
        _require_list(b, "b")
        if len(a) != len(b):
            raise UserError(f"a has {len(a)} items, b has {len(b)}; accepted are two items, or two equally long lists of items")
        return self._cosines(a, b, batch_size, ("a[{}]", "b[{}]"))

    def rank_pairs(self, pairs: Sequence[tuple[Item, Item]], batch_size: int = BATCH_SIZE) -> list[RankedPair]:
        """The pairs by falling similarity; equal ones in the given order. An item object in several pairs is embedded once.

        Raises:
            UserError: something that is no pair, or an item that cannot be used.
        """
        _require_list(pairs, "pairs")
        for number, pair in enumerate(pairs):
            if not _is_list(pair) or len(pair) != 2:
                raise UserError(f"pairs[{number}] is no pair; accepted are two items, (item, item)")
        first, second = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        cosines = self._cosines(first, second, batch_size, ("pairs[{}][0]", "pairs[{}][1]"))
        return [RankedPair(first[row], second[row], float(cosines[row])) for row in np.argsort(-cosines, kind="stable")]

    def _cosines(self, a: Sequence[Item], b: Sequence[Item], batch_size: int, names: tuple[str, str]) -> NDArray[np.float64]:
        """Cosines of two equally long lists, each object embedded once; names take the index of the pair."""
        items = [*a, *b]
        distinct = {id(item): item for item in items}
        rows = {key: row for row, key in enumerate(distinct)}
        of_item = [rows[id(item)] for item in items]

        def name(row: int) -> str:
            side, pair = divmod(of_item.index(row), len(a))
            return names[side].format(pair)

        values = self._embed(list(distinct.values()), batch_size, name)[of_item]
        return cosine_similarity(values[: len(a)], values[len(a) :])

    def _embed(self, items: Sequence[Item], batch_size: int, name: Callable[[int], str]) -> NDArray[np.float64]:
        """The members' means as one, `[items, dim]`; `name` is what messages call the item at an index."""
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise UserError(f"batch_size={batch_size!r}: an integer of at least 1 is accepted")
        check_items(items, self.frame_dim, name)
        with enough_memory("to embed items", f"batch_size={batch_size}"):
            if self.projection:
                return self.projection.project({member.config.name: member.mean(items, batch_size) for member in self.members})
            total = np.zeros((len(items), self.dim))
            for member in self.members:
                total += member.weight * member.mean(items, batch_size)
            return total

    @staticmethod
    def _scaled(values: NDArray[np.float64], normalize: bool) -> NDArray[np.float32]:
        return (l2_normalize(values) if normalize else values).astype(np.float32)


def _is_list(value: Any) -> bool:
    """Whether something has a length and places, and is neither text nor a dict."""
    return hasattr(value, "__len__") and hasattr(value, "__getitem__") and not isinstance(value, str | bytes | Mapping)


def _require_list(value: Any, name: str) -> None:
    if not _is_list(value):
        raise UserError(f"{name} is of type {type(value).__name__}; accepted is a list")

"""Trained checkpoints as one model: videos in, embeddings, similarities or classes out. Nothing is printed unless asked for."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from vsim_tf.errors import UserError
from vsim_tf.features.tower import Tower
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.inference.given import Given, Item, is_list, is_path, require_list
from vsim_tf.inference.linear_member import LinearMember
from vsim_tf.inference.member import Member
from vsim_tf.inference.quantization import formed
from vsim_tf.inference.saving import save_model
from vsim_tf.inference.videos import ItemVideos, Reading, Videos, reading_of, videos_of
from vsim_tf.input.order import WINDOW_BATCHES
from vsim_tf.input.raw_video import RawVideo
from vsim_tf.io.memory import enough_memory
from vsim_tf.io.read_ahead import read_ahead
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.types import PathLike

BATCH_SIZE = 64


class RankedPair(NamedTuple):
    """A pair of items and the cosine of their embeddings."""

    first: Item
    second: Item
    similarity: float


class ClassPredictions(NamedTuple):
    """Predicted classes of videos.

    Attributes:
        categories: id of the class with the largest probability of each video; of equal ones the first.
        probabilities: `[videos, classes]` float64, columns as in `Model.classes`; each row sums to 1.
    """

    categories: list[str]
    probabilities: NDArray[np.float64]


class Projection(Protocol):
    """What makes one embedding of those of several members, as `vsim_tf.ensemble.svd_basis` does."""

    @property
    def dim(self) -> int:
        """Embedding dimension of the result."""

    def project(self, members: Mapping[str, np.ndarray]) -> np.ndarray:
        """Name of a member -> embeddings, `[videos, dim of its own]`; the result is `[videos, dim]`."""

    def means(self) -> dict[str, np.ndarray]:
        """Name of a member -> what is subtracted from its embeddings first, `[dim of its own]`."""

    def matrices(self) -> dict[str, np.ndarray]:
        """Name of a member -> `[dim of its own, dim]`: what is left, at unit norm, times these, sums up to the projection."""

    def save(self, path: PathLike) -> None:
        """Writes a file from which it can be read again."""


class Model:
    """A weighted sum of members, each the mean of its checkpoints, or their projection; `vsim_tf.load` makes one.

    Members that are classifiers make one of probabilities. Videos are given as items (`vsim_tf.inference.items`), one or a list,
    as a pandas DataFrame, or as a path or pattern of TFRecord files. Several threads may share a model, and several models a
    process.

    Args:
        members: their weights are those of the sum.
        name: what `repr` calls the model.
        projection: of the members' embeddings, instead of a sum.
        tower: makes features of pictures and video files for members that read features.

    Attributes:
        dim: embedding dimension; 0 of several classifiers, which have no embedding in common.
        frame_dim: feature dimension of a frame; 0 where pictures alone are read.
        max_frames: frames that are sampled of a video, at most.
        classes: ids of the classes, in the order of the probabilities; empty of a model of embeddings.
        tower: see above; it may be set.
        runs: of the members that are networks.

    Raises:
        UserError: the members differ in features, in the size of embeddings, which a sum needs to be equal, or in classes.
    """

    def __init__(
        self,
        members: Sequence[Member | LinearMember],
        name: str = "",
        projection: Projection | None = None,
        tower: Tower | None = None,
    ):
        self.members, self.name, self.projection, self.tower = tuple(members), name, projection, tower
        self.runs = [member.run for member in self.members if isinstance(member, Member)]
        self._forms = [member.format for member in self.members]
        self._checkpoints = sum(len(member.checkpoints) for member in self.members)
        self.classes = self._common_classes()
        self.dim = self._embedding_dim()
        widths = {member.name: member.frame_dim for member in self.members if member.frame_dim}
        self.frame_dim = self._same("frames.dim", widths) if widths else 0
        self.max_frames = max(member.max_frames for member in self.members)

    def _common_classes(self) -> tuple[str, ...]:
        if len({member.classes for member in self.members}) > 1:
            names = ", ".join(member.name for member in self.members)
            raise UserError(f"{self.name}: {names} were not trained on the same classes; load one of them alone")
        return self.members[0].classes

    def _embedding_dim(self) -> int:
        if self.projection:
            return self.projection.dim
        if self.classes and self._checkpoints > 1:
            return 0
        return self._same("embedding_size", {member.name: member.dim for member in self.members})

    def _same(self, what: str, sizes: Mapping[str, int]) -> int:
        if len(set(sizes.values())) > 1:
            raise UserError(f"{self.name}: the models differ in {what}: {sizes}; load one of them alone")
        return next(iter(sizes.values()))

    def __repr__(self) -> str:
        result = f"classes={len(self.classes)}" if self.classes else f"dim={self.dim}"
        return (
            f"Model({self.name!r}, {result}, frame_dim={self.frame_dim}, max_frames={self.max_frames},"
            f" members={len(self.members)}, checkpoints={self._checkpoints})"
        )

    def encode(
        self,
        items: Given,
        *,
        normalize: bool = False,
        truncate_dim: int | None = None,
        precision: str = "float32",
        ranges: Any = None,
        batch_size: int = BATCH_SIZE,
        progress: bool = False,
    ) -> NDArray[Any]:
        """Embeddings of videos, in their order. A classifier gives the pooled states that its classes are read from.

        Args:
            items: videos, see the class.
            normalize: scale embeddings to unit norm; one of zeros stays zero.
            truncate_dim: keep so many of the first numbers, before they are scaled. Those of an SVD ensemble and of
                models with a linear embedding are sorted by singular value: the first ones tell most. Others are in no order.
            precision: "float32", "float16", "int8" or "binary", see `vsim_tf.inference.quantization.quantized`.
            ranges: of "int8", the smallest and largest number of each dimension, `[2, dim]`; None: those of these videos.
            batch_size: videos of a batch; it changes speed and memory, and the numbers by float32 rounding alone.
            progress: show a progress bar on stderr.

        Returns:
            `[dim]` of one item, else `[videos, dim]`: float32, float16 or int8; of "binary" uint8 with `ceil(dim / 8)` columns.

        Raises:
            UserError: an argument or an item that cannot be used; the message names the item by its index. It comes before
                anything is computed, but for pictures, video files and records that turn out to be damaged.
        """
        self._require_embeddings()
        form = partial(formed, normalize=normalize, truncate_dim=truncate_dim, precision=precision, ranges=ranges)
        form(np.zeros((0, self.dim)))  # says now if it cannot be done
        videos = self._videos(items)
        result = form(self._embeddings(videos, batch_size, progress))
        return result[0] if isinstance(items, Mapping) else result

    def predict(self, items: Given, *, batch_size: int = BATCH_SIZE, progress: bool = False) -> ClassPredictions:
        """Classes of videos by the weighted mean of the members' probabilities; one item gives lists of one.

        Args:
            items, batch_size, progress: see `encode`.

        Raises:
            UserError: the model is no classifier, or as in `encode`.
        """
        if not self.classes:
            raise UserError(f"{self.name}: a model of embeddings predicts no classes; load a classifier")
        videos = self._videos(items)
        parts = [self._sum(results) for results in self._results("probabilities", videos, batch_size, progress)]
        scores = np.concatenate([np.zeros((0, len(self.classes))), *parts])
        probabilities = scores / sum(member.weight for member in self.members)
        return ClassPredictions([self.classes[best] for best in scores.argmax(axis=1)], probabilities)

    def check(self, items: Sequence[Item], name: Callable[[int], str] = "items[{}]".format) -> None:
        """Looks at items without computing anything, nor decoding pictures and videos; `name` is what messages call one.

        Raises:
            UserError: an item that cannot be used.
        """
        ItemVideos(items, self._forms, self.tower, name)

    def save(self, folder: PathLike) -> None:
        """Writes a folder that `vsim_tf.load` opens to the same numbers, with a model card; it appears complete or not at all.

        It holds the weights that embedding needs and the `tower`, but no optimizer states. A tower that is a function of your own
        is left out, as the card says.

        Raises:
            UserError: the folder is there already or cannot be written, or a run of the model is gone.
        """
        save_model(self, folder)

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
        require_list(a, "a")
        require_list(b, "b")
        if len(a) != len(b):
            raise UserError(f"a has {len(a)} items, b has {len(b)}; accepted are two items, or two equally long lists of items")
        return self._cosines(a, b, batch_size, ("a[{}]", "b[{}]"))

    def rank_pairs(self, pairs: Sequence[tuple[Item, Item]], batch_size: int = BATCH_SIZE) -> list[RankedPair]:
        """The pairs by falling similarity; equal ones in the given order. An item object in several pairs is embedded once.

        Raises:
            UserError: something that is no pair, or an item that cannot be used.
        """
        require_list(pairs, "pairs")
        for number, pair in enumerate(pairs):
            if not is_list(pair) or len(pair) != 2:
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
        places = {row: place for place, row in reversed([*enumerate(of_item)])}  # the first one of each

        def name(row: int) -> str:
            side, pair = divmod(places[row], len(a))
            return names[side].format(pair)

        values = self._embed(list(distinct.values()), batch_size, name)[of_item]
        return cosine_similarity(values[: len(a)], values[len(a) :])

    def _embed(self, items: Sequence[Item], batch_size: int, name: Callable[[int], str]) -> NDArray[np.float64]:
        """Embeddings of a list, `[items, dim]`; `name` is what messages call the item at an index."""
        self._require_embeddings()
        return self._embeddings(ItemVideos(items, self._forms, self.tower, name), batch_size)

    def _embeddings(self, videos: Videos, batch_size: int, progress: bool = False) -> NDArray[np.float64]:
        """The members' means as one, `[videos, dim]`."""
        parts = [self._combined(results) for results in self._results("embeddings", videos, batch_size, progress)]
        return np.concatenate([np.zeros((0, self.dim)), *parts])

    def _results(self, method: str, videos: Videos, batch_size: int, progress: bool) -> Iterator[list[np.ndarray]]:
        """A method's results of all members, for one part of the videos after the other, which is read once."""
        if not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise UserError(f"batch_size={batch_size!r}: an integer of at least 1 is accepted")
        at_a_time = WINDOW_BATCHES * batch_size
        if self._checkpoints > 1:  # members keep the batches of a part, which take as much memory as the part and the next one
            at_a_time = max(max(member.videos for member in self.members) // 3, 1)
        total = len(videos) * self._checkpoints
        with (
            enough_memory("to embed items", f"batch_size={batch_size}"),
            tqdm(total=total, desc="videos x checkpoints", unit="", disable=not progress) as bar,
        ):
            for numbers, read in read_ahead(self._read(videos, at_a_time), 1, 1):
                names = [*map(videos.where, numbers)].__getitem__
                yield [
                    getattr(member, method)(read[reading_of(member.format)], batch_size, names, bar.update)
                    for member in self.members
                ]

    def _read(self, videos: Videos, at_a_time: int) -> Iterator[tuple[range, dict[Reading, list[RawVideo]]]]:
        """Numbers of each part of the videos, and the part as each kind of member reads it."""
        forms = {reading_of(form): form for form in self._forms}
        for start in range(0, len(videos), at_a_time):
            numbers = range(start, min(start + at_a_time, len(videos)))
            yield numbers, {reading: videos.read(numbers, form) for reading, form in forms.items()}

    def _combined(self, results: Sequence[np.ndarray]) -> np.ndarray:
        if not self.projection:
            return self._sum(results)
        return self.projection.project({member.name: part for member, part in zip(self.members, results, strict=True)})

    def _sum(self, results: Sequence[np.ndarray]) -> np.ndarray:
        total = np.zeros_like(results[0])
        for member, result in zip(self.members, results, strict=True):
            total += member.weight * result
        return total

    def _videos(self, items: Given) -> Videos:
        """The videos of what is given; `UserError` for records of another tower's features."""
        if is_path(items):
            for run in self.runs:
                run.require_features(expand_pattern(os.fspath(items)))
        return videos_of(items, self._forms, self.tower)

    def _require_embeddings(self) -> None:
        if not self.dim:
            raise UserError(f"{self.name}: {self._checkpoints} classifiers have no embedding in common; load one checkpoint")

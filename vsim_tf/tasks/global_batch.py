"""What a replica knows of the batches of all replicas."""

import types
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from vsim_tf.lazy import tf
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.records.schema import PairBatch, VideoBatch


class Rows(NamedTuple):
    """Rows of a replica's examples, `[rows, dim]`, and how many each example has, `[batch]` int32."""

    rows: Tensor
    counts: Tensor


class SharedRows(NamedTuple):
    """Rows of all replicas, `[rows, dim]`, and where among them those of each example of this replica begin, `[batch]` int32."""

    rows: Tensor
    first: Tensor


NO_ROWS: Mapping[str, Rows] = types.MappingProxyType({})


class GlobalBatch(NamedTuple):
    """Sums over all replicas, made before the forward pass, so that a compiled pass needs no other replica.

    Attributes:
        replicas: number of replicas.
        examples: videos or pairs of all replicas, a float32 scalar.
        offset: position of this replica's first example in the global batch, an integer scalar.
        counts: what tasks average over, in all replicas, by task, float32 scalars (`Task.count`).
        shared: rows of all replicas that tasks need, by task (`Task.shared_rows`).
    """

    replicas: int
    examples: Tensor
    offset: Tensor
    counts: dict[str, Tensor]
    shared: dict[str, SharedRows]

    @classmethod
    def of(
        cls, batch: "VideoBatch | PairBatch", counts: Mapping[str, Tensor], rows: Mapping[str, Rows] = NO_ROWS
    ) -> "GlobalBatch":
        """From this replica's batch, counts and rows."""
        examples = tf.shape(batch.elements[0].num_frames)[0]
        context = tf.distribute.get_replica_context()
        sizes = [tf.shape(each.rows)[0] for each in rows.values()]
        sums = tf.stack([examples, *(tf.cast(count, tf.int32) for count in counts.values()), *sizes])[None]
        each = _gathered(context, sums)
        examples, *totals = tf.unstack(tf.cast(tf.reduce_sum(each, axis=0), tf.float32), 1 + len(counts) + len(rows))
        before = each[: context.replica_id_in_sync_group]
        offset = tf.reduce_sum(before[:, 0])
        shared = {
            name: SharedRows(
                _gathered(context, mine.rows), tf.reduce_sum(before[:, column]) + tf.cumsum(mine.counts, exclusive=True)
            )
            for column, (name, mine) in enumerate(rows.items(), start=1 + len(counts))
        }
        return cls(context.num_replicas_in_sync, examples, offset, dict(zip(counts, totals, strict=False)), shared)

    def part(self, first: Tensor, end: Tensor) -> "GlobalBatch":
        """The same for some of this replica's examples, from one on and up to, not including, another."""
        shared = {name: SharedRows(rows, starts[first:end]) for name, (rows, starts) in self.shared.items()}
        return self._replace(offset=self.offset + first, shared=shared)

    def gather(self, value: Tensor) -> Tensor:
        """Values of all replicas along the batch axis; gradients flow back to each."""
        return _gathered(tf.distribute.get_replica_context(), value)


def _gathered(context: Any, value: Tensor) -> Tensor:
    return value if context.num_replicas_in_sync == 1 else context.all_gather(value, axis=0)

"""What a replica knows of the batches of all replicas."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from vsim_tf.lazy import tf
from vsim_tf.types import Tensor

if TYPE_CHECKING:
    from vsim_tf.records.schema import PairBatch, VideoBatch


class GlobalBatch(NamedTuple):
    """Sums over all replicas, made before the forward pass, so that a compiled pass needs no other replica.

    Attributes:
        replicas: number of replicas.
        examples: videos or pairs of all replicas, a float32 scalar.
        offset: position of this replica's first example in the global batch, an integer scalar.
        counts: what tasks average over, in all replicas, by task, float32 scalars (`Task.count`).
    """

    replicas: int
    examples: Tensor
    offset: Tensor
    counts: dict[str, Tensor]

    @classmethod
    def of(cls, batch: "VideoBatch | PairBatch", counts: Mapping[str, Tensor]) -> "GlobalBatch":
        """From this replica's batch and counts."""
        examples = tf.shape(batch.elements[0].num_frames)[0]
        context = tf.distribute.get_replica_context()
        mine = tf.stack([examples, *(tf.cast(count, tf.int32) for count in counts.values())])[None]
        each = mine if context.num_replicas_in_sync == 1 else context.all_gather(mine, axis=0)
        examples, *totals = tf.unstack(tf.cast(tf.reduce_sum(each, axis=0), tf.float32), 1 + len(counts))
        offset = tf.reduce_sum(each[: context.replica_id_in_sync_group, 0])
        return cls(context.num_replicas_in_sync, examples, offset, dict(zip(counts, totals, strict=True)))

    def gather(self, value: Tensor) -> Tensor:
        """Values of all replicas along the batch axis; gradients flow back to each."""
        return value if self.replicas == 1 else tf.distribute.get_replica_context().all_gather(value, axis=0)

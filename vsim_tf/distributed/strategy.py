"""Where replicas live, and how a global batch is dealt out to them."""

import itertools
from collections.abc import Callable

import tensorflow as tf

from vsim_tf.distributed.cluster import workers
from vsim_tf.distributed.device import use_memory_as_needed
from vsim_tf.errors import UserError
from vsim_tf.records.schema import PairBatch, VideoBatch

Rows = tuple[int, int]
"""First row of a part of a global batch, and the first behind it."""
BATCHES_ON_DEVICE = 2


def make_strategy() -> tf.distribute.Strategy:
    """Several machines if TF_CONFIG names workers, all GPUs of this machine if it has several, else one device.

    Several machines must be joined before TensorFlow does anything else.
    """
    use_memory_as_needed()
    if workers():
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def replica_rows(batch_size: int, replicas: int) -> list[Rows]:
    """The rows of a global batch that each replica gets: in order, and equally many but for one.

    Raises:
        UserError: fewer rows than replicas.
    """
    if batch_size < replicas:
        message = f"batch_size={batch_size}: each of the {replicas} replicas needs at least one; give {replicas} or more"
        raise UserError(message, ["training.batch_size"])
    least, more = divmod(batch_size, replicas)
    sizes = [least + (replica < more) for replica in range(replicas)]
    return list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))


def distribute(
    strategy: tf.distribute.Strategy, batches: Callable[[Rows | None], tf.data.Dataset], batch_size: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    """Deals every global batch out to the replicas in order, so that they see together what one replica would see.

    Args:
        strategy: where the replicas live.
        batches: the data set of certain rows of each global batch, or of all of them: every worker reads its own.
        batch_size: rows of a global batch.

    Raises:
        UserError: the batch is too small for the replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return _on_device(batches(None))
    rows = replica_rows(batch_size, replicas)

    def worker_batches(context: tf.distribute.InputContext) -> tf.data.Dataset:
        each = replicas // context.num_input_pipelines
        mine = rows[context.input_pipeline_id * each :][:each]
        first, last = mine[0][0], mine[-1][1]
        data = batches((first, last))

        def parts(*fields: tf.Tensor) -> tf.data.Dataset:
            batch = tf.nest.pack_sequence_as(data.element_spec, tf.nest.flatten(fields))
            return _sequence([tf.nest.map_structure(lambda x, a=a, b=b: x[a - first : b - first], batch) for a, b in mine])

        return data.flat_map(parts)

    return strategy.distribute_datasets_from_function(worker_batches)


def _sequence(batches: list[VideoBatch | PairBatch]) -> tf.data.Dataset:
    """A data set of these batches, which may differ in size."""
    first, *others = (tf.data.Dataset.from_tensors(batch) for batch in batches)
    for other in others:
        first = first.concatenate(other)
    return first


def _on_device(batches: tf.data.Dataset) -> tf.data.Dataset:
    """The batches, copied to the GPU ahead of their use if there is one; strategies do this for themselves."""
    gpus = tf.config.list_logical_devices("GPU")
    return batches.apply(tf.data.experimental.prefetch_to_device(gpus[0].name, BATCHES_ON_DEVICE)) if gpus else batches

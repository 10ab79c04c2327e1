"""Position of a layer among the replicas of a tf.distribute strategy; one replica with other Keras backends."""

import keras

from vsim_tf.types import Tensor


def replicas_in_scope() -> int:
    """Number of replicas of the strategy in whose scope a layer is made."""
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    replicas: int = tf.distribute.get_strategy().num_replicas_in_sync
    return replicas


def replica_index() -> int | Tensor:
    """Index of the replica that calls, from 0, over all workers: an integer or a scalar integer tensor."""
    if keras.backend.backend() != "tensorflow":
        return 0
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context.replica_id_in_sync_group if context and context.num_replicas_in_sync > 1 else 0

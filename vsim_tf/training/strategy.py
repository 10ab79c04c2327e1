"""Where replicas live, and how a global batch is dealt out to them."""

import tensorflow as tf

from vsim_tf.errors import UserError
from vsim_tf.training.cluster import workers


def make_strategy() -> tf.distribute.Strategy:
    """Several machines if TF_CONFIG names workers, all GPUs of this machine if it has several, else one device.

    Several machines must be joined before TensorFlow does anything else.
    """
    if workers():
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def distribute(strategy: tf.distribute.Strategy, batches: tf.data.Dataset, batch_size: int):
    """Deals every global batch out to the replicas in order, so that they see together what one replica would see.

    Raises:
        UserError: the batch size is not a multiple of the number of replicas.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches
    if batch_size % replicas:
        raise UserError(f"--batch_size={batch_size}: must be a multiple of the {replicas} replicas")

    def worker_batches(context):
        each = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * each

        def parts(*fields):
            batch = tf.nest.pack_sequence_as(batches.element_spec, tf.nest.flatten(fields))

            def split(x):
                return tf.reshape(x, tf.concat([[replicas, batch_size // replicas], tf.shape(x)[1:]], 0))

            return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(lambda x: split(x)[first : first + each], batch))

        return batches.flat_map(parts)

    return strategy.distribute_datasets_from_function(worker_batches)

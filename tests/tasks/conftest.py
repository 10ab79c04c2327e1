"""Objectives on two replicas."""

import pytest
import tensorflow as tf
from by_hand import logs_and_gradients


@pytest.fixture
def on_two(two_replicas):
    """`logs_and_gradients` of a batch of which each replica has a half."""

    def run(tasks, batch, **given):
        def half(context):
            part = context.replica_id_in_sync_group
            return tf.nest.map_structure(lambda x: tf.split(x, 2)[part], (batch, given))

        dealt = two_replicas.experimental_distribute_values_from_function(half)
        step = tf.function(lambda: two_replicas.run(lambda part: logs_and_gradients(tasks, part[0], **part[1]), args=(dealt,)))
        logs, gradients = step()
        parts = [two_replicas.experimental_local_results(value) for value in logs.values()]
        return dict(zip(logs, map(sum, parts), strict=True)), tf.concat(two_replicas.experimental_local_results(gradients), 0)

    return run

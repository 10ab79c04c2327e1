"""How a global batch is dealt out to replicas."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.data.pipeline import TrainingData
from vsim_tf.errors import UserError
from vsim_tf.training.strategy import distribute, make_strategy


def test_one_device_without_several_gpus_or_workers(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert make_strategy() is tf.distribute.get_strategy()
    monkeypatch.setenv("TF_CONFIG", '{"task": {"type": "worker", "index": 0}}')
    assert make_strategy() is tf.distribute.get_strategy()


@pytest.mark.parametrize(("gpus", "expected"), [(1, "default"), (2, "mirrored"), (8, "mirrored")])
def test_all_gpus_of_one_machine(gpus, expected, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind] * gpus)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")
    assert (make_strategy() if gpus > 1 else "default") == expected
    if gpus == 1:
        assert make_strategy() is tf.distribute.get_strategy()


def test_several_machines_come_first(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}')
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "workers")
    assert make_strategy() == "workers"


def test_one_replica_gets_the_batches_as_they_are():
    batches = tf.data.Dataset.range(4).batch(2)
    assert distribute(tf.distribute.get_strategy(), batches, 2) is batches


def test_replicas_see_together_what_one_would_see(two_replicas, tmp_path):
    file = toys.write_records(tmp_path / "pairs", toys.random_pairs(9))
    data = TrainingData([file], "pairs", toys.batch_format(), 4, seed=1)
    expected = list(data.batches(1).take(3))
    dealt = iter(distribute(two_replicas, data.batches(1), 4))
    for batch in expected:
        parts = tf.nest.map_structure(two_replicas.experimental_local_results, next(dealt))
        flat = tf.nest.flatten(parts)
        for whole, first, second in zip(tf.nest.flatten(batch), flat[::2], flat[1::2], strict=True):
            np.testing.assert_array_equal(whole, tf.concat([first, second], axis=0))
            assert first.shape[0] == second.shape[0] == 2


def test_a_batch_that_cannot_be_dealt_out_is_refused(two_replicas):
    with pytest.raises(UserError, match="--batch_size=5: must be a multiple of the 2 replicas"):
        distribute(two_replicas, tf.data.Dataset.range(5).batch(5), 5)

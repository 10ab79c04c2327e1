"""How a global batch is dealt out to replicas."""

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given
from hypothesis import strategies as st
from script_flags import refused

from vsim_tf.distributed.strategy import distribute, make_strategy, replica_rows
from vsim_tf.input.pipeline import TrainingData


def test_one_device_without_several_gpus_or_workers(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    assert make_strategy() is tf.distribute.get_strategy()
    monkeypatch.setenv("TF_CONFIG", '{"task": {"type": "worker", "index": 0}}')
    assert make_strategy() is tf.distribute.get_strategy()


@pytest.fixture
def gpus(monkeypatch):
    """Makes TensorFlow list so many GPUs, and notes for which of them memory may grow."""
    monkeypatch.delenv("TF_CONFIG", raising=False)
    growing = {}
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", growing.__setitem__)
    monkeypatch.setattr(tf.distribute, "MirroredStrategy", lambda: "mirrored")

    def give(count):
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [f"{kind}{i}" for i in range(count)])
        return growing

    return give


@pytest.mark.parametrize(("count", "expected"), [(1, None), (2, "mirrored"), (8, "mirrored")])
def test_all_gpus_of_one_machine_with_memory_as_needed(gpus, count, expected):
    growing = gpus(count)
    assert make_strategy() == (expected or tf.distribute.get_strategy())
    assert growing == {f"GPU{i}": True for i in range(count)}


def test_several_machines_come_first(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1", "b:1"]}, "task": {"type": "worker", "index": 0}}')
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda: "workers")
    assert make_strategy() == "workers"


def test_one_replica_gets_the_batches_as_they_are():
    batches = tf.data.Dataset.range(4).batch(2)
    assert distribute(tf.distribute.get_strategy(), lambda rows: batches, 2) is batches


@pytest.mark.parametrize(
    ("batch_size", "replicas", "rows"),
    [(4, 2, [(0, 2), (2, 4)]), (5, 2, [(0, 3), (3, 5)]), (210, 4, [(0, 53), (53, 106), (106, 158), (158, 210)])],
)
def test_rows_of_each_replica(batch_size, replicas, rows):
    assert replica_rows(batch_size, replicas) == rows


@given(st.integers(1, 300), st.integers(1, 16))
def test_all_rows_are_dealt_out_once_and_evenly(batch_size, replicas):
    if batch_size < replicas:
        with refused(f"--batch_size={batch_size}: each of the {replicas} replicas"):
            replica_rows(batch_size, replicas)
        return
    rows = replica_rows(batch_size, replicas)
    assert [row for first, last in rows for row in range(first, last)] == list(range(batch_size))
    sizes = [last - first for first, last in rows]
    assert len(sizes) == replicas
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("batch_size", [4, 5])
def test_replicas_see_together_what_one_would_see(two_replicas, tmp_path, batch_size):
    file = toys.write_records(tmp_path / "pairs", toys.random_pairs(11))
    data = TrainingData([file], "pairs", toys.batch_format(), batch_size, seed=1)
    expected = list(data.batches(1).take(3))
    dealt = iter(distribute(two_replicas, lambda rows: data.batches(1, rows), batch_size))
    for batch in expected:
        parts = tf.nest.map_structure(two_replicas.experimental_local_results, next(dealt))
        flat = tf.nest.flatten(parts)
        for whole, first, second in zip(tf.nest.flatten(batch), flat[::2], flat[1::2], strict=True):
            np.testing.assert_array_equal(whole, tf.concat([first, second], axis=0))
            assert first.shape[0] - second.shape[0] == batch_size % 2


def test_a_gpu_gets_its_batches_ahead(monkeypatch):
    """The second logical CPU stands for a GPU."""
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [tf.config.LogicalDevice("/device:CPU:1", kind)])
    batches = distribute(tf.distribute.get_strategy(), lambda rows: tf.data.Dataset.range(4).batch(2), 2)
    devices = [(batch.numpy().tolist(), batch.device.rpartition("/")[2]) for batch in batches]
    assert devices == [([0, 1], "device:CPU:1"), ([2, 3], "device:CPU:1")]

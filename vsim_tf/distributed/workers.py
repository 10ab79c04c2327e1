"""What the processes of a run on several machines tell each other besides gradients: results, and whether they agree."""

import contextlib
import functools
import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.distributed.cluster import workers
from vsim_tf.errors import UserError

WORD = np.dtype(np.int32)
"""Collective operations know no bytes: they travel as 32-bit integers."""
LOST = (tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError)
"""What collective operations raise where another worker is not there any more."""


def require_agreement(strategy: tf.distribute.Strategy, values: Callable[[], dict[str, Any]], folder: Any) -> None:
    """Stops all workers where they differ: without one shared folder each would train a model of its own.

    Args:
        strategy: of the run.
        values: gives what must be the same on all workers, as JSON values; not called on one machine.
        folder: the run folder, named in the message.

    Raises:
        UserError: on every worker, with the first value that differs.
    """
    if not workers():
        return
    texts = {name: json.dumps(value) for name, value in values().items()}  # in which NaN equals NaN
    found = [json.loads(data) for data in gather_bytes(strategy, json.dumps(texts).encode())]
    for name, value in found[0].items():
        for index, other in enumerate(found):
            if other[name] != value:
                with contextlib.suppress(*LOST):
                    gather_bytes(strategy, b"read")  # nobody ends before all have read what differs
                raise UserError(
                    f"workers differ in {folder}: {name} is {value} on worker 0 and {other[name]} on worker {index};"
                    " all workers need one shared output folder (output_dir) and the same flags and data",
                    ["output_dir"],
                )


@contextlib.contextmanager
def other_workers() -> Iterator[None]:
    """Inside it, the end of another worker is a `UserError`; also a decorator."""
    try:
        yield
    except LOST as error:
        if not workers():
            raise
        raise UserError(
            "another worker has ended, and its own output says why; start all workers again with the same command: they resume"
        ) from error


def gather_arrays(strategy: tf.distribute.Strategy, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Arrays of all workers, joined along the first axis in the order of the workers; each worker gets all.

    Args:
        strategy: of the run.
        arrays: this worker's; every worker gives as many, of equal types and equal shapes behind the first axis.
    """
    if not workers():
        return list(arrays)
    with io.BytesIO() as file:
        np.savez(file, *arrays)
        blobs = gather_bytes(strategy, file.getvalue())
    loaded = [np.load(io.BytesIO(blob), allow_pickle=False) for blob in blobs]
    return [np.concatenate([part[name] for part in loaded]) for name in loaded[0].files]


def gather_bytes(strategy: tf.distribute.Strategy, data: bytes) -> list[bytes]:
    """The data of every worker, in their order."""
    if not workers():
        return [data]
    gather = _gathering(strategy)
    sizes = gather(tf.constant([[len(data)]], tf.int64)).numpy()[:, 0]
    padded = data.ljust(-(-int(sizes.max()) // WORD.itemsize) * WORD.itemsize, b"\0")
    rows = gather(tf.constant(np.frombuffer(padded, WORD)[None])).numpy()
    return [row.tobytes()[:size] for row, size in zip(rows, sizes, strict=True)]


@functools.cache
def _gathering(strategy: tf.distribute.Strategy) -> Callable[[tf.Tensor], tf.Tensor]:
    """A function from one row of each worker, `[1, width]`, to the rows of all, `[workers, width]`."""
    replicas_each = strategy.num_replicas_in_sync // len(workers())

    def of_replica(row: tf.Tensor) -> tf.Tensor:
        return tf.distribute.get_replica_context().all_gather(tf.identity(row), axis=0)  # which has a device

    def gather(row: tf.Tensor) -> tf.Tensor:
        gathered = strategy.experimental_local_results(strategy.run(of_replica, args=(row,)))[0]
        return gathered[::replicas_each]

    compiled: Callable[[tf.Tensor], tf.Tensor] = tf.function(gather, autograph=False, reduce_retracing=True)
    return compiled

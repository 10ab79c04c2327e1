"""What TensorFlow's profiler says of a piece of work: time by operation."""

import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2


class Operation(NamedTuple):
    """An operation of a graph by its name, for example `gradient_tape/mlm_1/MatMul`, and its kind, `MatMul`."""

    name: str
    kind: str


def profile(work: Callable) -> Counter[Operation]:
    """Picoseconds of each operation while `work` runs; operations run on all cores side by side."""
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            work()
        space = xplane_pb2.XSpace.FromString(next(Path(folder).rglob("*.xplane.pb")).read_bytes())
    times = Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            match plane.event_metadata[event.metadata_id].name.split(":"):  # operations alone are called `name:kind`
                case [name, kind] if kind.isidentifier() and not kind.startswith("__"):
                    times[Operation(name, kind.removeprefix("_Mkl"))] += event.duration_ps
    return times


def shares(times: Counter[Operation], group: Callable[[Operation], str]) -> Counter[str]:
    """Part of the time of all operations that each group has."""
    total = times.total()
    grouped = Counter()
    for operation, time in times.items():
        grouped[group(operation)] += time / total
    return grouped

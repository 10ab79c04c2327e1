"""Where the time of a training step goes, by kind of operation: python -m benchmarks.step_profile MODEL STAGE PRECISION

A kind's share is that of the time of all operations together, which run on all cores side by side.
"""

import sys
import tempfile
from collections import Counter
from pathlib import Path

import tensorflow as tf
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks.contest import base_config
from benchmarks.train_step import Steps

SHOWN = 15


def operation_times(folder: Path) -> Counter:
    """Picoseconds of each kind of operation in a profile; events of operations are called `name:kind`."""
    space = xplane_pb2.XSpace.FromString(next(folder.rglob("*.xplane.pb")).read_bytes())
    times = Counter()
    for plane in space.planes:
        for event in (event for line in plane.lines for event in line.events):
            match plane.event_metadata[event.metadata_id].name.split(":"):
                case [_, kind] if kind.isidentifier() and not kind.startswith("__"):
                    times[kind.removeprefix("_Mkl")] += event.duration_ps
    return times


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: python -m benchmarks.step_profile MODEL STAGE PRECISION, for example uniter pretrain float32")
    model, stage, precision = sys.argv[1:]
    steps = Steps(base_config(model), stage, precision)
    steps.trimmed()
    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            steps.take(steps.middle)
        times = operation_times(Path(folder))
    print(f"| {model} {stage} step, {precision} | share |\n|---|---:|")
    for kind, time in times.most_common(SHOWN):
        print(f"| {kind} | {100 * time / times.total():.1f} % |")


if __name__ == "__main__":
    main()

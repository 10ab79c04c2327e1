"""Where the time of a training step goes: python -m benchmarks.step_profile MODEL STAGE PRECISION"""

import sys

from benchmarks.contest import base_model
from benchmarks.profiler import profile, shares
from benchmarks.train_step import Steps, part

SHOWN = 12


def main():
    if len(sys.argv) != 4:
        sys.exit("usage: python -m benchmarks.step_profile MODEL STAGE PRECISION, for example uniter pretrain float32")
    steps = Steps(base_model(sys.argv[1]), *sys.argv[2:])
    steps.trimmed()
    times = profile(lambda: steps.take(steps.middle))
    for title, group in (("kind of operation", lambda operation: operation.kind), ("part of the model", part)):
        print(f"| {title} | share |\n|---|---:|")
        for name, share in shares(times, group).most_common(SHOWN):
            print(f"| {name} | {100 * share:.1f} % |")
        print()


if __name__ == "__main__":
    main()

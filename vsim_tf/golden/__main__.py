"""`python -m vsim_tf.golden DIR`: one line a file, exit code 1 if any fails."""

import argparse
import os
import sys
from pathlib import Path

from vsim_tf.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Checks every golden file of a folder and returns the exit code: 0 all pass, 1 one fails, 2 nothing to check."""
    parser = argparse.ArgumentParser(prog="python -m vsim_tf.golden", description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="folder with golden_*.json and golden_*.npz")
    folder = parser.parse_args(arguments).folder
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    from vsim_tf.golden.check import check_file, golden_files  # TensorFlow: only behind the flags

    tf.config.experimental.enable_tensor_float_32_execution(False)  # GPUs would round matrices to 10 bits
    try:
        files = golden_files(folder)
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    failed = 0
    for path in files:
        verdict = check_file(path)
        print(verdict, flush=True)
        failed += not verdict.passed
    print(f"{len(files)} files, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

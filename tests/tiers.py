"""Which tests `sh test.sh --fast` leaves out, and which are for `sh test.sh --slow`."""

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
MEDIUM = (
    "inference/", "models/", "presets/", "reliability/", "tasks/", "training/",
    "export/test_folder.py",
    "input/test_pipeline.py", "input/test_training_order.py", "launch/test_launch.py", "layers/test_recompute.py",
    "optim/test_averaging.py", "runs/test_checkpoints.py",
    "test_conformance.py", "test_conformance_rank8.py", "test_docs.py", "test_document_code.py", "test_e2e.py",
    "test_e2e_rank1.py", "test_e2e_rank8.py",
    "test_extending.py", "test_families.py",
    "test_golden.py", "test_golden_checkpoints.py", "test_run_sh.py", "test_scripts.py",
)  # fmt: skip
"""Folders and files that build and train models or start many processes: all their tests are marked `medium`."""


def is_medium(path: Path) -> bool:
    """Whether a test file is in one of `MEDIUM`; a test elsewhere that takes long is marked by itself."""
    return path.relative_to(TESTS).as_posix().startswith(MEDIUM)


def slow_but(quick: Collection, cases: Iterable) -> list:
    """Cases for `parametrize`, of which all but some are slow tests: they pass through the same code with other values."""
    marked = []
    for case in cases:
        values = case if isinstance(case, tuple) else (case,)
        marked.append(pytest.param(*values, marks=() if case in quick else pytest.mark.slow))
    return marked

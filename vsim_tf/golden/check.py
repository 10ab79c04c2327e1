"""Runs the cases of a folder of golden files."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from vsim_tf.errors import UserError
from vsim_tf.golden import (
    losses,
    networks,
    qq_ensemble,
    qq_inputs,
    qq_models,
    qq_training,
    rules,
    training,
    wbdc_inputs,
    wbdc_models,
    wbdc_optimizer,
    wbdc_tower,
    wbdc_training,
)
from vsim_tf.golden.file import Comparison, GoldenFile

OF_RANK4, OF_RANK1 = (networks, losses, training, rules), (qq_inputs, qq_models, qq_training, qq_ensemble)
OF_RANK8 = (wbdc_inputs, wbdc_tower, wbdc_models, wbdc_training, wbdc_optimizer)
MODULES = (*OF_RANK4, *OF_RANK1, *OF_RANK8)
CASES = {name: case for module in MODULES for name, case in module.CASES.items()}
"""What to do with a file, by its case."""


class Verdict(NamedTuple):
    """What became of a file.

    Attributes:
        name: the file's name without its ending.
        case: its case.
        passed: whether it passes; a skipped one does.
        detail: largest differences, or the reason.
    """

    name: str
    case: str
    passed: bool
    detail: str

    def __str__(self) -> str:
        return f"{'pass' if self.passed else 'FAIL'}  {self.case:32s} {self.detail}  ({self.name})"


def golden_files(folder: Path) -> list[Path]:
    """The .json of every golden file in a folder, also where only the .npz is there.

    Raises:
        UserError: no such folder, or no golden file in it.
    """
    names = sorted({path.with_suffix(".json") for end in ("json", "npz") for path in folder.glob(f"golden_*.{end}")})
    if not names:
        raise UserError(f"{folder}: no files golden_*.json here; give a folder that holds some")
    return names


def check_file(path: Path) -> Verdict:
    """Runs the case of one file; whatever goes wrong in it is a failure of this file alone."""
    case = "?"
    try:
        file = GoldenFile(path)
        case = file.case
        if case not in CASES:
            raise UserError(f"unknown case; known are {', '.join(CASES)}")
        CASES[case](file)
        file.require_all_checked()
    except rules.Skipped as reason:
        return Verdict(path.stem, case, True, f"skipped: {reason}")
    except Exception as error:  # the other files are still to be checked
        return Verdict(path.stem, case, False, " ".join(f"{type(error).__name__}: {error}".split()))
    return _verdict(path.stem, case, file.comparisons)


def _verdict(name: str, case: str, comparisons: Iterable[Comparison]) -> Verdict:
    worst = max(comparisons, key=lambda comparison: comparison.used)
    absolute = max(comparison.absolute for comparison in comparisons)
    relative = max(comparison.relative for comparison in comparisons)
    differences = f"absolute {absolute:.1e}  relative {relative:.1e}"
    detail = f"{differences}  worst {worst.name} at {worst.used:.2g} of its tolerance"
    return Verdict(name, case, worst.used <= 1, detail)

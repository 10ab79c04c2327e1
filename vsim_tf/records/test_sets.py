"""The test sets of a data folder: `test_*` folders with record files."""

import logging
from pathlib import Path

from vsim_tf.errors import UserError
from vsim_tf.io.paths import RECORDS, TEST_A, TEST_B, TEST_SETS, set_labels, set_records
from vsim_tf.records.labels import read_labels

SUBMITTED, LABELLED = TEST_B, TEST_A
"""The contest's sets: of the submission, and of the report."""

logger = logging.getLogger(__name__)


def submitted_set(data_dir: Path, asked: str | None) -> str:
    """The test set that the zip is made of: as asked for, else test_b, else the only one there is.

    Raises:
        UserError: several others are there.
    """
    there = _with_records(data_dir)
    if asked or not there or SUBMITTED in there:
        return asked or SUBMITTED
    if len(there) > 1:
        raise UserError(f"{data_dir}: there is no {SUBMITTED}, give test_name; test sets: {', '.join(there)}", ["test_name"])
    return there[0]


def labelled_set(data_dir: Path, asked: str | None) -> str:
    """The test set of the report: as asked for, else test_a, else the first one with labels."""
    labelled = [name for name in _with_records(data_dir) if set_labels(data_dir, name).exists()]
    if asked or not labelled or LABELLED in labelled:
        return asked or LABELLED
    return labelled[0]


def check_test_sets(data_dir: Path, submitted: str, labelled: str) -> None:
    """Logs where zip and report are not the usual ones; `UserError` for a set of which they could not be made."""
    require_record_file(data_dir, submitted)
    if submitted != SUBMITTED and SUBMITTED not in _with_records(data_dir):
        logger.info(f"the zip is made of {submitted}: there is no {SUBMITTED} in {data_dir}")
    if set_labels(data_dir, labelled).exists():
        require_record_file(data_dir, labelled)
        read_labels(set_labels(data_dir, labelled))
    else:
        logger.info(f"no report: {set_labels(data_dir, labelled)} does not exist")


def _with_records(data_dir: Path) -> list[str]:
    return sorted({path.parent.name for path in data_dir.glob(f"{TEST_SETS}/{RECORDS}")})


def require_record_file(data_dir: Path, name: str) -> None:
    """`UserError` for a test set whose videos are in files of other names than the one that is looked for."""
    expected = set_records(data_dir, name)
    files = [path.name for path in sorted(expected.parent.glob(RECORDS))]
    if files and expected.name not in files:  # without any, embeddings were made of other files
        raise UserError(
            f"{expected} does not exist; rename {', '.join(files)}: embeddings are named after their file (docs/data.md)"
        )

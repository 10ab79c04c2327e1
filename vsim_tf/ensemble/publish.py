"""A report on the terminal and on disk."""

import logging
from pathlib import Path

from vsim_tf.ensemble.comparison import ADVICE_FIELDS
from vsim_tf.ensemble.report import Report, write_report
from vsim_tf.io.tables import table_text

logger = logging.getLogger(__name__)


def publish(path: Path, report: Report, otherwise: str = "", output: str = "zip") -> None:
    """Writes a report, and logs its tables, notes and advice.

    Args:
        path: the page.
        report: scores and facts.
        otherwise, output: see `Comparison.advice`.
    """
    write_report(path, report)
    for scores in report.sets:
        for table in scores.tables():
            logger.info(table_text(table.console()))
        for said in filter(None, (*scores.notes, scores.comparison().advice(otherwise, output))):
            logger.info(said, extra={"fields": ADVICE_FIELDS})
    logger.info(str(path))

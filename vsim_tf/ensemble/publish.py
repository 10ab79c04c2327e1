"""A report on the terminal and on disk."""

import logging
from pathlib import Path

from vsim_tf.ensemble.comparison import ADVICE_FIELDS
from vsim_tf.ensemble.page.blocks import Page
from vsim_tf.ensemble.page.render import write_page
from vsim_tf.ensemble.report import Report, write_report
from vsim_tf.io.paths import page_file
from vsim_tf.io.tables import table_text

logger = logging.getLogger(__name__)


def publish(path: Path, report: Report, page: Page, otherwise: str = "", output: str = "zip") -> list[Path]:
    """Writes a report, where there are scores, and its page, and logs tables, notes and advice; returns what it wrote.

    Args:
        path: the report; the page is next to it.
        report: scores and facts.
        page: the same and more.
        otherwise, output: see `Comparison.advice`.
    """
    written = [page_file(path)]
    if report.sets:
        write_report(path, report)
        written.insert(0, path)
    write_page(page_file(path), page)
    for scores in report.sets:
        for table in scores.tables():
            logger.info(table_text(table.console()))
        for said in filter(None, (*scores.notes, scores.comparison().advice(otherwise, output))):
            logger.info(said, extra={"fields": ADVICE_FIELDS})
    for file in written:
        logger.info(str(file))
    return written

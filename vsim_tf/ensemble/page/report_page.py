"""The page of a whole run: the tables of its report, then what is known of its test set, then of its runs."""

from collections.abc import Sequence
from functools import partial

from vsim_tf.ensemble.page.blocks import Block, Page, Section, Table, Text, section
from vsim_tf.ensemble.page.members import spread_blocks
from vsim_tf.ensemble.page.runs import Runs, run_sections
from vsim_tf.ensemble.report import Report, ReportedSet, plain


def report_page(report: Report, missing: str, of_set: Sequence[Section], runs: Sequence[Runs]) -> Page:
    """A page.

    Args:
        report: scores and facts.
        missing: why there are no scores, where there are none.
        of_set: sections on the test set.
        runs: that the ensemble is made of.
    """
    scores: list[Section] = []
    for reported in report.sets:
        scores += [Section(reported.heading, _score_blocks(reported))]
        scores += [section("Spread of single runs", partial(spread_blocks, reported.comparison()))]
    scores = scores or [Section("Scores", [Text(f"There are no scores: {missing}.")])]
    facts = [Section("Data", [Table(("what", "value"), [(name, plain(value)) for name, value in report.data.items()])])]
    return Page("Report", [*scores, *of_set, *(facts if report.data else []), *run_sections(runs, report.command, report.stages)])


def _score_blocks(reported: ReportedSet) -> list[Block]:
    """Its tables, of which the first has the ensemble below the models."""
    scores, *others = reported.tables()
    first = Table(scores.header, scores.rows, strong=frozenset([scores.models]))
    notes = [Text(f"{note}.") for note in reported.notes]
    return [Text(reported.comparison().verdict()), first, *notes, *(Table(table.header, table.rows) for table in others)]

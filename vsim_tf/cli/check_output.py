"""The report of a check on the console: tables on a terminal, else lines."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vsim_tf.checks.report import Histogram, Report, Section
from vsim_tf.cli.setting_flags import with_flags

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


NAMED = ("records_per_file", "tag_file", "frame_embedding_size")
"""Settings that notes name."""


def show(report: Report) -> None:
    """Prints figures, histograms, notes and problems."""
    from rich.console import Console

    console = Console(highlight=False)
    if console.is_terminal:
        for table in tables(report):
            console.print(table, "")
    else:
        for line in lines(report):
            print(line)
    for note in report.notes:
        _print(console, f"note: {with_flags(note, NAMED)}")
    for problem in report.problems:
        _print(console, f"problem: {with_flags(problem.message, problem.fields)}", "red")
    _print(console, summary(report), "bold red" if report.num_problems else "bold green")


def _print(console: "Console", text: str, style: str = "") -> None:
    """One line, whatever its length and characters: a message may hold brackets, and is copied from a terminal."""
    console.print(text, style=style, markup=False, soft_wrap=True)


def summary(report: Report) -> str:
    """The last line."""
    if not report.num_problems:
        return f"{report.folder}: no problems"
    named = f"{report.folder}: {report.num_problems:,} problem{'s' * (report.num_problems > 1)}"
    hidden = report.num_problems - len(report.problems)
    return f"{named}, of which {hidden:,} not listed (--max_problems=0 lists all)" if hidden else named


def lines(report: Report) -> Iterator[str]:
    """Figures of each part, and its histograms, one in a line."""
    for section in report.sections:
        yield f"{section.name}: {', '.join(f'{name} {_number(value)}' for name, value in section.figures.items())}"
        for name, histogram in section.histograms.items():
            if bins := histogram.bins():
                shown = ", ".join(f"{histogram.label(number)}: {count:,}" for number, count in bins.items())
                yield f"{section.name}, {name}: {shown}"


def tables(report: Report) -> "Iterator[Table]":
    """A table of the figures of parts of one kind, then one for each histogram with the share of each bin in percent."""
    for first in dict.fromkeys(next(iter(section.figures)) for section in report.sections):
        yield _figures([section for section in report.sections if first in section.figures])
    for name in dict.fromkeys(name for section in report.sections for name in section.histograms):
        found = {section.name: section.histograms[name] for section in report.sections if name in section.histograms}
        if bins := {number for histogram in found.values() for number in histogram.bins()}:
            yield _shares(name, found, range(min(bins), max(bins) + 1))


def _table(first: str, names: Sequence[str]) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column(first)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _figures(sections: Sequence[Section]) -> "Table":
    names = list(dict.fromkeys(name for section in sections for name in section.figures))
    table = _table("", names)
    for section in sections:
        table.add_row(section.name, *(_number(section.figures[name]) if name in section.figures else "" for name in names))
    return table


def _shares(name: str, histograms: dict[str, Histogram], bins: range) -> "Table":
    any_histogram = next(iter(histograms.values()))
    table = _table(f"{name}, %", [any_histogram.label(number) for number in bins])
    for section, histogram in histograms.items():
        found, total = histogram.bins(), histogram.total()
        table.add_row(section, *(_percent(found.get(number, 0), total) for number in bins))
    return table


def _number(value: int | float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"


def _percent(count: int, total: int) -> str:
    if not count:
        return ""
    return f"{100 * count / total:.0f}" if count * 200 >= total else "<1"

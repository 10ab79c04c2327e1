"""The report of a whole run: scores of members, means and ensemble, compared with the baselines, data counts, wall time.

One page of markdown (`report.md`), a plot next to it (`report.png`), and the same tables for the terminal.
`vsim_tf.ensemble.page` makes the page of HTML that also has curves, examples and errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from vsim_tf.ensemble.comparison import Comparison, scores_plot
from vsim_tf.ensemble.score_tables import ScoreTable
from vsim_tf.ensemble.timings import Timing, timing_table
from vsim_tf.io.files import output_file
from vsim_tf.io.tables import markdown_table
from vsim_tf.types import PathLike


class ReportedSet(Protocol):
    """What a report shows of one test set."""

    @property
    def heading(self) -> str:
        """Its name and size."""
        ...

    @property
    def is_labelled(self) -> bool:
        """Whether there are labels, and so scores."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Sentences on the scores, without a full stop."""
        ...

    def tables(self) -> list[ScoreTable]:
        """Its scores."""
        ...

    def comparison(self) -> Comparison:
        """The score that counts, for verdict and plot."""
        ...


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        command: the command line that repeats the run.
        sets: scores, one entry per test set.
        data: counts and other facts of the data and the run, name -> value, shown as they are.
        stages: wall time and memory of each stage.
    """

    command: str
    sets: Sequence[ReportedSet]
    data: dict[str, Any] = field(default_factory=dict)
    stages: list[Timing] = field(default_factory=list)


def write_report(path: PathLike, report: Report) -> None:
    """Writes `report.md` (or whatever `path` is called) and, where there are labels, the plot next to it as .png.

    Each of the two appears complete or not at all.

    Raises:
        UserError: a file cannot be written.
    """
    path = Path(path)
    labelled = [scores.comparison() for scores in report.sets if scores.is_labelled]
    plot = path.with_suffix(".png")
    if labelled:
        figure = scores_plot(labelled)
        with output_file(plot) as file:
            figure.savefig(file, format="png", dpi=120)
    text = markdown_report(report, plot.name if labelled else None)
    with output_file(path) as file:
        file.write(text.encode())


def markdown_report(report: Report, plot_name: str | None = None) -> str:
    """Returns the text of `report.md`; `plot_name` is the file name of the plot to show in it."""
    parts = ["# Report", "Made by", _indented(report.command)]
    if plot_name:
        measures = dict.fromkeys(scores.comparison().measure for scores in report.sets)
        parts.append(f"![{', '.join(measures)} of members, means, ensemble and baselines]({quote(plot_name)})")
    for scores in report.sets:
        parts += [f"## {scores.heading}"]
        parts += _set_parts(scores) if scores.is_labelled else ["No labels, so no scores."]
    if report.data:
        rows = [(name, plain(value)) for name, value in report.data.items()]
        parts += ["## Data", markdown_table(("what", "value"), rows)]
    if report.stages:
        header, stages = timing_table(report.stages)
        parts += ["## Wall time", markdown_table(header, stages)]
    return "\n\n".join(parts) + "\n"


def _set_parts(scores: ReportedSet) -> list[str]:
    first, *others = [table.markdown() for table in scores.tables()]
    return [first, scores.comparison().verdict(), *(f"{note}." for note in scores.notes), *others]


def plain(value: Any) -> str:
    """A fact as it is shown."""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())

"""The report of a whole run: scores of members, fold means and ensemble, compared with the baselines, data counts, wall time.

One page of markdown (`report.md`), a plot next to it (`report.png`), and the same table for the terminal.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vsim_tf.ensemble.scores import SetScores
from vsim_tf.errors import UserError
from vsim_tf.io.files import output_file, read_lines
from vsim_tf.types import PathLike

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.table import Table

NOTHING = "–"
ADVICE_FIELDS = ("models", "weights", "normalize")
"""What `advice` names."""


@dataclass(frozen=True)
class Report:
    """A whole run.

    Attributes:
        command: the command line that repeats the run.
        sets: scores, one entry per test set.
        data: counts and other facts of the data and the run, name -> value, shown as they are.
        stages: wall time of each stage, (name, seconds).
    """

    command: str
    sets: list[SetScores]
    data: dict[str, Any] = field(default_factory=dict)
    stages: list[tuple[str, float]] = field(default_factory=list)


def write_report(path: PathLike, report: Report) -> None:
    """Writes `report.md` (or whatever `path` is called) and, where there are labels, the plot next to it as .png.

    Each of the two appears complete or not at all.

    Raises:
        UserError: a file cannot be written.
    """
    path = Path(path)
    labelled = [scores for scores in report.sets if scores.num_pairs]
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
        parts.append(f"![Spearman of members, fold means, ensemble and baselines]({quote(plot_name)})")
    for scores in report.sets:
        parts += [f"## {scores.name}: {scores.num_videos:,} videos, {scores.num_pairs:,} labelled pairs"]
        parts += _set_parts(scores) if scores.num_pairs else ["No labels, so no scores."]
    if report.data:
        rows = [(name, _plain(value)) for name, value in report.data.items()]
        parts += ["## Data", _markdown(("what", "value"), rows)]
    if report.stages:
        total = ("total", math.fsum(seconds for _, seconds in report.stages))
        rows = [(name, format_seconds(seconds)) for name, seconds in [*report.stages, total]]
        parts += ["## Wall time", _markdown(("stage", "time"), rows)]
    return "\n\n".join(parts) + "\n"


def _set_parts(scores: SetScores) -> list[str]:
    errors = error_rows(scores)
    notes = [f"{note}." for note in scores.notes]
    return [scores_table(scores), verdict(scores), *notes, *([_markdown(ERRORS_HEADER, errors)] if errors else [])]


def scores_table(scores: SetScores) -> str:
    """Returns the Spearman table of one test set in markdown: models, ensemble, baselines."""
    return _markdown(_header(scores), _rows(scores))


def console_tables(scores: SetScores) -> "list[Table]":
    """Returns the same tables for the terminal: `io.tables.table_text` makes lines of them."""
    models = len(scores.models)
    title = f"Spearman on {scores.name} ({scores.num_pairs:,} pairs)"
    tables = [_console_table(title, _header(scores), _rows(scores), models)]
    if errors := error_rows(scores):
        tables.append(_console_table(f"Errors on {scores.name}", ERRORS_HEADER, errors, models))
    return tables


def _console_table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]], models: int) -> "Table":
    """A table with a line below its models, the first rows."""
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title)
    for column, name in enumerate(header):
        # A narrow terminal shortens the baselines' names first: header and models' names stay whole in 80 columns.
        table.add_column(name.replace(" (", "\n("), justify="right" if column else "left")
    for number, cells in enumerate(rows, 1):
        table.add_row(*map(Text, cells), end_section=number == models)
    return table


def verdict(scores: SetScores) -> str:
    """Returns one sentence: how far the ensemble is above or below the best model and the best baseline."""
    rivals = [{model.name: model.mean_score for model in scores.models}, scores.baselines]
    parts = []
    for kind, candidates in zip(("best model", "best baseline"), rivals, strict=True):
        defined = {name: value for name, value in candidates.items() if not math.isnan(value)}
        if defined and not math.isnan(scores.ensemble_score):
            best = max(defined, key=lambda name: defined[name])
            gap = scores.ensemble_score - defined[best]
            parts.append(f"{abs(gap):.4f} {'above' if gap >= 0 else 'below'} the {kind} ({_escape(best)})")
    return f"The ensemble is {' and '.join(parts)}." if parts else "There is nothing to compare the ensemble with."


def advice(scores: SetScores) -> str:
    """Returns what to do about an ensemble that scores below its best model; empty where it does not."""
    best = max(scores.models, key=lambda model: -math.inf if math.isnan(model.mean_score) else model.mean_score, default=None)
    if best is None or not scores.ensemble_score < best.mean_score:
        return ""
    return (
        f"The ensemble scores {score_text(scores.ensemble_score)} on {scores.name}, below {score_text(best.mean_score)}"
        f" of {best.name} alone: leave weak models out with models=..., give {best.name} more weight with weights=..., or try"
        f" normalize=True; models={best.name} makes the zip of that model"
    )


def _header(scores: SetScores) -> tuple[str, ...]:
    folds = _numbers_of_folds(scores)
    if len(folds) > 1:
        return "model", "folds", "one fold (mean)", "fold mean", "weight", "ensemble"
    count = max(folds, default=0)
    return "model", f"single fold (mean of {count})", f"{count}-fold mean", "weight", "ensemble"


def _numbers_of_folds(scores: SetScores) -> set[int]:
    return {len(model.fold_scores) for model in scores.models}


def _rows(scores: SetScores) -> list[tuple[str, ...]]:
    """Rows of the table; where models differ in their number of folds, it is the second column."""
    models = [
        (model.name, str(len(model.fold_scores)), score_text(model.single_score), score_text(model.mean_score),
         f"{model.weight:g}", "")
        for model in scores.models
    ]  # fmt: skip
    total = math.fsum(model.weight for model in scores.models)
    ensemble = ("ensemble", "", "", "", f"{total:g}", score_text(scores.ensemble_score))
    baselines = [(f"baseline: {name}", "", "", "", "", score_text(value)) for name, value in scores.baselines.items()]
    rows: list[tuple[str, ...]] = [*models, ensemble, *baselines]
    return rows if len(_numbers_of_folds(scores)) > 1 else [(name, *others) for name, _, *others in rows]


ERRORS_HEADER = ("fold mean", "Spearman", "MSE to rank labels")


def error_rows(scores: SetScores) -> list[tuple[str, str, str]]:
    """Rows of the second table of an SVD ensemble (docs/facts_rank1.md 10): models, concatenation and its SVD; else none."""
    if math.isnan(scores.concatenation.spearman):
        return []
    rows = [(model.name, model.mean_score, model.mean_error) for model in scores.models]
    rows += [("concatenation", *scores.concatenation), ("SVD", scores.ensemble_score, scores.ensemble_error)]
    return [(name, score_text(spearman), NOTHING if math.isnan(error) else f"{error:.6f}") for name, spearman, error in rows]


def score_text(value: float) -> str:
    """Returns a Spearman with four decimals, or a dash where it is not defined."""
    return NOTHING if math.isnan(value) else f"{value:.4f}"


def _plain(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _markdown(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    align = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(map(_escape, cells))} |" for cells in [header, align, *rows])


def format_seconds(seconds: float) -> str:
    """Returns `4.2 s`, `3 min 05 s` or `2 h 01 min`."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def read_timings(path: PathLike) -> list[tuple[str, float]]:
    """Reads the wall times that the run script notes, one `stage<tab>seconds` per line.

    A stage that was interrupted and continued has several lines; its times are added up.

    Raises:
        UserError: the file cannot be read, or a line is not of that form; names file and line.
    """
    stages: dict[str, float] = {}
    for number, line in enumerate(read_lines(path), start=1):
        name, _, text = line.rpartition("\t")
        try:
            seconds = float(text)
        except ValueError:
            seconds = math.nan
        if not name or not 0 <= seconds < math.inf:
            raise UserError(f"{path}, line {number}: {line!r}; accepted is a stage, a tab, and seconds")
        stages[name] = stages.get(name, 0.0) + seconds
    return list(stages.items())


def scores_plot(sets: Sequence[SetScores]) -> "Figure":
    """Returns a figure with one panel per test set: folds as dots, fold means, ensemble and baselines as lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sum(len(scores.models) + 3 for scores in sets)
    figure = Figure(figsize=(9, 1 + 0.38 * rows), layout="constrained")
    FigureCanvasAgg(figure)  # draws into memory, whatever display the machine has
    heights = [len(scores.models) + 3 for scores in sets]
    panels = figure.subplots(len(sets), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, scores in zip(panels, sets, strict=True):
        _plot_set(axes, scores)
    return figure


def _plot_set(axes: Any, scores: SetScores) -> None:
    points = [(value, row) for row, model in enumerate(scores.models) for value in model.fold_scores]
    axes.scatter(
        *(zip(*points, strict=True) if points else ([], [])), s=22, color="0.55", alpha=0.7, label="single fold", zorder=3
    )
    means = [model.mean_score for model in scores.models]
    axes.scatter(means, range(len(means)), s=64, marker="D", color="tab:blue", label="mean of folds", zorder=4)
    axes.axvline(scores.ensemble_score, color="tab:red", lw=2, label=f"ensemble {score_text(scores.ensemble_score)}")
    styles = [("--", "tab:green"), (":", "tab:orange"), ("-.", "tab:purple"), ("--", "tab:brown")]
    for position, (name, value) in enumerate(scores.baselines.items()):
        style, color = styles[position % len(styles)]
        axes.axvline(value, color=color, ls=style, lw=1.6, label=f"{name} {score_text(value)}")
    axes.set_yticks(range(len(scores.models)), [model.name for model in scores.models])
    axes.set_ylim(len(scores.models) - 0.4, -0.6)
    axes.set_xlabel("Spearman")
    axes.set_title(f"{scores.name}: {scores.num_videos:,} videos, {scores.num_pairs:,} pairs", loc="left")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)

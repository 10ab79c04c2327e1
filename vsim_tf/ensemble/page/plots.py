"""The drawings of the page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from vsim_tf.ensemble.curves import Curve
from vsim_tf.ensemble.page.blocks import Figure
from vsim_tf.ensemble.page.svg import FIRST, INK, MUTED, SECOND, SURFACE, drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import ListedColormap

WIDTH = 350
"""Points of a drawing: what a telephone has room for."""
POINTS = 200
"""Points of a curve that are drawn at most."""
DOTS = 300
"""Pairs that are drawn one by one at most; of more, their density is."""
LIGHTEST, DARKEST = 0.15, 0.7
"""Opacity of a single pair, and of the largest value, on which a number can still be read."""
ROW, CELL = 22, 26
"""Points of a row with a name, and of a cell with a number."""
LETTER = 6
"""About how wide one is."""


def learning_curves(caption: str, title: str, curves: Sequence[Curve]) -> Figure:
    """Curves of runs of one kind, by step."""

    def draw(axes: "Axes") -> None:
        for curve in curves:
            steps, values = zip(*_thinned(curve), strict=True)
            axes.plot(steps, values, color=FIRST, alpha=max(0.5, 1 / len(curves)), marker="." if len(curve) < 20 else "")
        axes.set_title(title)
        axes.set_xlabel("step")
        axes.locator_params(nbins=5)

    return drawing(caption, draw, (WIDTH, 200))


def _thinned(curve: Curve) -> Curve:
    """At most `POINTS` points, evenly spread over a curve and with its last one."""
    rows = np.unique(np.linspace(0, len(curve) - 1, min(len(curve), POINTS)).astype(int))
    return [curve[row] for row in rows]


def similarities(caption: str, human: np.ndarray, predicted: np.ndarray) -> Figure:
    """Predicted similarity of pairs against that of people, `[pairs]` each, as dots or their density."""

    def draw(axes: "Axes") -> None:
        if len(human) <= DOTS:
            axes.scatter(human, predicted, s=12, color=FIRST, alpha=0.5, linewidths=0)
        else:
            axes.hexbin(
                human, predicted, gridsize=26, mincnt=1, bins="log", cmap=_shades(LIGHTEST), edgecolors="none", linewidths=0.2
            )
        axes.set_xlabel("human similarity")
        axes.set_ylabel("cosine")
        axes.locator_params(nbins=5)

    return drawing(caption, draw, (WIDTH, 280))


def spread(
    caption: str, measure: str, runs: Mapping[str, Sequence[float]], means: Mapping[str, float], ensemble: float
) -> Figure:
    """Scores of single runs, of the mean of a model's runs, and of the ensemble."""

    def draw(axes: "Axes") -> None:
        points = [(value, row) for row, values in enumerate(runs.values()) for value in values]
        values, rows = zip(*points, strict=True)
        axes.scatter(values, rows, s=26, color=FIRST, alpha=0.45, linewidths=0)
        axes.scatter(list(means.values()), range(len(means)), s=34, marker="D", color=FIRST, edgecolors=SURFACE, linewidths=1)
        axes.axvline(ensemble, color=SECOND, linewidth=1.6)
        _named_rows(axes, list(means))
        axes.set_xlabel(measure)
        axes.locator_params(axis="x", nbins=5)

    return drawing(caption, draw, (WIDTH, 60 + ROW * len(means)))


def gains(caption: str, measure: str, values: Mapping[str, float]) -> Figure:
    """A bar for each member, with its number."""

    def draw(axes: "Axes") -> None:
        numbers = list(values.values())
        axes.barh(range(len(numbers)), numbers, height=0.6, color=[FIRST if value >= 0 else SECOND for value in numbers])
        axes.axvline(0, color=MUTED, linewidth=0.8)
        for row, value in enumerate(numbers):
            place = (max(value, 0), row)
            axes.annotate(f"{value:+.4f}", place, (4, 0), textcoords="offset points", va="center", color=INK, fontsize=9)
        least, most = min(0, *numbers), max(0, *numbers)
        span = max(most - least, 1e-4)
        _named_rows(axes, list(values))
        axes.set_xlim(least - 0.05 * span, most + 0.35 * span)
        axes.set_xlabel(measure)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="y", visible=False)

    return drawing(caption, draw, (WIDTH, 60 + ROW * len(values)))


def heat_map(
    caption: str, values: np.ndarray, rows: Sequence[str], columns: Sequence[str], texts: Sequence[Sequence[str]],
    labels: tuple[str, str] = ("", ""), lowest: float = 0.0,
) -> Figure:  # fmt: skip
    """Cells as dark as their values, `[rows, columns]`, with a text in each.

    Args:
        caption: see `drawing`.
        values: nan is drawn as the smallest one.
        rows, columns: their names.
        texts: of the cells.
        labels: of rows and columns.
        lowest: the value that has no colour.
    """
    longest = LETTER * max(map(len, (*rows, *columns)))
    cell = max(CELL, LETTER * max(len(text) for row in texts for text in row) + 6)
    size = (longest + cell * len(columns) + 40, longest + CELL * len(rows) + 40)

    def draw(axes: "Axes") -> None:
        top = max(np.nanmax(values, initial=lowest), lowest + 1e-9)
        filled = np.nan_to_num(values, nan=lowest)
        axes.pcolormesh(filled, cmap=_shades(), vmin=lowest, vmax=top, edgecolors=SURFACE, linewidth=1)
        for (row, column), _ in np.ndenumerate(values):
            if texts[row][column]:
                axes.text(column + 0.5, row + 0.5, texts[row][column], ha="center", va="center", fontsize=9)
        axes.set_xticks(np.arange(len(columns)) + 0.5, columns, rotation=90 if max(map(len, columns)) > 3 else 0)
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.set_ylabel(labels[0])
        axes.set_xlabel(labels[1])
        axes.invert_yaxis()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)

    return drawing(caption, draw, size, int(size[0]))


def _named_rows(axes: "Axes", names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)


def _shades(lightest: float = 0.0) -> "ListedColormap":
    """One colour, of rising opacity."""
    from matplotlib.colors import ListedColormap, to_rgb

    return ListedColormap([(*to_rgb(FIRST), opacity) for opacity in np.linspace(lightest, DARKEST, 64)])

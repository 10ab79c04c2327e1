"""One score of models, ensemble and baselines on a test set: what it says, and its plot."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from vsim_tf.ensemble.score_tables import score_text
from vsim_tf.io.tables import escaped

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ADVICE_FIELDS = ("models", "weights", "normalize")
"""What `Comparison.advice` names."""


class Comparison(NamedTuple):
    """A score of everything on one test set; nan where it is not defined.

    Attributes:
        test_set: its name.
        measure: name of the score.
        size: what it was measured on, e.g. "400 videos".
        runs: scores of the single runs of each model, by the model's name.
        means: score of the mean of its runs, by the model's name.
        ensemble: score of all models together.
        baselines: scores by name.
    """

    test_set: str
    measure: str
    size: str
    runs: Mapping[str, Sequence[float]]
    means: Mapping[str, float]
    ensemble: float
    baselines: Mapping[str, float]

    def verdict(self) -> str:
        """One sentence: how far the ensemble is above or below the best model and the best baseline."""
        parts = []
        for kind, candidates in (("best model", self.means), ("best baseline", self.baselines)):
            defined = {name: value for name, value in candidates.items() if not math.isnan(value)}
            if defined and not math.isnan(self.ensemble):
                best = max(defined, key=lambda name: defined[name])
                gap = self.ensemble - defined[best]
                parts.append(f"{abs(gap):.4f} {'above' if gap >= 0 else 'below'} the {kind} ({escaped(best)})")
        return f"The ensemble is {' and '.join(parts)}." if parts else "There is nothing to compare the ensemble with."

    def advice(self, otherwise: str = "", output: str = "zip") -> str:
        """What to do about an ensemble that scores below its best model; empty where it does not.

        Args:
            otherwise: one more thing that may be tried.
            output: what the stage makes.
        """
        best = max(self.means, key=lambda name: -math.inf if math.isnan(self.means[name]) else self.means[name], default="")
        if not best or not self.ensemble < self.means[best]:
            return ""
        tries = ["leave weak models out with models=...", f"give {best} more weight with weights=...", *filter(None, [otherwise])]
        return (
            f"The ensemble scores {score_text(self.ensemble)} on {self.test_set}, below {score_text(self.means[best])} of {best}"
            f" alone: {', '.join(tries[:-1])}, or {tries[-1]}; models={best} makes the {output} of that model"
        )


def scores_plot(comparisons: Sequence[Comparison]) -> "Figure":
    """Returns a figure with one panel per test set: runs as dots, their means, ensemble and baselines as lines."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    heights = [len(each.means) + 3 for each in comparisons]
    figure = Figure(figsize=(9, 1 + 0.38 * sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)  # draws into memory, whatever display the machine has
    panels = figure.subplots(len(comparisons), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, comparison in zip(panels, comparisons, strict=True):
        _plot(axes, comparison)
    return figure


def _plot(axes: Any, shown: Comparison) -> None:
    points = [(value, row) for row, values in enumerate(shown.runs.values()) for value in values]
    axes.scatter(
        *(zip(*points, strict=True) if points else ([], [])), s=22, color="0.55", alpha=0.7, label="single run", zorder=3
    )
    means = list(shown.means.values())
    axes.scatter(means, range(len(means)), s=64, marker="D", color="tab:blue", label="mean of runs", zorder=4)
    axes.axvline(shown.ensemble, color="tab:red", lw=2, label=f"ensemble {score_text(shown.ensemble)}")
    styles = [("--", "tab:green"), (":", "tab:orange"), ("-.", "tab:purple"), ("--", "tab:brown")]
    for position, (name, value) in enumerate(shown.baselines.items()):
        style, color = styles[position % len(styles)]
        axes.axvline(value, color=color, ls=style, lw=1.6, label=f"{name} {score_text(value)}")
    axes.set_yticks(range(len(means)), list(shown.means))
    axes.set_ylim(len(means) - 0.4, -0.6)
    axes.set_xlabel(shown.measure)
    axes.set_title(f"{shown.test_set}: {shown.size}", loc="left")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)

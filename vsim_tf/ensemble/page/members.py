"""What the members of an ensemble are worth: the spread of their runs, and what each adds."""

import math
from collections.abc import Callable, Mapping

import numpy as np

from vsim_tf.ensemble.combine import normalized_weights
from vsim_tf.ensemble.comparison import Comparison
from vsim_tf.ensemble.page.blocks import Block, Table, Text
from vsim_tf.ensemble.page.plots import gains, heat_map, spread
from vsim_tf.ensemble.score_tables import score_text


def spread_blocks(comparison: Comparison) -> list[Block]:
    """Scores of single runs; one sentence where every model has a single one."""
    runs = {name: [value for value in values if not math.isnan(value)] for name, values in comparison.runs.items()}
    if max(map(len, runs.values()), default=0) < 2:
        return [Text("The spread is left out: every model has a single run.")]
    rows = [
        (name, str(len(values)), *(score_text(value) for value in (min(values), float(np.mean(values)), max(values))),
         f"{np.std(values, ddof=1):.4f}" if len(values) > 1 else "")
        for name, values in runs.items() if values
    ]  # fmt: skip
    caption = f"{comparison.measure} of single runs (dots), of the mean of a model's runs (diamonds) and of the ensemble (line)"
    return [
        spread(caption, comparison.measure, runs, comparison.means, comparison.ensemble),
        Table(("model", "runs", "lowest", "mean", "highest", "deviation"), rows),
    ]


def leave_one_out(weights: Mapping[str, float], score: Callable[[dict[str, float]], float]) -> dict[str, float]:
    """What each member adds: the score of all minus that of all others; of a single member nothing.

    Args:
        weights: of the members; those of weight 0 are left out.
        score: of an ensemble with weights that sum to 1.
    """

    def scored(used: Mapping[str, float]) -> float:
        return score(dict(zip(used, normalized_weights(list(used.values())), strict=True)))

    used = {name: weight for name, weight in weights.items() if weight > 0}
    if len(used) < 2:
        return {}
    whole = scored(used)
    return {name: whole - scored({other: used[other] for other in used if other != name}) for name in used}


def gain_blocks(measure: str, values: Mapping[str, float]) -> list[Block]:
    """The gain of each member; one sentence where there is one alone, or where scores are not defined."""
    if not values:
        return [Text("Gains are left out: the ensemble has a single member.")]
    if not all(map(math.isfinite, values.values())):
        return [Text(f"Gains are left out: {measure} is not defined for all ensembles.")]
    caption = f"How much {measure} falls when the ensemble is made without a member: below 0, it is better without"
    return [gains(caption, f"gain in {measure}", values)]


def likeness_blocks(names: list[str], values: np.ndarray, caption: str, alone: str) -> list[Block]:
    """How alike members are.

    Args:
        names: of the members.
        values: of each two, `[members, members]`, 1 for the same; nan where it is not defined.
        caption: of the drawing.
        alone: the sentence for a single member.
    """
    if len(names) < 2:
        return [Text(alone)]
    texts = [[f"{value:.2f}" if math.isfinite(value) else "" for value in row] for row in values.tolist()]
    lowest = float(np.nanmin(values, initial=1.0))
    return [heat_map(caption, values, names, names, texts, lowest=lowest - 0.1 * (1 - lowest))]

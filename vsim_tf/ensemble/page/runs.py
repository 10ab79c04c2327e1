"""Sections on the run itself: learning curves, time and memory, command, versions and seeds."""

import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from vsim_tf import __version__
from vsim_tf.ensemble.curves import read_curve, validation_name
from vsim_tf.ensemble.page.blocks import Block, Code, Figure, Panels, Section, Table, Text, section
from vsim_tf.ensemble.page.plots import learning_curves
from vsim_tf.ensemble.timings import Timing, timing_table
from vsim_tf.io.paths import CONFIG, METRICS_FILE
from vsim_tf.runs.run_folder import RunFolder

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "transformers", "tokenizers", "pillow")


class Runs(NamedTuple):
    """Runs of one kind of a model.

    Attributes:
        model: its name.
        stage: what they are, e.g. "fine-tuning".
        folders: of the runs, one per fold.
    """

    model: str
    stage: str
    folders: Sequence[Path]

    def there(self) -> list[RunFolder]:
        """Those that are there."""
        return [RunFolder.open(folder) for folder in self.folders if (folder / CONFIG).exists()]


def run_sections(runs: Sequence[Runs], command: str, timings: Sequence[Timing]) -> list[Section]:
    """All sections; those that need what is not there have one sentence."""
    stages = dict.fromkeys(each.stage for each in runs)
    return [
        section("Learning curves", lambda: [block for stage in stages for block in _curve_blocks(stage, runs)]),
        section("Time and memory", lambda: _time_blocks(timings)),
        section("Command, versions and seeds", lambda: [*_origin_blocks(command), *_seed_blocks(runs)]),
    ]


def _curve_blocks(stage: str, runs: Sequence[Runs]) -> list[Block]:
    figures = [figure for each in runs if each.stage == stage for figure in _curves(each)]
    return [Text(f"{stage.capitalize()}, a line for each run:"), Panels(figures)] if figures else [Text(f"No curves of {stage}.")]


def _curves(runs: Runs) -> list[Figure]:
    """Training loss, and the metric that checkpoints are chosen by."""
    there = runs.there()
    metrics = dict.fromkeys(run.training.selection.metric for run in there)
    figures = []
    for key, said in [("loss", "training loss"), *((validation_name(name), f"{name} at validation") for name in metrics)]:
        curves = [curve for run in there if (curve := read_curve(run.path / METRICS_FILE, key))]
        if curves:
            figures.append(learning_curves(f"{runs.model}, {runs.stage}: {said}", f"{runs.model}: {said}", curves))
    return figures


def _time_blocks(timings: Sequence[Timing]) -> list[Block]:
    if not timings:
        return [Text("Left out: run.sh, which notes the time of each stage, has not made this output.")]
    header, rows = timing_table(timings)
    return [Table(header, rows, strong=frozenset([len(rows) - 1]))]


def _origin_blocks(command: str) -> list[Block]:
    versions = [("vsim_tf", __version__), ("Python", platform.python_version()), *((name, version(name)) for name in PACKAGES)]
    return [Text("Made by"), Code(command), Table(("software of this page", "version"), versions)]


def _seed_blocks(runs: Sequence[Runs]) -> list[Block]:
    rows = [
        (each.model, each.stage, str(len(there)), _of_all(run.training.seed for run in there),
         _of_all(run.training.total_steps for run in there), _of_all(run.training.batch_size for run in there))
        for each in runs if (there := each.there())
    ]  # fmt: skip
    return [Table(("model", "stage", "runs", "seed", "steps", "batch"), rows, texts=2)] if rows else []


def _of_all(values: Iterable[int]) -> str:
    """The different values of some runs."""
    return ", ".join(map(str, sorted(set(values))))

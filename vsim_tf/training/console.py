"""What a training stage logs besides its progress bar."""

import logging
import math
import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsim_tf.errors import UserError
from vsim_tf.io.paths import SUMMARY
from vsim_tf.io.tables import table_text
from vsim_tf.runs.logged_step import OF_STEPS
from vsim_tf.runs.run_folder import RunFolder, RunSettings

if TYPE_CHECKING:
    import tensorflow as tf

    from vsim_tf.training.loop import Trainer

SCORE = (int, float, type(None))
"""A metric in JSON is null where it is not defined; older files have NaN and -Infinity."""
BEST, BEST_STEP = "best_", "best_step"
MANY_EPOCHS = 200
LAUNCHED = "VSIM_TF_LAUNCHED"
"""In the environment of a process that is one of many: whoever started it has said how to watch all of them."""

logger = logging.getLogger(__name__)


def announce(
    label: str,
    settings: RunSettings,
    strategy: "tf.distribute.Strategy",
    counts: dict[str, int],
    examples: int,
    curves: Path,
) -> None:
    """A table of what is about to run, and how to watch it; a warning where it sees its examples very often.

    Args:
        label: its title.
        settings: model, tasks, schedule.
        strategy: the devices.
        counts: of the data, by noun.
        examples: of an epoch.
        curves: folder of the runs, for TensorBoard.
    """
    import tensorflow as tf
    from rich.table import Table

    model, training = settings.model, settings.training
    encoder, epochs = model.encoder, training.epochs(examples)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    rates = " and ".join(f"{group.schedule.peak:g} ({name})" for name, group in training.groups.items())
    rows = {
        "model": f"{model.name}: {encoder.kind} {encoder.num_layers} x {encoder.hidden_size}, vocabulary {encoder.vocab_size:,}",
        "embedding": f"{model.dim} numbers, {model.num_tags:,} tags",
        "tasks": ", ".join(f"{name} ({task.type_name}) x {task.weight:g}" for name, task in training.tasks.items()),
        "device": f"{strategy.num_replicas_in_sync} x {devices[0].device_type}, {training.precision}",
        "data": ", ".join(f"{count:,} {name}" for name, count in counts.items()),
        "training": f"{training.total_steps:,} steps of {training.batch_size} ({epochs:.3g} epochs), seed {training.seed}",
        "peak rates": rates,
    }
    rows["batches"] = _order(settings)
    table = Table(title=label, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, value)
    logger.info(table_text(table), extra={"fields": ["training.bucket_by_length"]})
    if LAUNCHED not in os.environ:
        logger.info(f"curves: {tensorboard_command(curves)}")
    if epochs > MANY_EPOCHS:
        logger.warning(
            f"training.total_steps={training.total_steps} are {epochs:,.0f} epochs of {examples:,} examples, more than"
            f" {MANY_EPOCHS}: the model will know them by heart; give fewer, or epochs=...",
            extra={"fields": ["training.total_steps", "epochs"]},
        )


def tensorboard_command(folder: Path) -> str:
    """The command that shows the curves of all runs below a folder, by the Python that writes them."""
    python = Path(sys.executable)
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return shlex.join([str(shown), "-m", "tensorboard.main", f"--logdir={folder}"])


def _order(settings: RunSettings) -> str:
    """In which order examples come, with a warning where sorting them changes what the model learns."""
    model = settings.model
    if any(len(phase.sets) > 1 for phase in settings.training.phases.values()):
        return "data sets in turn, each in random order"
    if not (settings.training.bucket_by_length and (model.trims_text or model.trims_frames)):
        return "in random order"
    independent = settings.training.videos_are_independent(model)
    seen = "" if independent else "; statistics and losses of a batch see that (bucket_by_length=True)"
    return f"examples of similar length, batches in random order{seen}"


def announce_finished(label: str, summary: dict[str, Any], folder: Path, trainer: "Trainer | None" = None) -> None:
    """One line about a complete run, with traces and compilations of its step if it ran just now.

    Raises:
        UserError: summary.json is damaged.
    """
    metric = _selected(summary)
    types = {"step": (int,), metric: SCORE, f"{BEST}{metric}": SCORE, BEST_STEP: (int,)}
    missing = [key for key, accepted in types.items() if type(summary.get(key, "")) not in accepted]
    if missing:
        raise UserError(f"{folder / SUMMARY}: no number {', '.join(missing)}; remove the file to have it regenerated")
    last, best = summary[metric], summary[f"{BEST}{metric}"]
    logger.info(
        f"{label}: complete at step {summary['step']}{_early(summary)}, {_title(metric)} {_score(last)}"
        f" (best {_score(best)} at step {summary[BEST_STEP]}), in {folder}"
        + (f"; traces of the step: {trainer.traces}" if trainer and trainer.traces else "")
        + (f", compilations: {trainer.compilations}" if trainer and trainer.compilations else "")
    )
    if summary[BEST_STEP] == 0 < summary["step"] and best is not None and math.isfinite(best) and last != best:
        rates = RunFolder.open(folder).training.rate_paths
        logger.info(
            f"{label}: no evaluation is better than the one before the first step, {_title(metric)} {_score(best)}: training"
            f" made it worse. Lower {' and '.join(rates)}, or give fewer training.total_steps, with overwrite=True;"
            " the best checkpoint embeds by the weights before the first step (checkpoint=best of the embedding stage)",
            extra={"fields": [*rates, "training.total_steps", "overwrite", "checkpoint"]},
        )


def _early(summary: dict[str, Any]) -> str:
    return f" of {summary[OF_STEPS]}, ended by patience" if OF_STEPS in summary else ""


def _selected(summary: dict[str, Any]) -> str:
    """The metric that decided which evaluation is the best."""
    names = [key.removeprefix(BEST) for key in summary if key.startswith(BEST) and key != BEST_STEP]
    return names[0] if names else "spearman"


def _title(metric: str) -> str:
    return metric.replace("_", " ").capitalize()


def _score(value: float | None) -> str:
    return "undefined" if value is None or not math.isfinite(value) else f"{value:.4f}"

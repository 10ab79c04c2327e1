"""What a training stage logs besides its progress bar."""

import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vsim_tf.errors import UserError
from vsim_tf.io.paths import SUMMARY
from vsim_tf.io.tables import table_text
from vsim_tf.runs.run_folder import RunSettings

if TYPE_CHECKING:
    import tensorflow as tf

    from vsim_tf.training.loop import Trainer

SCORE = (int, float, type(None))
"""A Spearman in JSON is null where it is not defined; older files have NaN and -Infinity."""
SUMMARY_TYPES = {"step": (int,), "spearman": SCORE, "best_spearman": SCORE, "best_step": (int,)}

logger = logging.getLogger(__name__)


def announce(label: str, settings: RunSettings, strategy: "tf.distribute.Strategy", counts: dict[str, int]):
    """A table of what is about to run: model, device, data, schedule."""
    import tensorflow as tf
    from rich.table import Table

    model, training = settings.model, settings.training
    encoder = model.encoder
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    rows = {
        "model": f"{model.name}: {encoder.kind} {encoder.num_layers} x {encoder.hidden_size}, vocabulary {encoder.vocab_size:,}",
        "embedding": f"{model.embedding_size} numbers, {model.num_tags:,} tags, {model.tag_loss} tag loss",
        "device": f"{strategy.num_replicas_in_sync} x {devices[0].device_type}, {training.precision}",
        "data": ", ".join(f"{count:,} {name}" for name, count in counts.items()),
        "training": f"{training.total_steps:,} steps of {training.batch_size}, peak rates {training.encoder_schedule.peak:g}"
        f" (encoder) and {training.head_schedule.peak:g} (head), seed {training.seed}",
    }
    rows["batches"] = _order(settings)
    table = Table(title=label, show_header=False, title_justify="left")
    for name, value in rows.items():
        table.add_row(name, value)
    logger.info(table_text(table))


def _order(settings: RunSettings) -> str:
    """In which order examples come, with a warning where sorting them changes what the model learns."""
    model = settings.model
    if not (settings.training.bucket_by_length and (model.trims_text or model.trims_frames)):
        return "in random order"
    seen = "" if model.videos_are_independent else "; batch statistics and negatives see that (--nobucket_by_length)"
    return f"examples of similar length, batches in random order{seen}"


def announce_finished(label: str, summary: dict[str, Any], folder: Path, trainer: "Trainer | None" = None):
    """One line about a complete run, with traces and compilations of its step if it ran just now.

    Raises:
        UserError: summary.json is damaged.
    """
    missing = [key for key, types in SUMMARY_TYPES.items() if type(summary.get(key, "")) not in types]
    if missing:
        raise UserError(f"{folder / SUMMARY}: no number {', '.join(missing)}; remove the file to have it made anew")
    logger.info(
        f"{label}: complete at step {summary['step']}, Spearman {_score(summary['spearman'])}"
        f" (best {_score(summary['best_spearman'])} at step {summary['best_step']}), in {folder}"
        + (f"; traces of the step: {trainer.traces}" if trainer and trainer.traces else "")
        + (f", compilations: {trainer.compilations}" if trainer and trainer.compilations else "")
    )
    if _only_fell(summary):
        logger.info(
            f"{label}: no evaluation is better than the one before the first step, Spearman {_score(summary['best_spearman'])}:"
            " training lowered it. Lower --lr and --bert_lr, or give fewer --total_steps, with --overwrite;"
            " inference_pair.py --checkpoint=best embeds by the weights before the first step"
        )


def _score(value: float | None) -> str:
    return "undefined" if value in (None, -math.inf) or math.isnan(value) else f"{value:.4f}"


def _only_fell(summary: dict[str, Any]) -> bool:
    """Whether training has made nothing but lower scores of a score that is defined."""
    best, last = summary["best_spearman"], summary["spearman"]
    return summary["best_step"] == 0 < summary["step"] and best is not None and (last is None or last < best)

"""What a training script says on the console besides its progress bar."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from rich.console import Console
from rich.table import Table

from vsim_tf.errors import UserError
from vsim_tf.training.run_folder import SUMMARY, RunSettings


def announce(label: str, settings: RunSettings, strategy: tf.distribute.Strategy, counts: dict[str, int]):
    """A table of what is about to run: model, device, data, schedule."""
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
    Console().print(table)


def _order(settings: RunSettings) -> str:
    """In which order examples come, with a warning where sorting them changes what the model learns."""
    model = settings.model
    if not (settings.training.bucket_by_length and (model.trims_text or model.trims_frames)):
        return "in random order"
    seen = "" if model.videos_are_independent else "; batch statistics and negatives see that (--nobucket_by_length)"
    return f"examples of similar length, batches in random order{seen}"


def announce_finished(label: str, summary: dict[str, Any], folder: Path, traces: int = 0):
    """One line about a complete run, with the traces of a step if it ran just now; `UserError` for a damaged summary.json."""
    missing = [key for key in ("step", "spearman", "best_spearman", "best_step") if type(summary.get(key)) not in (int, float)]
    if missing:
        raise UserError(f"{folder / SUMMARY}: no number {', '.join(missing)}; remove the file to have it made anew")
    print(
        f"{label}: complete at step {summary['step']}, Spearman {summary['spearman']:.4f}"
        f" (best {summary['best_spearman']:.4f} at step {summary['best_step']}), in {folder}"
        + (f"; traces of the step: {traces}" if traces else ""),
        flush=True,
    )

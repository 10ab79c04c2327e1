"""Writes the checkpoints in this folder: every registered network at `debug` size, random weights, and what it makes of videos.

    PYTHONPATH=.:tests python tests/golden/checkpoints/make.py [MODEL ...]

They stand for the checkpoints that people have: a change of names, shapes or arithmetic makes tests/test_golden_checkpoints.py
fail. Regenerate them only when such a change is meant, and say in CHANGELOG.md that older checkpoints no longer load.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
import toys

from vsim_tf.inference.embedder import Embedder
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.models.build import build_network
from vsim_tf.runs.checkpoint_files import BEST
from vsim_tf.runs.checkpoints import write_checkpoint
from vsim_tf.runs.run_folder import RunSettings, batch_format, prepare_run_folder
from vsim_tf.runs.weights import model_weights

FOLDER = Path(__file__).parent
VIDEOS = FOLDER / "videos.tfrecords"


def make(name: str):
    """The run folder of one model: config.json, tokenizer, tags, weights, and its embeddings of the videos."""
    config, rng = toys.model(name), np.random.default_rng(2021)
    form = batch_format(config, toys.TOKENIZERS[config.encoder.kind], toys.TAGS)
    model = build_network(config, toys.tasks(name, "finetune").values())
    weights = model_weights(model)
    for path in sorted(weights):
        values = 0.4 * rng.standard_normal(weights[path].shape)
        weights[path].assign(np.abs(values) + 0.5 if path.endswith(("gamma", "variance")) else values)
    folder = FOLDER / name
    prepare_run_folder(folder, RunSettings("pair", config, toys.stage(), form.tokenizer, form.tags, {}), overwrite=True)
    write_checkpoint(tf.train.Checkpoint(weights=weights), folder / BEST / "ckpt-0")
    np.save(folder / "embeddings.npy", Embedder(model).embed(numbered_batches([str(VIDEOS)], "videos", form, 4)).values)


if __name__ == "__main__":
    toys.write_records(VIDEOS, toys.random_videos(8, seed=3))
    for registered in sys.argv[1:] or (*toys.MODELS, "debug"):
        make(registered)

"""A pre-training step of the 8th place of 2022 at base size: 256 text positions and 16 frames, six losses, batch 16.

python -m benchmarks.short_video_step [float32|mixed_bfloat16]

All positions are real. The step runs the encoder over the whole sequence, and twice more for the contrast of text and video.
"""

import subprocess
import sys

import numpy as np
import tensorflow as tf

from benchmarks.contest import VOCABULARY, gemm_rate, step_gflop
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.input.pipeline import Draw
from vsim_tf.models.architectures import Model
from vsim_tf.presets import registry
from vsim_tf.records.schema import VideoBatch
from vsim_tf.tasks.task import Task
from vsim_tf.text.tokenizers import Tokenizer
from vsim_tf.training.pretraining import make_trainer

MODEL, BATCH, ROUNDS = "wbdc_single", 16, 5
PRECISIONS = ("float32", "mixed_bfloat16")
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def step_batch(config: Model, tasks: dict[str, Task]) -> VideoBatch:
    """Videos of full length, as the corruptions of the tasks leave them."""
    rng, text = np.random.default_rng(0), config.text.max_length
    ids = tf.constant(rng.integers(len(SPECIAL), VOCABULARY, (BATCH, text)), tf.int32)
    mask = tf.ones_like(ids)
    frames = rng.standard_normal((BATCH, config.frames.max_frames, config.frames.dim)).astype("float16")
    context = {"title_ids": ids, "title_mask": mask, "context_ids": ids, "context_mask": mask}
    batch = VideoBatch((), ids, mask, tf.constant(frames), tf.fill([BATCH], config.frames.max_frames), context)
    tokenizer = Tokenizer([*SPECIAL, *(f"##{number}" for number in range(VOCABULARY - len(SPECIAL)))])
    draw = Draw(tf.constant([1, 2], tf.int64), (BATCH, text), config.frames.max_frames, 0, tokenizer)
    for task in tasks.values():
        batch = task.corrupt(batch, draw)
    return batch


def compare(precision: str):
    """Rows of the step, compared with matrix products of its shapes."""
    preset = registry.pretraining(MODEL)
    config = preset.model.fitted(VOCABULARY, 0)
    stage = preset.stage.replace(batch_size=BATCH, precision=precision)
    trainer, batch = make_trainer(config, stage, make_strategy()), step_batch(config, stage.tasks)
    step = lambda: seconds(lambda: float(trainer.train_step(batch)["loss"]))  # noqa: E731
    positions = BATCH * (config.text.max_length + config.frames.max_frames)
    step()
    found = in_turn(ROUNDS, gemm=lambda: gemm_rate(precision, positions), step=step)
    gflop, spent = step_gflop(trainer, batch), found["step"]
    rates = gflop / spent
    done = f"{gflop:.0f} GFLOP in {median(spent):.2f} s: {median(rates):.0f} GFLOP/s"
    compared = f"GEMM {median(found['gemm']):.0f} GFLOP/s"
    row(f"{MODEL} pretrain step, {precision}, its matrix products", done, compared, median(rates / found["gemm"]))


def main():
    if sys.argv[1:]:
        compare(*sys.argv[1:])
        return
    for precision in PRECISIONS:  # in processes of their own: one that is over gives its memory back
        subprocess.run([sys.executable, "-m", "benchmarks.short_video_step", precision], check=True)


if __name__ == "__main__":
    main()

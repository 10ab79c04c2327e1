"""Training steps of whole base models on contest-like lengths, batch 32: all padding computed, trimmed, and recipe plus.

python -m benchmarks.train_step [model stage precision]
"""

import re
import subprocess
import sys

import tensorflow as tf

from benchmarks.contest import base_model, contest_batches, gemm_rate, pair_batches, step_gflop
from benchmarks.profiler import Operation, profile, shares
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.presets import registry
from vsim_tf.training.pretraining import make_trainer

BATCH = 32
ROUNDS = {("uniter", "pretrain"): 2, ("uniter", "pair"): 1, ("mix_nextvlad", "pretrain"): 3, ("mix_nextvlad", "pair"): 2}
"""Rounds of a model and stage: steps that take less get more."""
CASES = [*((*case, "float32") for case in ROUNDS), ("uniter", "pretrain", "mixed_bfloat16")]


class Steps:
    """Training steps of a model on the batch that stands for a window, traced once for all lengths."""

    def __init__(self, config, stage: str, precision: str):
        self.config, self.make_batches = config, contest_batches if stage == "pretrain" else pair_batches
        preset = registry.preset(config.name)
        training = {"pretrain": preset.pretrain, "pair": preset.finetune}[stage].replace(batch_size=BATCH, precision=precision)
        self.trainer = make_trainer(config, training, make_strategy())
        self.short, self.middle, _ = self.batches(trimmed=True)
        spec = tf.nest.map_structure(lambda x: tf.TensorSpec([None] * min(x.shape.rank, 2) + x.shape[2:], x.dtype), self.middle)
        self.trainer.compiled_step.get_concrete_function(spec)

    def batches(self, trimmed: bool):
        return self.make_batches(self.config, BATCH, trimmed)

    def take(self, batch) -> float:
        return seconds(lambda: float(self.trainer.train_step(batch)["loss"]))

    def trimmed(self) -> float:
        """Seconds of a step, after a short one that brings the weights back into caches and memory."""
        self.take(self.short)
        return self.take(self.middle)


def compare(model: str, stage: str, precision: str):
    """Rows of one model: whole, trimmed, `plus`; of the trimmed step what its matrix products and its MLM head take."""
    work, config = f"{model} {stage} step, {precision}", base_model(model)
    steps = Steps(config, stage, precision)
    whole = steps.batches(trimmed=False)[1]
    measures = {"gemm": lambda: gemm_rate(precision), "2021": steps.trimmed, "whole": lambda: steps.take(whole)}
    if model == "uniter":
        measures["plus"] = Steps(base_model(model, "plus"), stage, precision).trimmed
    steps.trimmed()  # warm-up: its memory has been left alone while `plus` was built, and is slow to touch again
    found, traces = in_turn(ROUNDS[model, stage], **measures), steps.trainer.traces
    report(work, found, step_gflop(steps.trainer, steps.middle))
    if "mlm" in steps.trainer.objective.tasks:
        words = shares(profile(lambda: steps.take(steps.middle)), part)["mlm"]
        row(f"{work}, share of the MLM head", f"{100 * words:.1f} %", "wanted 5 %", 0.05 / words)
    print(f"traces of the step for 3 different lengths: {traces}")


def report(work: str, found, gflop: float):
    for name in ("2021", "plus"):
        if name in found:
            compared = f"nothing trimmed {median(found['whole']):.2f} s"
            row(f"{work}, `{name}`", f"{median(found[name]):.2f} s", compared, median(found["whole"] / found[name]))
    rates = gflop / found["2021"]
    done = f"{gflop:.0f} GFLOP in {median(found['2021']):.2f} s: {median(rates):.0f} GFLOP/s"
    row(f"{work}, `2021`, its matrix products", done, f"GEMM {median(found['gemm']):.0f} GFLOP/s", median(rates / found["gemm"]))


def part(operation: Operation) -> str:
    """The part of the model that an operation belongs to, forward or backward."""
    names = [re.sub(r"_\d+$", "", name) for name in operation.name.split("/") if name != "gradient_tape"]
    inside = names[1:] if names[0] in ("uniter", "mix_nextvlad") and names[1:] else names
    return operation.kind if operation.kind == "ResourceApplyAdam" else inside[0]


def main():
    if sys.argv[1:]:
        compare(*sys.argv[1:])
        return
    for case in CASES:  # in processes of their own: one that is over gives its memory back
        subprocess.run([sys.executable, "-m", "benchmarks.train_step", *case], check=True)


if __name__ == "__main__":
    main()

"""Peak memory of a pre-training step at large (24 layers, 1024 wide, 68 positions) and what it means for GPUs (docs/memory.md).

python -m benchmarks.memory [batch accumulate remat precision]
"""

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

GIB = 2**30
LIMIT = 14 * GIB
"""Cells that need more, or more than is free, are predicted."""
BUFFERS_RETURNED = {"MALLOC_MMAP_THRESHOLD_": "1000000", "MALLOC_TRIM_THRESHOLD_": "1000000", "TF_CPP_MIN_LOG_LEVEL": "3"}
"""So that memory of tensors that are freed leaves the process at once; malloc reads it when a process starts."""
LAYERS, TOKENS, FRAMES = 24, 36, 32
BATCHES, MICRO = (4, 16), 4
PRECISIONS = ("float32", "mixed_bfloat16")
GPUS, USABLE = (24, 80), 0.9
"""GiB of GPUs, and the part of them that the CUDA context, kernels' scratch memory and gaps between tensors leave (assumed)."""
RECIPE_BATCH = 128


class Cell(NamedTuple):
    """A step whose memory is measured."""

    batch: int
    accumulate: int
    remat: bool
    precision: str

    @property
    def micro_batch(self) -> int:
        return -(-self.batch // self.accumulate)


class Memory(NamedTuple):
    """Bytes: of weights and moments, of one set of gradients, and what a step needs at its peak next to weights and moments."""

    state: int
    gradients: int
    step: int


class Line(NamedTuple):
    """Bytes of a step as a line over the videos of a micro-batch; several micro-batches need a set of gradients more."""

    fixed: float
    per_video: float
    memory: Memory

    def total(self, micro_batch: int, accumulates: bool) -> float:
        return self.memory.state + self.fixed + self.per_video * micro_batch + accumulates * self.memory.gradients

    def largest(self, limit: float, accumulates: bool) -> int:
        """Videos of the largest micro-batch."""
        return max(int((limit - self.total(0, accumulates)) / self.per_video), 0)


# --- in a process of its own ------------------------------------------------------------------------------------------


def make_trainer(cell: Cell, layers: int = LAYERS):
    from benchmarks.contest import base_model
    from vsim_tf.distributed.strategy import make_strategy
    from vsim_tf.presets import registry
    from vsim_tf.training import pretraining

    model = base_model("uniter").replace({
        "encoder.hidden_size": 1024, "encoder.num_layers": layers, "encoder.num_heads": 16, "encoder.intermediate_size": 4096,
        "text.max_length": TOKENS, "frames.max_frames": FRAMES,
    })  # fmt: skip
    batch, accumulate, remat, precision = cell
    stage = registry.preset("uniter").pretrain.replace(batch_size=batch, accumulate=accumulate, remat=remat, precision=precision)
    return pretraining.make_trainer(model, stage, make_strategy())


def make_batch(model, size: int):
    """Videos of full length."""
    from benchmarks.contest import video_batch

    return video_batch(model, np.full(size, TOKENS), np.full(size, FRAMES), trimmed=False).without_ids()


def status(name: str) -> int:
    """Bytes of this process: "VmRSS" now, "VmHWM" at most."""
    return 1024 * int(re.search(rf"{name}:\s+(\d+)", Path("/proc/self/status").read_text())[1])


def measure(cell: Cell) -> Memory:
    """A first step, with the implementations of layers that a GPU has."""
    import tensorflow as tf

    from vsim_tf.layers.kernels.choice import use_kernels

    with use_kernels(for_cpus=False):
        trainer = make_trainer(cell)
        batch = make_batch(trainer.network.config, cell.batch)
        trainer.compiled_step.get_concrete_function(tf.nest.map_structure(tf.TensorSpec.from_tensor, batch))
        before = status("VmRSS")
        trainer.train_step(batch)
    weights, slots = (sum(4 * tensor.shape.num_elements() for tensor in tensors) for tensors in (
        trainer.optimizer.variables, trainer.optimizer.slots.values(),
    ))  # fmt: skip
    return Memory(weights + slots, weights, status("VmHWM") - before)


def kept_per_video(precision: str, remat: bool) -> float:
    """Bytes of activations that the backward pass reads, counted in graphs of few layers: each layer adds the same."""
    from benchmarks.activations import kept_bytes
    from vsim_tf.layers.kernels.choice import use_kernels

    def kept(layers: int, videos: int) -> int:
        trainer = make_trainer(Cell(videos, 1, remat, precision), layers)
        batch = make_batch(trainer.network.config, videos)
        masked = round(0.15 * TOKENS * videos)
        with use_kernels(for_cpus=False):
            return kept_bytes(lambda: trainer.objective(trainer.network, batch)[0], trainer.optimizer.variables, masked)

    two, three = (kept(layers, 40) - kept(layers, 20) for layers in (2, 3))
    return (two + (LAYERS - 2) * (three - two)) / 20


# --- the table --------------------------------------------------------------------------------------------------------


def in_own_process(*arguments: object):
    """What this script prints for such arguments."""
    command = [sys.executable, "-m", "benchmarks.memory", *map(str, arguments)]
    result = subprocess.run(command, env=os.environ | BUFFERS_RETURNED, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def fits(expected: float) -> bool:
    from vsim_tf.io.memory import available_memory

    return expected < min(LIMIT, 0.9 * available_memory())


def row(*columns: object) -> None:
    print(f"| {' | '.join(map(str, columns))} |", flush=True)


def gib(size: float) -> str:
    return f"{size / GIB:.1f}"


def line(precision: str, remat: bool) -> Line:
    """Measures steps of two batches, then one in micro-batches, and prints them."""
    found = {batch: Memory(*in_own_process(*Cell(batch, 1, remat, precision))) for batch in BATCHES}
    per_video, fixed = np.polyfit(BATCHES, [memory.step for memory in found.values()], 1)
    fitted = Line(fixed, per_video, found[BATCHES[0]])
    for batch, memory in found.items():
        row(precision, yes(remat), batch, 1, gib(memory.state), gib(memory.step), "")
    cell = Cell(BATCHES[-1], BATCHES[-1] // MICRO, remat, precision)
    predicted = fitted.total(cell.micro_batch, accumulates=True) - fitted.memory.state
    measured = gib(Memory(*in_own_process(*cell)).step) if fits(predicted + 2 * fitted.memory.state) else "not measured"
    row(precision, yes(remat), cell.batch, cell.accumulate, gib(fitted.memory.state), measured, gib(predicted))
    return fitted


def yes(value: bool) -> str:
    return "yes" if value else "no"


def table() -> None:
    row("precision", "remat", "batch", "accumulate", "weights and moments, GiB", "step, GiB", "predicted")
    row("---", "---", *["---:"] * 5)
    lines = {case: line(*case) for case in itertools.product(PRECISIONS, (False, True))}
    print()
    row(
        "precision", "remat", "kept a video, MiB", "measured a video, MiB",
        *(f"{text}, {size} GiB" for size in GPUS for text in ("largest batch", f"batch {RECIPE_BATCH}")),
    )  # fmt: skip
    row("---", "---", *["---:"] * 6)
    for (precision, remat), fitted in lines.items():
        kept = in_own_process("kept", precision, remat)
        predictions = [text for size in GPUS for text in prediction(fitted, USABLE * size * GIB)]
        row(precision, yes(remat), f"{kept / 2**20:.0f}", f"{fitted.per_video / 2**20:.0f}", *predictions)


def prediction(fitted: Line, limit: float) -> tuple[str, str]:
    """The largest batch in one piece, and in how many micro-batches that of the recipe fits."""
    whole, micro = fitted.largest(limit, accumulates=False), fitted.largest(limit, accumulates=True)
    if whole >= RECIPE_BATCH:
        return str(whole), "accumulate 1"
    return str(whole), f"accumulate {-(-RECIPE_BATCH // micro)}" if micro else "none"


def main(arguments: Sequence[str]) -> None:
    match arguments:
        case ["kept", precision, remat]:
            print(json.dumps(kept_per_video(precision, remat == "True")))
        case [batch, accumulate, remat, precision]:
            print(json.dumps(measure(Cell(int(batch), int(accumulate), remat == "True", precision))))
        case _:
            table()


if __name__ == "__main__":
    main(sys.argv[1:])

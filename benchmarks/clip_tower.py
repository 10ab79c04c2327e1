"""CLIP's vision tower, ViT-B/32, 32 pictures of 224 x 224: features and training steps, compared with PyTorch's CLIPVisionModel.

Without arguments all, or for example: python -m benchmarks.clip_tower features float32

Processor time stands next to wall time, for machines that have other work. There PyTorch's threads need
OMP_WAIT_POLICY=PASSIVE, else they wait for each other in loops, and that is processor time too.
"""

import importlib.util
import sys
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contest import gemm_rate
from benchmarks.table import in_turn, median, row
from vsim_tf.inference.compiled_tower import rounded_tower
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import VisionTower

BATCH, ROUNDS = 32, 5
CONFIG = VisionConfig()
PRECISIONS = ("float32", "mixed_bfloat16")
PIXELS = np.random.default_rng(0).standard_normal((BATCH, 224, 224, 3), "float32")


def gflop() -> float:
    """Of the products of a forward pass."""
    tokens, width = 1 + CONFIG.grid**2, CONFIG.hidden_size
    block = 4 * width**2 + 2 * width * CONFIG.intermediate_size + 2 * tokens * width
    patches = CONFIG.grid**2 * 3 * CONFIG.patch_size**2 * width
    return 2e-9 * BATCH * (CONFIG.num_layers * tokens * block + patches)


def our_tower(precision: str) -> VisionTower:
    keras.config.set_dtype_policy(precision)
    tower = VisionTower(CONFIG)
    tower.build()
    return tower


def our_features(precision: str) -> Callable[[], object]:
    """Features of a batch, as `load_tower` computes them behind the pixel values."""
    tower, pixels = rounded_tower(our_tower("float32"), precision), tf.constant(PIXELS)
    features = tf.function(lambda: tf.cast(tower(pixels, training=False), tf.float32), autograph=False)
    return lambda: features().numpy()


def our_step(precision: str) -> Callable[[], object]:
    """The gradients of the sum of squared features; no update."""
    tower, pixels = our_tower(precision), tf.constant(PIXELS)

    @tf.function(autograph=False)
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.square(tf.cast(tower(pixels, training=True), tf.float32)))
        return loss, tape.gradient(loss, [variable.value for variable in tower.trainable_variables])  # all, or it would be pruned

    return lambda: float(step()[0])


def torch_model(half: bool):
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModel

    model = CLIPVisionModel(CLIPVisionConfig())
    pixels = torch.tensor(PIXELS.transpose(0, 3, 1, 2).copy())
    return (model.bfloat16(), pixels.bfloat16()) if half else (model, pixels)


def torch_features(precision: str, half: bool = False) -> Callable[[], object]:
    """The same by PyTorch; in bfloat16 by autocast, or with weights in half precision."""
    import torch

    model, pixels = torch_model(half)
    model.eval()

    def features():
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32" and not half):
            return model(pixels).pooler_output.float().numpy()

    return features


def torch_step(precision: str, half: bool = False) -> Callable[[], object]:
    """The same by PyTorch."""
    import torch

    model, pixels = torch_model(half)
    model.train()

    def step():
        model.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision != "float32" and not half):
            loss = model(pixels).pooler_output.float().square().sum()
        loss.backward()
        return float(loss.detach())

    return step


WORK = {"features": (our_features, torch_features, 1), "training step": (our_step, torch_step, 3)}
"""How ours and PyTorch's is made, and how many times the products of a forward pass it needs."""


def timed(work: Callable[[], object]) -> Iterator[Callable[[], float]]:
    """Two measures of the same call: it is made for the first, seconds; the second is seconds of all processors."""
    spent = []

    def wall() -> float:
        start, processor = time.perf_counter(), time.process_time()
        work()
        spent.append(time.process_time() - processor)
        return time.perf_counter() - start

    yield wall
    yield lambda: spent[-1]


def compare(name: str, precision: str):
    """Rows of ours, compared with matrix products and with PyTorch where it is installed."""
    ours, theirs, passes = WORK[name]
    works = {"ours": ours(precision)}
    if importlib.util.find_spec("torch"):
        works["PyTorch"] = theirs(precision)
        if precision != "float32":
            works["PyTorch in half precision"] = theirs(precision, half=True)
    measures: dict[str, Callable[[], float]] = {"gemm": lambda: gemm_rate(precision)}
    for peer, work in works.items():
        work()
        measures[peer], measures[f"{peer}, processor"] = timed(work)
    found = in_turn(ROUNDS, **measures)
    label, seconds, rates = f"vision tower, {name}, {precision}", median(found["ours"]), passes * gflop() / found["ours"]
    of_products = median(rates / found["gemm"])
    row(label, f"{seconds:.2f} s, {median(rates):.0f} GFLOP/s", f"GEMM {median(found['gemm']):.0f} GFLOP/s", of_products)
    for peer in [peer for peer in works if peer != "ours"]:
        row(label, f"{seconds:.2f} s", f"{peer} {median(found[peer]):.2f} s", median(found[peer] / found["ours"]))
        processor = {each: found[f"{each}, processor"] for each in ("ours", peer)}
        row(
            f"{label}, processor time", f"{median(processor['ours']):.2f} s", f"{peer} {median(processor[peer]):.2f} s",
            median(processor[peer] / processor["ours"]),
        )  # fmt: skip


def main(arguments: list[str]):
    names = [name for name in WORK if not arguments or name in arguments]
    for name in names:
        for precision in PRECISIONS:
            if precision in arguments or not set(PRECISIONS) & set(arguments):
                compare(name, precision)


if __name__ == "__main__":
    main(sys.argv[1:])

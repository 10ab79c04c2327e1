"""The 1st place at its published size: a pre-training step of batch 16, its matrix products and InfoNCE, and its embedding.

python -m benchmarks.large_step [float32|mixed_bfloat16] [--size=large|base|tiny]

Job 1 with 36 tokens, 32 frames and 10,000 tags; titles and videos are as long as the contest's, padding is computed, as in 2021.
Where PyTorch is installed, its step is compared, after losses and gradients without dropout have been found equal at tiny size.
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contest import base_model, contest_batches, contest_lengths, gemm_rate, step_gflop, video_batch
from benchmarks.embed import new_embedder, values
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.distributed.strategy import make_strategy
from vsim_tf.models.architectures import SingleStream
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.sequence import frame_sequence, text_sequence
from vsim_tf.presets import registry
from vsim_tf.presets.sizes import PUBLIC_SIZES, sized
from vsim_tf.records.schema import IGNORED_TOKEN, VideoBatch
from vsim_tf.runs.stage import Stage
from vsim_tf.tasks.objective import Objective
from vsim_tf.training.loop import Trainer
from vsim_tf.training.pretraining import make_trainer

MODEL, BATCH, PUBLISHED_BATCH, ROUNDS = "qq_job1", 16, 128, 5
PRECISIONS = ("float32", "mixed_bfloat16")
EMBEDDED, EMBEDDING_ROUNDS = 64, 2  # the batch is that of inference_pair.py by default
WANTED_INFO_NCE = 0.03
"""Share of a step of the published batch that the loss of masked frames may take."""
TOLERANCE = 1e-4
"""Relative difference from PyTorch's losses and gradients."""


def model_of(size: str, recipe: str = "2021") -> SingleStream:
    """The model at a size, as a recipe has it."""
    return sized(base_model(MODEL, recipe), size)


def stage_of(precision: str) -> Stage:
    """Pre-training with the batch that is measured."""
    return registry.preset(MODEL).pretrain.replace(batch_size=BATCH, precision=precision)


def masked_batch(config: SingleStream, tokens: np.ndarray, frames: np.ndarray) -> VideoBatch:
    """Videos of such lengths, padded; 15 % of the tokens behind [CLS] and 13.5 % of the frames are to be predicted."""
    batch, rng = video_batch(config, tokens, frames, trimmed=False), np.random.default_rng(1)
    shape = (len(frames), config.frames.max_frames)
    real = np.arange(shape[1]) < frames[:, None]
    masked = real & (rng.random(shape) < registry.preset(MODEL).pretrain.tasks["mfm"].probability)
    hidden = tf.constant(np.where(masked[:, :, None], 0, batch.frames))
    tokens = tf.where(tf.range(config.text.max_length) == 0, IGNORED_TOKEN, batch.targets["tokens"])
    added = {"tokens": tokens, "frames": batch.frames, "masked_frames": tf.constant(masked)}
    return batch._replace(frames=hidden, targets=batch.targets | added)


def step_batch(config: SingleStream) -> VideoBatch:
    """The batch of the measured step."""
    return masked_batch(config, *contest_lengths(BATCH))


def check_peer():
    """Stops if PyTorch's losses or gradients are not ours at tiny size, with the same weights and without dropout."""
    from benchmarks.torch_rank1 import Rank1, losses_and_norm

    without = {"encoder.hidden_dropout": 0.0, "encoder.attention_dropout": 0.0}
    config, stage = model_of("tiny").replace(without), stage_of("float32")
    trainer, batch, peer = make_trainer(config, stage, make_strategy()), step_batch(config), Rank1(config)
    peer.load(trainer.network)
    ours, theirs = our_losses_and_norm(trainer, batch), losses_and_norm(peer, stage, batch)
    off = max(abs(theirs[name] / ours[name] - 1) for name in ours)
    if not off < TOLERANCE:
        sys.exit(f"error: {ours}, of PyTorch {theirs}: this is no comparison of equal work")
    print(f"largest relative difference of PyTorch's losses and norm of gradients: {off:.1e}", flush=True)


def our_losses_and_norm(trainer: Trainer, batch: VideoBatch) -> dict[str, float]:
    """The weighted terms of the loss, their sum, and the norm of all its gradients together."""
    with tf.GradientTape() as tape:
        _, logs = trainer.objective(trainer.network, batch)
    gradients = tape.gradient(logs["loss"], trainer.optimizer.variables)
    norm = tf.linalg.global_norm([tf.convert_to_tensor(gradient) for gradient in gradients if gradient is not None])
    return {name: float(value) for name, value in (logs | {"norm": norm}).items()}


def info_nce(trainer: Trainer) -> Callable[[], float]:
    """The loss of masked frames with its head, forward and backward, in a batch of the published size full of frames."""
    network, task = trainer.network, trainer.stage.tasks["mfm"]
    config, head = network.config, network.heads["mfm"]
    full = [np.full(PUBLISHED_BATCH, length) for length in (config.text.max_length, config.frames.max_frames)]
    batch, objective = masked_batch(config, *full).without_ids(), Objective({"mfm": task})
    states = tf.random.normal((PUBLISHED_BATCH, config.text.max_length + config.frames.max_frames, config.encoder.hidden_size))

    @tf.function(autograph=False)
    def step(states, batch):
        text = text_sequence(states[:, : config.text.max_length], batch.attention_mask)
        frames = frame_sequence(states[:, config.text.max_length :], batch.num_frames, config.frames.max_frames)
        with tf.GradientTape() as tape:
            tape.watch(states)
            sequence = config.layout(text, frames, config.text.max_length, config.frames.max_frames)._replace(states=states)
            total, _ = objective.of_outputs(network, (VideoOutput(states[:, 0], {}, sequence),), batch)
        gradients = tape.gradient(total, [states, *(v.value for v in head.trainable_variables)])
        return tf.add_n([tf.reduce_sum(tf.cast(gradient, tf.float32)) for gradient in gradients])

    states = tf.cast(states, network.compute_dtype)
    return lambda: float(step(states, batch))


def compare(precision: str, size: str):
    """Rows of the training step: PyTorch, matrix products, InfoNCE."""
    config, stage = model_of(size), stage_of(precision)
    batch = step_batch(config)
    trainer = make_trainer(config, stage, make_strategy())
    steps = {"ours": lambda: float(trainer.train_step(batch.without_ids())["loss"]), "info_nce": info_nce(trainer)}
    if importlib.util.find_spec("torch"):
        from benchmarks.torch_rank1 import torch_step

        steps["torch"] = torch_step(config, stage, batch)
    for step in steps.values():
        step()
    measures = {name: lambda step=step: seconds(step) for name, step in steps.items()}
    positions = BATCH * (config.text.max_length + config.frames.max_frames)
    gemm = lambda: gemm_rate(precision, positions, config.encoder.hidden_size)  # noqa: E731
    found = in_turn(ROUNDS, gemm=gemm, **measures)
    report(f"{MODEL} pretrain step, {size}, {precision}", found, step_gflop(trainer, batch.without_ids()))


def report(work: str, found: dict[str, np.ndarray], gflop: float):
    """Rows of what was found; the step has so many GFLOP of matrix products."""
    ours, gemm, rates = median(found["ours"]), median(found["gemm"]), gflop / found["ours"]
    if "torch" in found:
        row(work, f"{ours:.2f} s", f"PyTorch BertModel {median(found['torch']):.2f} s", median(found["torch"] / found["ours"]))
    done = f"{gflop:.0f} GFLOP in {ours:.2f} s: {median(rates):.0f} GFLOP/s"
    row(f"{work}, its matrix products", done, f"GEMM {gemm:.0f} GFLOP/s", median(rates / found["gemm"]))
    share = median(found["info_nce"] / (found["ours"] * PUBLISHED_BATCH / BATCH))
    frames = f"{median(found['info_nce']):.2f} s, {100 * share:.2f} % of the step of batch {PUBLISHED_BATCH}"
    row(f"{work}, share of masked frames", frames, f"wanted {100 * WANTED_INFO_NCE:.0f} %", WANTED_INFO_NCE / share)


def embed(precision: str, size: str):
    """Row of embedding: recipe plus compared with 2021, which trims nothing."""
    keras.config.set_dtype_policy(precision)
    configs = {recipe: model_of(size, recipe) for recipe in ("2021", "plus")}
    batches = {recipe: contest_batches(config, EMBEDDED, trimmed=True) for recipe, config in configs.items()}
    embedders = {recipe: new_embedder(config) for recipe, config in configs.items()}

    def embedding(recipe: str) -> Callable[[], float]:
        return lambda: seconds(lambda: values(embedders[recipe], batches[recipe]))

    for recipe in configs:
        values(embedders[recipe], batches[recipe][:1])
    found = in_turn(EMBEDDING_ROUNDS, **{recipe: embedding(recipe) for recipe in configs})
    videos = EMBEDDED * len(batches["2021"])
    old, new = (f"{videos / median(found[recipe]):.1f} videos/s" for recipe in configs)
    row(f"embedding, {MODEL}, {size}, {precision}, `plus`", new, f"2021 {old}", median(found["2021"] / found["plus"]))


def main(arguments: list[str]):
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large_step")
    parser.add_argument("precision", nargs="?", choices=PRECISIONS)
    parser.add_argument("--size", choices=PUBLIC_SIZES, default="large")
    given = parser.parse_args(arguments)
    if not given.precision:  # in processes of their own: one that is over gives its memory back
        for precision in PRECISIONS:
            subprocess.run([sys.executable, "-m", "benchmarks.large_step", precision, f"--size={given.size}"], check=True)
        return
    if importlib.util.find_spec("torch"):
        check_peer()
    compare(given.precision, given.size)
    embed(given.precision, given.size)
    print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.1f} GiB")


if __name__ == "__main__":
    main(sys.argv[1:])

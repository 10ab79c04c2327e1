"""A training step of the base encoder at 64 positions, batch 32, compared with the rate of matrix products and with its peers.

Peers are measured where they are installed: PyTorch with transformers 5, or tf-keras with transformers 4.57, the last that has
TensorFlow models.
"""

import importlib.util

import keras
import numpy as np
import tensorflow as tf

from benchmarks.contest import base_model, encoder_gflop, gemm_rate
from benchmarks.table import in_turn, median, row, seconds
from vsim_tf.layers.transformer import TransformerEncoder
from vsim_tf.models.sequence import text_sequence
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.optim.schedules import LinearSchedule

BATCH, POSITIONS, ROUNDS = 32, 64, 5


def our_step(precision: str):
    """One update by the sum of squared states."""
    keras.config.set_dtype_policy(precision)
    encoder = TransformerEncoder(base_model("uniter").encoder)
    encoder.build()
    optimizer = GroupAdam(
        {"encoder": list(encoder.trainable_variables)}, {"encoder": LinearSchedule(peak=3e-5, warmup=10, horizon=100)}
    )
    ids, mask = tf.constant(np.random.default_rng(0).integers(1000, 20000, (BATCH, POSITIONS))), tf.ones((BATCH, POSITIONS))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            text = text_sequence(encoder.embed(ids, training=True), mask)
            states = encoder(text.states, text.mask, text.positions, training=True)
            loss = tf.reduce_mean(tf.square(tf.cast(states, tf.float32)))
        optimizer.apply(tape.gradient(loss, optimizer.variables), tf.constant(5))
        return loss

    return lambda: float(step())


def torch_step(precision: str):
    """The same with PyTorch and transformers, scaled dot product attention and fused Adam."""
    import torch
    from transformers import BertConfig, BertModel

    model = BertModel(BertConfig(attn_implementation="sdpa"), add_pooling_layer=False).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-6, fused=True)
    ids = torch.randint(1000, 20000, (BATCH, POSITIONS))

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "mixed_bfloat16"):
            loss = model(ids).last_hidden_state.float().square().mean()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step


def tf_keras_step(precision: str):
    """The same with tf-keras and transformers."""
    import tf_keras
    from transformers import BertConfig, TFBertModel

    tf_keras.mixed_precision.set_global_policy(precision)
    model, optimizer = TFBertModel(BertConfig(), add_pooling_layer=False), tf_keras.optimizers.Adam(1e-6)
    ids = tf.constant(np.random.default_rng(0).integers(1000, 20000, (BATCH, POSITIONS)))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(tf.cast(model(ids, training=True).last_hidden_state, tf.float32)))
        weights = model.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return loss

    return lambda: float(step())


PEERS = {"PyTorch BertModel": ("torch", torch_step), "tf-keras TFBertModel": ("tf_keras", tf_keras_step)}
"""Name -> package that must be there, and how its step is made."""


def compare(precision: str):
    """Rows of our step, compared with matrix products and with the steps of peers that are installed."""
    gflop = 3 * encoder_gflop(base_model("uniter"), BATCH, POSITIONS)
    steps = {"ours": our_step(precision)}
    steps |= {peer: make(precision) for peer, (package, make) in PEERS.items() if importlib.util.find_spec(package)}
    for step in steps.values():
        step()
    measures = {name: lambda step=step: seconds(step) for name, step in steps.items()}
    found = in_turn(ROUNDS, gemm=lambda: gemm_rate(precision), **measures)
    name, ours, rates = f"encoder training step, {precision}", median(found["ours"]), gflop / found["ours"]
    measured = f"{ours:.2f} s, {median(rates):.0f} GFLOP/s"
    row(name, measured, f"GEMM {median(found['gemm']):.0f} GFLOP/s", median(rates / found["gemm"]))
    for peer in (peer for peer in PEERS if peer in found):
        row(name, f"{ours:.2f} s", f"{peer} {median(found[peer]):.2f} s", median(found[peer] / found["ours"]))


def main():
    for precision in ("float32", "mixed_bfloat16"):
        compare(precision)


if __name__ == "__main__":
    main()

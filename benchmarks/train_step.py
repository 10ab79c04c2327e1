"""Training steps of whole base models on contest-like lengths, batch 32: all padding computed, trimmed, and recipe plus."""

import sys

import keras
import tensorflow as tf

from benchmarks.contest import base_config, contest_batches, gemm_rate, pair_batches
from benchmarks.table import medians, row
from vsim_tf.registry import RECIPES, model_spec
from vsim_tf.training.objectives import PairObjective, PretrainObjective
from vsim_tf.training.pretraining import make_trainer
from vsim_tf.training.strategy import make_strategy

BATCH = 32


def steps_of(config, stage: str, precision: str, trimmed: bool):
    """One pass over the batches that stand for a window; the trainer is traced once for all lengths."""
    pretraining = stage == "pretrain"
    batches = (contest_batches if pretraining else pair_batches)(config, BATCH, trimmed)
    training = model_spec(config.name).pretrain.replace(batch_size=BATCH, precision=precision)
    trainer = make_trainer(
        config, training, PretrainObjective() if pretraining else PairObjective(0.5), make_strategy(), pretraining
    )
    spec = tf.nest.map_structure(lambda x: tf.TensorSpec([None] * min(x.shape.rank, 2) + x.shape[2:], x.dtype), batches[0])
    trainer.compiled_step.get_concrete_function(spec)

    def run():
        for batch in batches:
            loss = trainer.train_step(batch)["loss"]
        float(loss)

    run()
    traces = trainer.compiled_step.experimental_get_tracing_count()
    assert traces == 1, f"{traces} traces"
    return run, len(batches)


def main(models=("uniter", "mix_nextvlad"), stages=("pretrain", "pair"), precisions=("float32", "mixed_bfloat16")):
    for model in models:
        for stage in stages:
            for precision in precisions:
                compare(model, stage, precision)


def compare(model: str, stage: str, precision: str):
    rate, times = gemm_rate(precision), {}
    variants = {"padded": ("2021", False), "2021": ("2021", True), "plus": ("plus", True)}
    for name, (recipe, trimmed) in variants.items():
        run, count = steps_of(base_config(model, **RECIPES[recipe].model), stage, precision, trimmed)
        times[name] = medians({name: run}, 2)[name] / count
        del run
        keras.backend.clear_session()
    for name in ("2021", "plus"):
        work = f"{model} {stage} step, {precision}, `{name}`"
        row(
            work,
            f"{times[name]:.2f} s",
            f"nothing trimmed {times['padded']:.2f} s (GEMM {rate:.0f} GFLOP/s)",
            times["padded"] / times[name],
        )


if __name__ == "__main__":
    main(*([[argument] for argument in sys.argv[1:4]] or []))

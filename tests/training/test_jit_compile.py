"""Steps compiled by XLA are the same steps."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.data.pipeline import TrainingData
from vsim_tf.training.objectives import PairObjective, PretrainObjective
from vsim_tf.training.pretraining import make_trainer

CASES = {"videos": (PretrainObjective(), toys.random_videos), "pairs": (PairObjective(0.5), toys.random_pairs)}
MODELS = ("uniter", "mix_nextvlad", "uniter_roformer", "mix_nextvlad_roformer")


def losses_and_weights(name: str, kind: str, file: str, jit_compile: bool, **changes):
    """Losses of three steps without dropout, and the weights after them."""
    objective, stage = CASES[kind][0], toys.stage(8, jit_compile=jit_compile)
    config = toys.model_config(name, dropout=0.0).replace(**changes)
    trainer = make_trainer(config, stage, objective, tf.distribute.get_strategy(), pretraining=kind == "videos")
    data = TrainingData([file], kind, toys.batch_format(), stage.batch_size, stage.seed, mask_words=kind == "videos")
    losses = [float(trainer.train_step(batch)["loss"]) for batch in data.batches().take(3)]
    return losses, np.concatenate([w.numpy().ravel() for w in trainer.state.weights.values()])


@pytest.mark.parametrize(
    ("name", "kind", "changes"),
    [
        ("uniter", "videos", {}),
        *(
            pytest.param(name, kind, {"ignore_padding": ignored}, marks=pytest.mark.slow)
            for name in MODELS for kind in CASES for ignored in (False, True)
        ),
    ],
)  # fmt: skip
def test_compiled_steps_are_the_same(name, kind, changes, tmp_path):
    file = toys.write_records(tmp_path / "records", CASES[kind][1](23))
    plain, compiled = (losses_and_weights(name, kind, file, jit, **changes) for jit in (False, True))
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-4)
    np.testing.assert_allclose(compiled[1], plain[1], atol=1e-3)

"""Steps compiled by XLA are the same steps."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.data.pipeline import TrainingData
from vsim_tf.training.objectives import PairObjective, PretrainObjective
from vsim_tf.training.pretraining import make_trainer

CASES = {"videos": (PretrainObjective(), toys.random_videos), "pairs": (PairObjective(0.5), toys.random_pairs)}


def losses_and_weights(name: str, kind: str, file: str, jit_compile: bool, ignore_padding: bool):
    """Losses of three steps without dropout, and the weights after them."""
    objective, stage = CASES[kind][0], toys.stage(8, jit_compile=jit_compile)
    config = toys.model_config(name, dropout=0.0).replace(ignore_padding=ignore_padding)
    trainer = make_trainer(config, stage, objective, tf.distribute.get_strategy(), pretraining=kind == "videos")
    data = TrainingData([file], kind, toys.batch_format(), stage.batch_size, stage.seed, mask_words=kind == "videos")
    losses = [float(trainer.train_step(batch)["loss"]) for batch in data.batches().take(3)]
    return losses, np.concatenate([w.numpy().ravel() for w in trainer.state.weights.values()])


SLOW = [("mix_nextvlad", "pairs", False), ("uniter", "pairs", True), ("uniter_roformer", "videos", False)]
SLOW += [("mix_nextvlad_roformer", "videos", True)]


@pytest.mark.parametrize(
    ("name", "kind", "ignore_padding"),
    [("uniter", "videos", False), *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_compiled_steps_are_the_same(name, kind, ignore_padding, tmp_path):
    file = toys.write_records(tmp_path / "records", CASES[kind][1](23))
    plain, compiled = (losses_and_weights(name, kind, file, jit, ignore_padding) for jit in (False, True))
    np.testing.assert_allclose(compiled[0], plain[0], rtol=1e-4)
    np.testing.assert_allclose(compiled[1], plain[1], atol=1e-3)

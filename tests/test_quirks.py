"""Quirks of the 2021 code that golden numbers cannot see (see docs/fidelity.md)."""

import numpy as np
import pytest
import toys
from keras import ops

from vsim_tf.input.pipeline import TrainingData
from vsim_tf.models.build import build_model
from vsim_tf.presets import registry
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.runs.checkpoints import random_states
from vsim_tf.tasks.objectives import call_model


def test_words_are_masked_in_training_and_never_in_validation(tmp_path):  # 16
    file = toys.write_records(tmp_path / "videos", toys.random_videos(40))
    training = TrainingData([file], "videos", toys.batch_format(), 40, seed=1, mask_words=True)
    masked = next(iter(training.batches()))
    (plain,) = toys.evaluation_batches([file], "videos", toys.batch_format(), 40)
    assert (masked.mlm_labels.numpy() != IGNORED_TOKEN).any()
    assert (plain.mlm_labels.numpy() == IGNORED_TOKEN).all()
    assert not (plain.input_ids.numpy() == toys.TOKENIZERS["bert"].mask_id).any()


def test_every_dropout_draws_its_own_mask():  # 17
    states = random_states(build_model(toys.model_config("mix_nextvlad", dropout=0.5)))
    assert len({tuple(state.numpy()) for state in states.values()}) == len(states) > 6


def test_the_roformer_mixture_pretrains_with_bce():  # 29
    assert registry.model_spec("mix_nextvlad_roformer").tag_loss == "bce"


def test_groups_reach_the_layer():  # 37
    model = build_model(toys.model_config("mix_nextvlad", vlad_groups=3))
    assert {layer.groups for layer in model.nextvlads} == {3}
    assert model.nextvlads[0].group_attention.kernel.shape[-1] == 3


@pytest.mark.parametrize("part", ["hidden_dropout", "attention_dropout", "dropout"])
def test_every_dropout_acts_in_training_alone(part):  # 39
    config = toys.model_config("mix_nextvlad", dropout=0.0)
    config = config.replace(dropout=0.5) if part == "dropout" else config.replace(encoder=config.encoder.replace(**{part: 0.5}))
    model = build_model(config)
    batch = toys.random_batch(config)
    vectors = [call_model(model, batch, training).text_vector for training in (True, True, False, False)]
    fused = [call_model(model, batch, training).expert_embeddings[0] for training in (True, True, False, False)]
    first, second, third, fourth = (ops.convert_to_numpy(x) for x in (fused if part == "dropout" else vectors))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(third, fourth)

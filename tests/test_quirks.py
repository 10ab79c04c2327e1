"""Quirks of the 2021 code that golden numbers cannot see (see docs/fidelity.md)."""

import numpy as np
import pytest
import toys
from keras import ops

from vsim_tf.input.pipeline import TrainingData
from vsim_tf.models.build import build_network
from vsim_tf.presets import registry
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.runs.weights import random_states
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.masked_tokens import MaskedTokens


def test_words_are_masked_in_training_and_never_in_validation(tmp_path):  # 16
    file = toys.write_records(tmp_path / "videos", toys.random_videos(40))
    training = TrainingData([file], "videos", toys.batch_format(), 40, seed=1, corruptions=[MaskedTokens().corrupt])
    masked = next(iter(training.batches()))
    (plain,) = toys.evaluation_batches([file], "videos", toys.batch_format(), 40)
    assert (masked.targets["tokens"].numpy() != IGNORED_TOKEN).any()
    assert "tokens" not in plain.targets
    assert not (plain.input_ids.numpy() == toys.TOKENIZERS["bert"].mask_id).any()


def test_every_dropout_draws_its_own_mask():  # 17
    states = random_states(build_network(toys.model("mix_nextvlad", dropout=0.5)))
    assert len({tuple(state.numpy()) for state in states.values()}) == len(states) > 6


def test_the_roformer_mixture_pretrains_with_bce():  # 29
    assert registry.preset("mix_nextvlad_roformer").pretrain.tasks["tag"].form == "bce"


def test_groups_reach_the_layer():  # 37
    model = build_network(toys.model("mix_nextvlad", groups=3))
    assert {layer.groups for layer in model.nextvlads} == {3}
    assert model.nextvlads[0].group_attention.kernel.shape[-1] == 3


@pytest.mark.parametrize("part", ["hidden_dropout", "attention_dropout", "dropout"])
def test_every_dropout_acts_in_training_alone(part):  # 39
    config = toys.model("mix_nextvlad", dropout=0.0)
    config = config.replace(dropout=0.5) if part == "dropout" else config.replace(encoder=config.encoder.replace(**{part: 0.5}))
    model = build_network(config)
    batch = toys.random_batch(config)
    vectors = [call_network(model, batch, training).experts.text for training in (True, True, False, False)]
    fused = [call_network(model, batch, training).experts.embeddings[0] for training in (True, True, False, False)]
    first, second, third, fourth = (ops.convert_to_numpy(x) for x in (fused if part == "dropout" else vectors))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(third, fourth)

"""What is differentiated and what is logged, term by term."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf import losses
from vsim_tf.models.build import build_model
from vsim_tf.presets.registry import ENSEMBLE_MODELS
from vsim_tf.records.schema import IGNORED_TOKEN
from vsim_tf.tasks.objectives import PairObjective, PretrainObjective, call_model, call_sides

NAMES = [make.__name__ for make in ENSEMBLE_MODELS]


def values(logs):
    return {name: float(value) for name, value in logs.items()}


def total_and_logs(objective, model, batch):
    total, logs = objective(model, batch, training=False)
    return float(total), values(logs)


@pytest.mark.parametrize("name", NAMES)
def test_pretraining_differentiates_the_batch_size_times_the_logged_mean(name):
    model = toys.model(name, True)
    total, logs = total_and_logs(PretrainObjective(), model, toys.random_batch(model.config, 6))
    assert logs.keys() == {"loss", *model.config.pretrain_losses}
    assert total == pytest.approx(6 * logs["loss"], rel=1e-5)
    assert logs["loss"] == pytest.approx(sum(logs[term] for term in model.config.pretrain_losses), rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_weights_of_pretraining_terms(name, monkeypatch):
    """Against a model whose terms all weigh 1."""
    model = toys.model(name, True)
    weights = model.config.pretrain_losses
    batch = toys.random_batch(model.config, 6)
    output = call_model(model, batch, training=False)
    _, weighted = total_and_logs(PretrainObjective(), model, batch)
    monkeypatch.setattr(model, "config", model.config.replace(pretrain_losses=dict.fromkeys(weights, 1.0)))
    plain = values(PretrainObjective.from_output(model, output, batch)[1])
    for term, weight in weights.items():
        assert weighted[term] == pytest.approx(weight * plain[term], rel=1e-5), term
        assert plain[term] != 0


def test_weights_are_those_of_2021():
    mixture = {"tag": 1.0, "expert_tags": 1.0, "regulariser": 10.0, "contrastive": 10 / 3}
    expected = {"uniter": {"tag": 1.0, "mlm": 10.0}, "uniter_asl": {"tag": 1.0, "mlm": 5.0}, "mix_nextvlad": mixture}
    for name, weights in expected.items():
        assert toys.model_config(name).pretrain_losses == pytest.approx(weights)


def test_masked_words_are_averaged_over_all_of_the_batch():
    model = toys.model("uniter", True)
    batch = toys.random_batch(model.config, 6)
    output = call_model(model, batch, training=False)
    logits = model.mlm_logits(output.token_states[:, : toys.TEXT]).numpy().astype(np.float64)
    labels = batch.mlm_labels.numpy()
    chosen = labels != IGNORED_TOKEN
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -log_p[chosen, labels[chosen]].mean()
    assert chosen.sum() > 3
    logs = values(PretrainObjective.from_output(model, output, batch)[1])
    assert logs["mlm"] == pytest.approx(10 * expected, rel=1e-5)


def test_a_batch_without_masked_words_has_no_word_loss_and_finite_gradients():
    model = toys.model("uniter", True)
    batch = toys.random_batch(model.config)
    batch = batch._replace(mlm_labels=tf.fill(batch.mlm_labels.shape, IGNORED_TOKEN))
    with tf.GradientTape() as tape:
        total, logs = PretrainObjective()(model, batch)
    assert float(logs["mlm"]) == 0
    gradients = tape.gradient(total, [v.value for v in model.trainable_variables])
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kl_weight", [0.5, 0.0])
def test_pair_loss_by_hand(name, kl_weight):
    model = toys.model(name)
    batch = toys.random_pair_batch(model.config, 5)
    total, logs = total_and_logs(PairObjective(kl_weight), model, batch)
    outputs = [call_model(model, side, training=False) for side in (batch.first, batch.second)]
    a, b = (o.embedding.numpy().astype(np.float64) for o in outputs)
    s = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    t = batch.similarity.numpy()
    tag_loss = losses.asymmetric_loss if model.config.tag_loss == "asl" else losses.bce_from_probabilities
    tags = [tag_loss(tf.sigmoid(o.tag_logits), side.tags) for o, side in zip(outputs, (batch.first, batch.second), strict=True)]
    clipped = np.clip(t, 1e-7, 1)
    expected = {
        "mse": np.square(s - t).sum(),
        "kl": kl_weight * (clipped * np.log(clipped / np.clip(s, 1e-7, 1))).sum(),
        "tag": np.mean(tags),
    }
    assert logs == pytest.approx(expected | {"loss": sum(expected.values())}, rel=1e-3, abs=1e-4)
    assert total == pytest.approx(10 * logs["loss"], rel=1e-5)


@pytest.mark.parametrize("name", ["mix_nextvlad", "uniter", "uniter_asl", "uniter_roformer"])
@pytest.mark.parametrize("ignore_padding", [False, True])
def test_sides_are_those_of_two_calls(name, ignore_padding):
    """However the videos are put together to save padding."""
    model = build_model(toys.model_config(name, ignore_padding=ignore_padding), pretraining=False)
    batch = toys.random_pair_batch(model.config, 7)
    for output, side in zip(call_sides(model, batch, training=False), (batch.first, batch.second), strict=True):
        alone = call_model(model, side, training=False)
        np.testing.assert_allclose(output.embedding, alone.embedding, atol=1e-5)
        np.testing.assert_allclose(output.tag_logits, alone.tag_logits, atol=1e-5)


@pytest.mark.parametrize("name", ["mix_nextvlad", "uniter_roformer"])
def test_frameless_and_textless_videos_have_finite_gradients(name):
    model = toys.model(name)
    batch = toys.random_pair_batch(model.config)
    empty = batch.first._replace(num_frames=tf.zeros_like(batch.first.num_frames), frames=tf.zeros_like(batch.first.frames))
    with tf.GradientTape() as tape:
        total, _ = PairObjective(0.5)(model, batch._replace(first=empty, second=empty))
    gradients = tape.gradient(total, [v.value for v in model.trainable_variables])
    assert np.isfinite(float(total))
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)

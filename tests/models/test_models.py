"""What both architectures return, what they read, and which weights train with which optimizer."""

import numpy as np
import pytest
import tensorflow as tf
import toys

from vsim_tf.models.build import build_model
from vsim_tf.models.mix_nextvlad import mixture
from vsim_tf.models.uniter import POOLINGS
from vsim_tf.presets.registry import ENSEMBLE_MODELS
from vsim_tf.tasks.objectives import PretrainObjective, call_model

EVERY_MODEL = pytest.mark.parametrize("name", [make.__name__ for make in ENSEMBLE_MODELS])
MIXTURES = pytest.mark.parametrize("name", ["mix_nextvlad", "mix_nextvlad_roformer"])


def embed(model, batch):
    return call_model(model, batch, training=False).embedding.numpy()


@EVERY_MODEL
def test_shapes(name):
    config = toys.model_config(name)
    output = call_model(toys.model(name), toys.random_batch(config, 3), training=False)
    assert output.embedding.shape == (3, 8)
    assert output.tag_logits.shape == (3, len(toys.TAGS))
    if config.architecture == "uniter":
        assert output.token_states.shape == (3, toys.TEXT + toys.FRAMES, 8)
    else:
        assert [x.shape for x in output.expert_logits] == [(3, len(toys.TAGS))] * 2
        assert [x.shape for x in output.expert_vectors] == [(3, 12)] * 2
        assert [x.shape for x in output.expert_embeddings] == [(3, 8)] * 2
        assert output.text_vector.shape == (3, 12)


@EVERY_MODEL
def test_videos_are_independent_where_the_configuration_says_so(name):
    """In training, and among the negatives of a loss, a video of a batch meets the others or does not."""
    model = build_model(toys.model_config(name, dropout=0.0), pretraining=True)
    batch = toys.random_batch(model.config, 6, seed=3)
    alone = tf.nest.map_structure(lambda x: x[:3], batch)
    whole, part = (call_model(model, videos, training=True).embedding.numpy() for videos in (batch, alone))
    differ = np.abs(whole[:3] - part).max() > 1e-5
    assert differ != model.config.videos_are_independent


@EVERY_MODEL
def test_text_and_frames_are_both_read(name):
    model = toys.model(name)
    batch = toys.random_batch(model.config, 3, seed=2)
    embedding = embed(model, batch)
    other_text = embed(model, batch._replace(input_ids=tf.where(batch.input_ids > 4, 6, batch.input_ids)))
    other_frames = embed(model, batch._replace(frames=-batch.frames))
    assert (np.abs(other_text - embedding).max(axis=1)[:2] > 1e-6).all()  # the last has an empty title
    assert (np.abs(other_frames - embedding).max(axis=1)[1:] > 1e-6).all()  # the first has no frames


@MIXTURES
def test_the_mixture_is_the_gated_sum_of_its_experts(name):
    model = toys.model(name)
    output = call_model(model, toys.random_batch(model.config), training=False)
    gate = output.gate.numpy()
    np.testing.assert_allclose(gate.sum(axis=1), 1, rtol=1e-6)
    assert np.ptp(gate) > 0
    for result, parts in ((output.embedding, output.expert_embeddings), (output.tag_logits, output.expert_logits)):
        np.testing.assert_allclose(result, sum(gate[:, k, None] * part.numpy() for k, part in enumerate(parts)), rtol=1e-5)
    assert (output.embedding.numpy() >= 0).all()


def test_mixture_by_hand():
    weights, vectors = np.float32([[0.25, 0.75]]), [np.float32([[4, 0]]), np.float32([[0, 8]])]
    np.testing.assert_array_equal(mixture(weights, vectors), [[1, 6]])


@MIXTURES
def test_a_video_without_frames_has_no_frame_vector(name):
    model = toys.model(name)
    output = call_model(model, toys.random_batch(model.config), training=False)
    for vector in output.expert_vectors:
        assert not vector.numpy()[0].any()
        assert vector.numpy()[1:].any(axis=1).all()
    assert np.isfinite(output.embedding.numpy()).all()


def test_masked_text_is_not_read_by_the_pooler_but_by_the_maximum():
    for name, read in (("mix_nextvlad", False), ("mix_nextvlad_roformer", True)):
        model = toys.model(name)
        batch = toys.random_batch(model.config)
        changed = batch._replace(input_ids=tf.where(batch.attention_mask == 1, batch.input_ids, 7))
        texts = [call_model(model, b, training=False).text_vector for b in (batch, changed)]
        assert np.allclose(*texts, atol=1e-5) != read


def test_poolings_by_hand():
    states = np.float32([[[1, 8], [3, 4], [9, 9]]])
    mask = np.array([[True, True, False]])
    expected = {"mean": [[13 / 3, 7]], "cls": [[1, 8]], "max": [[3, 8]]}
    assert POOLINGS.keys() == expected.keys()
    for name, pool in POOLINGS.items():
        np.testing.assert_allclose(pool(tf.constant(states), tf.constant(mask), 0), expected[name], rtol=1e-6)
    np.testing.assert_allclose(POOLINGS["mean"](states, mask, 2), [[(13 + 2 * 9) / 5, (21 + 2 * 9) / 5]], rtol=1e-6)
    np.testing.assert_allclose(POOLINGS["mean"](states, mask, None), [[2, 6]], rtol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_the_embedding_of_uniter_is_pooled_from_its_states(pooling):
    model = build_model(toys.model_config("uniter", pooling=pooling))
    batch = toys.random_batch(model.config)
    output = call_model(model, batch, training=False)
    frame_mask = np.arange(toys.FRAMES) < batch.num_frames.numpy()[:, None]
    mask = np.concatenate([batch.attention_mask.numpy() == 1, frame_mask], axis=1)
    np.testing.assert_allclose(output.embedding, POOLINGS[pooling](output.token_states, mask, 0), rtol=1e-5)
    np.testing.assert_allclose(output.tag_logits, model.classifier(output.embedding), rtol=1e-5)


@EVERY_MODEL
@pytest.mark.parametrize("pretraining", [True, False])
def test_every_trainable_weight_is_in_one_group(name, pretraining):
    """But for the embedding block where words are predicted: it is in both."""
    model = toys.model(name, pretraining)
    encoder, head = (list(group) for group in model.optimizer_groups().values())
    assert list(model.optimizer_groups()) == ["encoder", "head"]
    twice = {v.path for v in encoder} & {v.path for v in head}
    assert {v.path for v in encoder + head} == {v.path for v in model.trainable_variables}
    assert {v.path for v in encoder} == {v.path for v in model.encoder.trainable_variables}
    assert len(encoder) + len(head) == len(model.trainable_variables) + len(twice)
    if pretraining and model.config.architecture == "uniter":
        assert twice == {v.path for v in model.encoder.embedding_variables()}
        assert len(twice) == (5 if model.config.encoder.kind == "bert" else 4)
    else:
        assert not twice


@EVERY_MODEL
def test_the_word_head_exists_in_pretraining_of_uniter_alone(name):
    heads = [getattr(toys.model(name, p), "mlm", None) for p in (True, False)]
    assert (heads[0] is not None) == (toys.model_config(name).architecture == "uniter")
    assert heads[1] is None


@EVERY_MODEL
def test_every_trained_weight_gets_a_gradient(name):
    model = toys.model(name, True)
    with tf.GradientTape() as tape:
        total, _ = PretrainObjective()(model, toys.random_batch(model.config, 6))
    variables = model.trainable_variables
    gradients = tape.gradient(total, [v.value for v in variables])
    assert not [v.path for v, g in zip(variables, gradients, strict=True) if g is None]


@EVERY_MODEL
def test_names_of_head_weights_are_unique_and_complete(name):
    model = toys.model(name)
    names = model.head_weights()
    assert len(names) == len([v for v in model.weights if "seed" not in v.path]) - len(
        [v for v in model.encoder.weights if "seed" not in v.path]
    )
    assert not [n for n in names if n.startswith("encoder/")]

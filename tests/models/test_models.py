"""What both architectures return, what they read, and which weights train with which optimizer."""

import numpy as np
import pytest
import tensorflow as tf
import toys
from tiers import slow_but

from vsim_tf.models.build import build_network
from vsim_tf.models.mix_nextvlad import mixture
from vsim_tf.optim.groups import grouped
from vsim_tf.presets import registry
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.tags import Tags

EVERY_MODEL = pytest.mark.parametrize("name", slow_but(toys.QUICK_MODELS, toys.MODELS))
MIXTURES = pytest.mark.parametrize("name", ["mix_nextvlad", "mix_nextvlad_roformer"])


def embed(model, batch):
    return call_network(model, batch, training=False).embedding.numpy()


@EVERY_MODEL
def test_shapes(name):
    config = toys.model(name)
    output = call_network(toys.network(name, "pretrain"), toys.random_batch(config, 3), training=False)
    assert output.embedding.shape == (3, 8)
    assert output.logits["tags"].shape == (3, len(toys.TAGS))
    if output.sequence:
        assert output.sequence.states.shape == (3, toys.TEXT + toys.FRAMES, 16 if name in toys.JOBS else 8)
    else:
        assert [x.shape for x in output.experts.logits] == [(3, len(toys.TAGS))] * 2
        assert [x.shape for x in output.experts.vectors] == [(3, 12)] * 2
        assert [x.shape for x in output.experts.embeddings] == [(3, 8)] * 2
        assert output.experts.text.shape == (3, 12)


@EVERY_MODEL
def test_videos_are_independent_where_the_configuration_says_so(name):
    """In training, and among the negatives of a loss, a video of a batch meets the others or does not."""
    model = build_network(toys.model(name, dropout=0.0), toys.tasks(name, "pretrain").values())
    batch = toys.random_batch(model.config, 6, seed=3)
    alone = tf.nest.map_structure(lambda x: x[:3], batch)
    whole, part = (call_network(model, videos, training=True).embedding.numpy() for videos in (batch, alone))
    differ = np.abs(whole[:3] - part).max() > 1e-5
    assert differ != model.config.videos_are_independent


@EVERY_MODEL
def test_text_and_frames_are_both_read(name):
    model = toys.network(name)
    batch = toys.random_batch(model.config, 3, seed=2)
    embedding = embed(model, batch)
    other_text = embed(model, batch._replace(input_ids=tf.where(batch.input_ids > 4, 6, batch.input_ids)))
    other_frames = embed(model, batch._replace(frames=-batch.frames))
    assert (np.abs(other_text - embedding).max(axis=1)[:2] > 1e-6).all()  # the last has an empty title
    assert (np.abs(other_frames - embedding).max(axis=1)[1:] > 1e-6).all()  # the first has no frames


@MIXTURES
def test_the_mixture_is_the_gated_sum_of_its_experts(name):
    model = toys.network(name)
    output = call_network(model, toys.random_batch(model.config), training=False)
    gate = output.experts.gate.numpy()
    np.testing.assert_allclose(gate.sum(axis=1), 1, rtol=1e-6)
    assert np.ptp(gate) > 0
    for result, parts in ((output.embedding, output.experts.embeddings), (output.logits["tags"], output.experts.logits)):
        np.testing.assert_allclose(result, sum(gate[:, k, None] * part.numpy() for k, part in enumerate(parts)), rtol=1e-5)
    assert (output.embedding.numpy() >= 0).all()


def test_mixture_by_hand():
    weights, vectors = np.float32([[0.25, 0.75]]), [np.float32([[4, 0]]), np.float32([[0, 8]])]
    np.testing.assert_array_equal(mixture(weights, vectors), [[1, 6]])


@MIXTURES
def test_a_video_without_frames_has_no_frame_vector(name):
    model = toys.network(name)
    output = call_network(model, toys.random_batch(model.config), training=False)
    for vector in output.experts.vectors:
        assert not vector.numpy()[0].any()
        assert vector.numpy()[1:].any(axis=1).all()
    assert np.isfinite(output.embedding.numpy()).all()


def test_masked_text_is_not_read_by_the_pooler_but_by_the_maximum():
    for name, read in (("mix_nextvlad", False), ("mix_nextvlad_roformer", True)):
        model = toys.network(name)
        batch = toys.random_batch(model.config)
        changed = batch._replace(input_ids=tf.where(batch.attention_mask == 1, batch.input_ids, 7))
        texts = [call_network(model, b, training=False).experts.text for b in (batch, changed)]
        assert np.allclose(*texts, atol=1e-5) != read


def test_the_embedding_of_uniter_is_pooled_from_its_states():
    for pooling in ("mean", "cls", "max"):
        network = build_network(toys.model("uniter", pooling=pooling), [Tags()])
        batch = toys.random_batch(network.config)
        output = call_network(network, batch, training=False)
        frame_mask = np.arange(toys.FRAMES) < batch.num_frames.numpy()[:, None]
        mask = np.concatenate([batch.attention_mask.numpy() == 1, frame_mask], axis=1)
        np.testing.assert_array_equal(output.sequence.mask, mask)
        np.testing.assert_allclose(
            output.embedding,
            network.config.pooling(output.sequence.states, output.sequence.counted(network.config.pooling.reads_padding)),
            rtol=1e-5,
        )
        np.testing.assert_allclose(output.logits["tags"], network.classifier(output.embedding), rtol=1e-5)


@pytest.mark.parametrize("name", toys.RANK_4)
@pytest.mark.parametrize("kind", ["pretrain", "finetune"])
def test_every_trainable_weight_is_in_one_group(name, kind):
    """But for the embedding block where tokens are predicted: it is in both."""
    network = toys.network(name, kind)
    groups = grouped(network, getattr(registry.preset(name), kind).groups)
    assert list(groups) == ["encoder", "head"]
    encoder, head = groups.values()
    twice = {v.path for v in encoder} & {v.path for v in head}
    assert {v.path for v in encoder + head} == {v.path for v in network.trainable_variables}
    assert {v.path for v in encoder} == {v.path for v in network.encoder.trainable_variables}
    assert len(encoder) + len(head) == len(network.trainable_variables) + len(twice)
    if "mlm" in toys.tasks(name, kind):
        embedding, project = network.encoder.embedding, network.encoder.embedding.project
        apart = {v.path for v in project.trainable_variables} if project else set()
        assert twice == {v.path for v in embedding.trainable_variables} - apart
        assert len(twice) == (5 if network.config.encoder.kind == "bert" else 4)
    else:
        assert not twice


@pytest.mark.parametrize("name", toys.JOBS)
@pytest.mark.parametrize("kind", ["pretrain", "finetune"])
def test_every_weight_of_the_1st_place_is_in_one_group_and_decays_by_its_name(name, kind):
    """The heads of tokens and frames and the frame block have the encoder's rate (rank-1 quirk 5)."""
    network, stage = toys.network(name, kind), getattr(registry.preset(name), kind)
    groups, names = grouped(network, stage.groups), {id(v): path for path, v in network.weights_by_name().items()}
    encoder, head = ({names[id(v)] for v in groups[group]} for group in ("encoder", "head"))
    assert encoder | head == {names[id(v)] for v in network.trainable_variables} and not encoder & head
    heads = {"mlm", "mfm"} if kind == "pretrain" else set()
    assert {path.split("/")[0] for path in encoder} == {"encoder", "frame_block"} | heads
    pool = {"attention_pool"} if name == "qq_job4" else set()
    assert {path.split("/")[0] for path in head} == {"fc"} | pool | ({"classifier"} if kind == "pretrain" else set())
    plain = {path for path in encoder | head if not stage.optimizer.decay_of(path)}
    assert plain == {path for path in encoder | head if path.endswith(("bias", "norm/beta", "norm/gamma"))}


@EVERY_MODEL
def test_heads_of_tokens_and_frames_exist_in_pretraining_alone(name):
    heads = [toys.network(name, kind).heads.keys() for kind in ("pretrain", "finetune")]
    expected = {"mlm", "mfm"} if name in toys.JOBS else {"mlm"} if name.startswith("uniter") else set()
    assert heads == [expected, set()]


@EVERY_MODEL
def test_every_trained_weight_gets_a_gradient(name):
    """But for the way to the embedding where tags are those of [CLS] (rank-1 quirk 2)."""
    model = toys.network(name, "pretrain")
    with tf.GradientTape() as tape:
        total, _ = Objective(toys.tasks(name, "pretrain"))(model, toys.random_batch(model.config, 6))
    variables = model.trainable_variables
    gradients = tape.gradient(total, [v.value for v in variables])
    without = {v.path.split("/")[1] for v, g in zip(variables, gradients, strict=True) if g is None}
    assert without == {"qq_job1": {"fc"}, "qq_job4": {"fc", "attention_pool"}}.get(name, set())


@EVERY_MODEL
def test_names_of_head_weights_are_unique_and_complete(name):
    model = toys.network(name)
    names = model.head_weights()
    assert len(names) == len([v for v in model.weights if "seed" not in v.path]) - len(
        [v for v in model.encoder.weights if "seed" not in v.path]
    )
    assert not [n for n in names if n.startswith("encoder/")]

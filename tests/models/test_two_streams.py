"""Models with a stream for text and one for frames, pooled states, and towers: shapes, what is read, what pads."""

import numpy as np
import pytest
import tensorflow as tf
import toy_short_videos
import toys

from vsim_tf.errors import UserError
from vsim_tf.layers.vision_config import VisionConfig
from vsim_tf.layers.vision_tower import pixel_values
from vsim_tf.models.build import build_network
from vsim_tf.models.model import Model
from vsim_tf.models.projections import PooledStates
from vsim_tf.optim.groups import grouped
from vsim_tf.presets.sizes import TOWERS, sized
from vsim_tf.tasks.forward import call_network
from vsim_tf.tasks.objective import Objective

EVERY_MODEL = pytest.mark.parametrize("name", toys.RANK_8)
DIMS = {"wbdc_single": 16, "wbdc_clip": 16, "wbdc_1": 16, "wbdc_3": 32}
STREAMS = pytest.mark.parametrize("name", ["wbdc_clip", "wbdc_3"])


@pytest.fixture(scope="module", params=toys.RANK_8)
def network(request):
    """The network of a model with the heads of its stage, without dropout."""
    return build_network(toys.model(request.param, dropout=0.0), toys.tasks(request.param, "stage").values())


def outputs(network, batch):
    """The embedding, and the text's vector where there is one."""
    output = call_network(network, batch, training=False)
    return [vector.numpy() for vector in (output.embedding, output.text) if vector is not None]


def batch_of(network, size=4, seed=0):
    return toy_short_videos.clean_batch(network.config, size, seed)


def test_shapes(network):
    output, model = call_network(network, batch_of(network, 3), training=False), network.config
    assert output.embedding.shape == (3, DIMS[model.name]) and output.embedding.shape[1] == model.dim
    assert output.embedding.dtype == tf.float32
    assert (output.text is not None) == (model.type_name == "dual_encoder")
    if output.sequence:
        assert output.sequence.states.shape == (3, toys.TEXT + toys.FRAMES, 16)


def test_pooled_states_are_the_plain_mean_of_all_positions():
    """Padding included (docs/facts_rank8.md 4)."""
    network = build_network(toys.model("wbdc_single"))
    output = call_network(network, batch_of(network), training=False)
    np.testing.assert_allclose(output.embedding, output.sequence.states.numpy().mean(axis=1), rtol=1e-5, atol=1e-6)
    assert PooledStates().dense(8, 16) is None and PooledStates().state_size(0, 16) == 16
    assert not [name for name in network.weights_by_name() if name.startswith("fc")]


def test_text_and_frames_are_both_read(network):
    batch = batch_of(network)
    before = outputs(network, batch)
    other_text = outputs(network, batch._replace(input_ids=tf.where(batch.input_ids > 4, 6, batch.input_ids)))
    other_frames = outputs(network, batch._replace(frames=other(batch.frames)))
    differ = [[np.abs(a - b).max() > 1e-4 for a, b in zip(before, after, strict=True)] for after in (other_text, other_frames)]
    expected = [[False, True], [True, False]] if network.config.name == "wbdc_clip" else [[True], [True]]
    assert differ == expected


def other(frames):
    return 255 - frames if frames.dtype == tf.uint8 else -frames


def test_videos_do_not_see_each_other(network):
    batch = batch_of(network, 6)
    alone = tf.nest.map_structure(lambda x: x[:3], batch)
    for whole, part in zip(outputs(network, batch), outputs(network, alone), strict=True):
        np.testing.assert_allclose(whole[:3], part, rtol=1e-4, atol=1e-5)


def test_what_stands_at_padded_frames_does_not_matter(network):
    """Pixel values there are 0 for the tower (docs/facts_rank8.md 2 and 6), features are padded with zeros when they are read."""
    if not network.config.tower:
        return
    batch = batch_of(network, 6)
    real = tf.sequence_mask(batch.num_frames, toys.FRAMES)[..., None, None, None]
    assert not tf.reduce_all(real)
    changed = batch._replace(frames=tf.where(real, batch.frames, 99))
    for before, after in zip(outputs(network, batch), outputs(network, changed), strict=True):
        np.testing.assert_array_equal(before, after)


def test_bytes_and_pixel_values_are_the_same_pictures(network):
    if not network.config.tower:
        return
    batch = batch_of(network, 3)
    pixels = pixel_values(batch.frames)
    for before, after in zip(outputs(network, batch), outputs(network, batch._replace(frames=pixels)), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-4, atol=1e-5)


@STREAMS
@pytest.mark.parametrize("padding", [True, False])
def test_padding_is_pooled_unless_left_out(name, padding):
    """Its states depend on real ones; its number changes a mean that has it."""
    network = build_network(toys.model(name, {"pooling.padding": padding}, dropout=0.0))
    batch = batch_of(network, 6)
    longer = batch._replace(
        input_ids=tf.pad(batch.input_ids, [[0, 0], [0, 3]]), attention_mask=tf.pad(batch.attention_mask, [[0, 0], [0, 3]])
    )
    text = -1  # of two streams the text is the second part of the embedding, of a dual encoder the second vector
    before, after = outputs(network, batch)[text], outputs(network, longer)[text]
    assert (np.abs(after - before).max() > 1e-3) == padding


def test_the_embedding_of_two_streams_is_vision_then_text():
    network = build_network(toys.model("wbdc_3", dropout=0.0))
    batch = batch_of(network)
    features = network.features(batch.frames, batch.num_frames)
    mask = network.vision_mask(features, batch.num_frames)
    np.testing.assert_array_equal(mask, tf.sequence_mask(batch.num_frames + 1, 1 + toys.FRAMES))
    vision = network.frame_block.with_class_vector(features)
    assert vision.shape == (4, 1 + toys.FRAMES, 16) and not vision.numpy()[:, 0].any()  # the class vector begins with zeros
    for layer in network.cross:
        layer.text.output_norm.gamma.assign(tf.zeros(16))  # text states are then all the same
    embedding = call_network(network, batch, training=False).embedding.numpy()
    np.testing.assert_allclose(embedding[:, 16:], embedding[:1, 16:].repeat(4, axis=0), atol=1e-6)
    assert np.ptp(embedding[:, :16], axis=0).max() > 1e-4


@pytest.mark.parametrize(("dim", "projects"), [(16, False), (6, True)])
def test_features_of_another_width_go_through_a_dense_layer(dim, projects):
    model = toys.model("wbdc_3").with_tower(None).replace({"frames.dim": dim})
    names = build_network(model).weights_by_name()
    assert ("frame_block/project/kernel" in names) == projects


def test_every_weight_gets_a_gradient(network):
    """No idle weight is built: no pooler, no head of another stage, no table that nothing looks up."""
    tasks = toys.tasks(network.config.name, "stage")
    with tf.GradientTape() as tape:
        total, _ = Objective(tasks)(network, toy_short_videos.training_batch(network.config, tasks, 8))
    variables = network.trainable_variables
    gradients = tape.gradient(total, [v.value for v in variables])
    assert not [v.path for v, g in zip(variables, gradients, strict=True) if g is None]


def test_padding_tokens_get_no_gradient(network):
    """Rank-8 quirk 22: though the mean reads them."""
    tasks, word = toys.tasks(network.config.name, "stage"), network.encoder.embedding.word
    batch = toy_short_videos.training_batch(network.config, tasks, 8)
    assert tf.reduce_any(batch.input_ids == 0)
    with tf.GradientTape() as tape:
        total, _ = Objective(tasks)(network, batch)
    gradient = tf.convert_to_tensor(tape.gradient(total, word.value)).numpy()
    assert not gradient[0].any() and gradient[2].any()  # [PAD], [CLS]


def test_every_weight_is_in_one_group(network):
    stage = toys.registered(network.config.name).stage
    groups = grouped(network, stage.groups)
    assert sorted(id(v) for group in groups.values() for v in group) == sorted(id(v) for v in network.trainable_variables)
    assert all(groups.values())


# --- towers -----------------------------------------------------------------------------------------------------------


@EVERY_MODEL
def test_it_survives_json(name):
    model = toys.registered(name).model
    assert Model.from_dict(model.to_dict()) == model


def test_another_tower_changes_the_feature_dimension_and_the_sizes_of_pictures():
    """224 · 256/224 = 256; 64 · 256/224 = 73.1."""
    model = toys.registered("wbdc_3").model
    small = model.with_tower(TOWERS["tiny"])
    assert (model.frames.resize, small.frames.resize, small.frames.dim) == (256, 73, 128)
    assert small.tower == TOWERS["tiny"].replace(trainable_blocks=2)  # of three that are trained, it has two
    assert small.frame_shape == (64, 64, 3)
    assert model.with_tower(VisionConfig()).tower.trainable_blocks == 3


def test_without_a_tower_features_are_read():
    model = toys.registered("wbdc_1").model.with_tower(None)
    assert model.tower is None and model.frames.resize == 0 and model.frame_shape == (768,)
    assert model.with_tower(VisionConfig()) == toys.registered("wbdc_1").model


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames.dim": 512}, "dim=512: the tower makes features of hidden_size=768"),
        ({"frames.resize": 223}, "resize=223: at least picture_size=224"),
        ({"embedding_size": 256}, "embedding_size=256: 0 is needed, the embedding is pooled states"),
        ({"pooling": "pooler"}, "pooling='pooler': pools the text encoder of MixNextVLAD"),
        ({"vision_layers": 0}, "vision_layers=0"),
        ({"num_classes": -1}, "num_classes=-1"),
    ],
)
def test_what_two_streams_refuse(changes, message):
    with pytest.raises(UserError, match=message):
        toys.registered("wbdc_3").model.replace(changes)


def test_a_dual_encoder_needs_a_tower_as_wide_as_its_states():
    model = toys.registered("wbdc_clip").model
    with pytest.raises(UserError, match="tower=None: this model reads pictures and needs one"):
        model.with_tower(None)
    with pytest.raises(UserError, match="dim=128: features must be as wide as states, hidden_size=768"):
        model.with_tower(TOWERS["tiny"])


@pytest.mark.parametrize("size", ["base", "large", "tiny", "debug"])
@EVERY_MODEL
def test_sizes(name, size):
    """A dual encoder has no large size: its tower would be narrower than its text encoder."""
    if (name, size) == ("wbdc_clip", "large"):
        with pytest.raises(UserError, match="hidden_size=1024"):
            sized(toys.registered(name).model, size)
        return
    model = sized(toys.registered(name).model, size)
    assert model.embedding_size == 0 and model.text.max_length <= model.encoder.max_positions
    if model.tower:
        assert model.frames.dim == model.tower.hidden_size

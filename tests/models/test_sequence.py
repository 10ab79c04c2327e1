"""Where states of tokens and frames stand in every layout, with and without padding."""

import numpy as np
import pytest
import tensorflow as tf
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from vsim_tf.layers.dropout import Dropout
from vsim_tf.models.build import build_network
from vsim_tf.models.layouts import ClsFirst, FramesFirst, Layout, TextFirst
from vsim_tf.models.sequence import Sequence, frame_sequence, text_sequence
from vsim_tf.runs.weights import model_weights
from vsim_tf.tasks.forward import call_network

LAYOUTS = [TextFirst(), ClsFirst(), FramesFirst()]
EVERY_LAYOUT = pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.type_name)
TEXT, FRAMES = 5, 3
LENGTHS, NUM_FRAMES = np.array([5, 3, 2]), np.array([0, 3, 2], "int32")


def states_of(kind: int, videos: int, length: int) -> np.ndarray:
    """`[videos, length, 3]`: every state says which it is, as video, kind and place."""
    video, place = np.mgrid[:videos, :length]
    return np.stack([video, np.full_like(video, kind), place], axis=-1).astype("float32")


def sequence(layout: Layout, lengths=LENGTHS, num_frames=NUM_FRAMES, text=TEXT, frames=FRAMES) -> Sequence:
    """Tokens (kind 0) and frames (kind 1) of some videos, trimmed to so many positions."""
    videos = len(lengths)
    mask = (np.arange(text) < lengths[:, None]).astype("int32")
    tokens = text_sequence(tf.constant(states_of(0, videos, text)), tf.constant(mask))
    of_frames = frame_sequence(tf.constant(states_of(1, videos, frames)), tf.constant(num_frames), FRAMES)
    return layout(tokens, of_frames, TEXT, FRAMES)


T, F = (["t0", "t1", "t2", "t3", "t4"], ["f0", "f1", "f2"])


@pytest.mark.parametrize(
    ("layout", "expected", "spans"),
    [
        (TextFirst(), [*T, *F], {"cls": (0, 1), "text": (0, 5), "frames": (5, 8)}),
        (ClsFirst(), [T[0], *F, *T[1:]], {"cls": (0, 1), "text": (4, 8), "frames": (1, 4)}),
        (FramesFirst(), [*F, *T], {"cls": (3, 4), "text": (3, 8), "frames": (0, 3)}),
    ],
)
def test_order(layout, expected, spans):
    """[CLS] is t0; where it stands apart from the other tokens, it is none of the text."""
    found = sequence(layout)
    assert [f"{'tf'[int(kind)]}{int(place)}" for _, kind, place in found.states[1].numpy()] == expected
    assert {name: tuple(map(int, span)) for name, span in found.spans.items()} == spans
    real = {f"t{i}" for i in range(3)} | {f"f{i}" for i in range(3)}
    assert found.mask[1].numpy().tolist() == [name in real for name in expected]
    assert found.positions.numpy().tolist() == list(range(8))


@EVERY_LAYOUT
def test_rotary_positions_do_not_depend_on_trimming(layout):
    whole, cut = sequence(layout), sequence(layout, lengths=LENGTHS[1:], num_frames=NUM_FRAMES[1:] - 1, text=4, frames=2)
    position_of = {tuple(state[1:]): position for state, position in zip(whole.states[0].numpy(), whole.positions, strict=True)}
    for state, position in zip(cut.states[0].numpy(), cut.positions.numpy(), strict=True):
        assert position == position_of[tuple(state[1:])]
    counts = dict(zip(map(tuple, cut.states[0].numpy()[:, 1:]), cut.counts.numpy(), strict=True))
    assert [counts[1, place] for place in range(2)] == [1, 2]  # of three slots
    assert [counts[0, place] for place in range(4)] == [1] * 4


@EVERY_LAYOUT
@given(data=st.data())
@settings(max_examples=20)
def test_states_of_masked_tokens_and_frames_are_found_packed_or_not(layout, data):
    """Each state says which it is. [CLS] is never masked."""
    lengths = np.array(data.draw(st.lists(st.integers(2, TEXT), min_size=1, max_size=4)))
    num_frames = np.array([data.draw(st.integers(0, FRAMES)) for _ in lengths], "int32")
    whole = sequence(layout, lengths, num_frames)
    packed = whole.packed()
    for kind, (name, first, count) in enumerate((("text", 1, lengths), ("frames", 0, num_frames))):
        width = (TEXT, FRAMES)[kind]
        places = [(video, place) for video in range(len(lengths)) for place in range(first, count[video])]
        indices = tf.constant(np.array(places).reshape(-1, 2), tf.int64)
        expected = np.array([[video, kind, place] for video, place in places], "float32").reshape(-1, 3)
        for each in (whole, packed):
            found = each.places(name, indices, width)
            assert found.dtype == indices.dtype
            np.testing.assert_array_equal(tf.gather_nd(each.states, found), expected)
    for each in (whole, packed):
        np.testing.assert_array_equal(each.first("cls"), [[video, 0, 0] for video in range(len(lengths))])
    assert packed.states.shape[1] == (lengths + num_frames).max()
    assert packed.mask.numpy().sum(axis=1).tolist() == (lengths + num_frames).tolist()


def embeddings_by_layout(name: str, changes) -> list[np.ndarray]:
    """Embeddings of the same videos by networks with the same weights, ten times those of a new network."""
    weights: dict[str, np.ndarray] = {}
    embeddings = []
    for layout in LAYOUTS:
        network = build_network(toys.model(name, {"layout": layout.type_name} | changes, dropout=0.0))
        weights = weights or {path: 10 * weight.numpy() for path, weight in model_weights(network).items()}
        for path, weight in model_weights(network).items():
            weight.assign(weights[path])
        embeddings.append(call_network(network, toys.random_batch(network.config, 5), training=False).embedding.numpy())
    return embeddings


PACKED = {"pooling": {"type": "attention", "padding": False}, "pack": True}


@pytest.mark.parametrize("changes", [{}, PACKED], ids=["mean", "packed attention"])
def test_the_order_does_not_matter_without_rotary_positions(changes):
    """The positions of tokens and of frames are those of their own tables, so attention sees the same set of states."""
    first, *others = embeddings_by_layout("qq_job1", changes)
    for embeddings in others:
        np.testing.assert_allclose(embeddings, first, atol=1e-5)
    assert np.ptp(first, axis=0).max() > 1e-2


def test_the_order_matters_with_rotary_positions():
    first, second, third = embeddings_by_layout("uniter_roformer", {})
    assert min(np.abs(first - second).max(), np.abs(first - third).max()) > 1e-3


def test_dropout_of_the_frame_block_acts_in_training_alone():
    """`training` reaches it through Keras, not as an argument."""
    network = build_network(toys.model("qq_job1", {"encoder.attention_dropout": 0.0, "encoder.hidden_dropout": 0.5}))
    batch = toys.random_batch(network.config)
    for layer in network.encoder._flatten_layers():
        if isinstance(layer, Dropout):
            layer.rate = 0.0
    embeddings = [call_network(network, batch, training).embedding.numpy() for training in (True, True, False, False)]
    assert np.abs(embeddings[0] - embeddings[1]).max() > 1e-3
    np.testing.assert_array_equal(*embeddings[2:])
    network.frame_map.dropout.rate = 0.0
    np.testing.assert_array_equal(call_network(network, batch, training=True).embedding, embeddings[2])

"""Embedding videos by one checkpoint or several, and scoring them."""

from types import SimpleNamespace

import numpy as np
import pytest
import toys

from vsim_tf.errors import UserError
from vsim_tf.evaluation.evaluators import PairEvaluator, VideoEvaluator
from vsim_tf.evaluation.metrics import cosine_similarity, spearman
from vsim_tf.inference.embedder import Embedder, chunks
from vsim_tf.input.pipeline import numbered_batches
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.records.labels import Pair
from vsim_tf.runs import held_weights
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.held_weights import HeldWeights
from vsim_tf.runs.stage import Selection
from vsim_tf.runs.weights import model_weights, restore_weights

pytestmark = pytest.mark.optimised_graphs
RECORDS = {"videos": toys.random_videos, "pairs": toys.random_pairs}


@pytest.fixture(scope="module")
def embedder():
    return Embedder(build_network(toys.model("uniter"), toys.tasks("uniter", "finetune").values()))


def batches(tmp_path, records, size=4, kind="videos"):
    return numbered_batches([toys.write_records(tmp_path / kind, records)], kind, toys.batch_format(), size)


@pytest.fixture
def checkpoints(embedder, tmp_path):
    """Two checkpoints with different weights."""
    state = TrainingState(embedder.model, GroupAdam({}, {}), Selection())
    paths = []
    for number in (1, 2):
        for weight in model_weights(embedder.model).values():
            weight.assign(weight + 0.05 * number)
        state.step.assign(number)
        state.save_last(tmp_path)
        paths.append(newest_checkpoint(tmp_path, "last"))
    return paths


def test_embeddings_stand_in_the_order_of_the_records(embedder, tmp_path):
    result = embedder.embed(batches(tmp_path, toys.random_videos(11)))
    assert result.ids == [f"v{i}" for i in range(11)]
    assert result.values.shape == (11, 8)
    assert result.values.dtype == np.float32
    assert np.isfinite(result.values).all()


@pytest.mark.parametrize("available", [0, 10**12])
@pytest.mark.parametrize("videos", [1, 5, 4096])
def test_one_pass_for_many_checkpoints(embedder, checkpoints, tmp_path, monkeypatch, videos, available):
    """The same bits from weights in memory and from weights restored for each lot of videos."""
    monkeypatch.setattr(held_weights, "VIDEOS_AT_A_TIME", videos)
    monkeypatch.setattr(held_weights, "available_memory", lambda: available)
    restored = []
    monkeypatch.setattr(held_weights, "restore_weights", lambda *given: (restored.append(given), restore_weights(*given)))
    data = batches(tmp_path, toys.random_videos(11))
    held = HeldWeights(embedder.model, checkpoints)
    assert held.in_memory == bool(available)
    together = embedder.embed_by_checkpoints(data, checkpoints, held)
    again = embedder.embed_by_checkpoints(data, checkpoints, held)
    lots = 2 * {1: 3, 5: 2, 4096: 1}[videos]
    assert len(restored) == (2 if available else 2 * lots)
    for first, second in zip(together, again, strict=True):
        np.testing.assert_array_equal(first.values, second.values)
    for checkpoint, result in zip(checkpoints, together, strict=True):
        restore_weights(embedder.model, checkpoint)
        expected = embedder.embed(data)
        assert result.ids == expected.ids
        np.testing.assert_array_equal(result.values, expected.values)
    assert not np.allclose(together[0].values, together[1].values)


def test_weights_that_do_not_fit_make_lots_of_videos_larger(embedder, checkpoints, monkeypatch):
    needed = HeldWeights(embedder.model, checkpoints).needed
    assert needed == 2 * sum(value.numpy().nbytes for value in model_weights(embedder.model).values())
    monkeypatch.setattr(held_weights, "VIDEOS_AT_A_TIME", 1)
    for available, in_memory in ((2 * needed, True), (2 * needed - 2, False)):
        monkeypatch.setattr(held_weights, "available_memory", lambda available=available: available)
        held = HeldWeights(embedder.model, checkpoints)
        assert held.in_memory == in_memory
    assert held.videos == (needed - 1) // held_weights.video_bytes(embedder.model.config) > 1


def test_decoded_videos_take_what_is_counted(embedder, tmp_path):
    _, batch = next(iter(batches(tmp_path, toys.random_videos(4))))
    counted = (batch.input_ids, batch.attention_mask, batch.frames, batch.targets["tags"])
    assert 4 * held_weights.video_bytes(embedder.model.config) == sum(tensor.numpy().nbytes for tensor in counted)


def test_pictures_are_held_as_far_as_they_fit(monkeypatch):
    """4 frames of 8 x 8 x 3 bytes, and two rows of 8 tokens of 4 bytes: 832. Half of the memory is taken."""
    model = SimpleNamespace(config=toys.model("wbdc_1"), weights_by_name=dict)
    assert held_weights.video_bytes(model.config) == 4 * 8 * 8 * 3 + 2 * 8 * 4 == 832
    for available, videos in ((2 * 832 * 5, 5), (100, 1), (10**9, 4096)):
        monkeypatch.setattr(held_weights, "available_memory", lambda available=available: available)
        assert HeldWeights(model, ["a"]).videos == videos


@pytest.mark.parametrize(
    "spoil",
    [
        lambda weights: weights.pop("fc/bias"),
        lambda weights: weights.update({"fc/bias": weights["fc/bias"][1:]}),
        lambda weights: weights.update({"fc/bias": weights["fc/bias"].astype(np.float64)}),
        lambda weights: weights.update({"other": weights["fc/bias"]}),
    ],
)
def test_weights_from_memory_fill_all_of_a_model_or_nothing(embedder, spoil):
    before = {name: value.numpy() for name, value in model_weights(embedder.model).items()}
    weights = {name: value + 1 for name, value in before.items()}
    spoil(weights)
    with pytest.raises(ValueError, match="fc/bias|other"):
        held_weights.assign_weights(embedder.model, weights)
    for name, value in model_weights(embedder.model).items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize(("limit", "sizes"), [(1, [4, 4, 3]), (5, [8, 3]), (8, [8, 3]), (11, [11]), (99, [11])])
def test_chunks_hold_every_batch_once(tmp_path, limit, sizes):
    found = list(chunks(batches(tmp_path, toys.random_videos(11)), limit))
    assert [sum(len(batch.ids) for _, batch in chunk) for chunk in found] == sizes
    ids = [int(i[1:]) for chunk in found for _, batch in chunk for i in batch.ids.numpy()]
    assert ids == list(range(11))


def test_pairs_are_scored_by_the_cosine_of_their_embeddings(embedder, tmp_path):
    data = batches(tmp_path, toys.random_pairs(9), kind="pairs")
    scores, pairs = PairEvaluator(embedder, data)(), [batch for _, batch in data]
    sides = [
        np.concatenate([embedder.videos(side) for side in part])
        for part in zip(*((batch.first, batch.second) for batch in pairs), strict=True)
    ]
    predicted, target = cosine_similarity(*sides), np.concatenate([batch.targets["similarity"] for batch in pairs])
    assert scores["spearman"] == pytest.approx(spearman(predicted, target), abs=1e-6)
    assert scores["mse"] == pytest.approx(np.mean((predicted - target) ** 2), rel=1e-4)


def test_videos_are_scored_by_labelled_pairs_and_by_their_tags(embedder, tmp_path):
    videos = batches(tmp_path, toys.random_videos(11))
    pairs = [Pair(f"v{i}", f"v{(i * 5 + 1) % 11}", (i % 7) / 10) for i in range(11)]
    scores = VideoEvaluator(embedder, videos, pairs)()
    rows = embedder.embed(videos).values
    predicted = cosine_similarity(rows, rows[[(i * 5 + 1) % 11 for i in range(11)]])
    assert scores["spearman"] == pytest.approx(spearman(predicted, [p.similarity for p in pairs]))
    logits = np.concatenate([embedder.model.classifier(embedder.videos(batch)) for _, batch in videos])
    tags = np.concatenate([batch.targets["tags"] for _, batch in videos])
    hits = ((logits > 0) & (tags == 1)).sum()
    assert scores["precision"] == pytest.approx(hits / max((logits > 0).sum(), 1))
    assert scores["recall"] == pytest.approx(hits / tags.sum())
    entropy = np.logaddexp(0, logits) - logits * tags
    assert scores["tag_loss"] == pytest.approx(entropy.mean(), rel=1e-5)


def test_of_some_videos_the_pairs_among_them_are_scored(embedder, tmp_path):
    file = toys.write_records(tmp_path / "videos", toys.random_videos(11))
    pairs = [Pair(f"v{i}", f"v{(i + 1) % 11}", (i % 7) / 10) for i in range(11)]
    some = numbered_batches([file], "videos", toys.batch_format(), 4, limit=6)
    expected = VideoEvaluator(embedder, some, pairs[:5])()
    assert VideoEvaluator(embedder, some, pairs, some_videos=True)() == expected
    with pytest.raises(UserError, match="v6|v10"):
        VideoEvaluator(embedder, some, pairs)()


def test_new_weights_need_no_new_trace(embedder, checkpoints, tmp_path):
    data = batches(tmp_path, toys.random_videos(8))
    embedder.embed(data)
    count = embedder.videos.experimental_get_tracing_count()
    for checkpoint in checkpoints:
        restore_weights(embedder.model, checkpoint)
        embedder.embed(data)
    assert embedder.videos.experimental_get_tracing_count() == count


@pytest.mark.parametrize("name", ["uniter", pytest.param("mix_nextvlad", marks=pytest.mark.slow)])
def test_two_replicas_embed_and_score_as_one(name, two_replicas, tmp_path):
    """Eleven records in batches of two: the last replica has nothing to do in the end."""
    one = Embedder(toys.network(name))
    with two_replicas.scope():
        two = Embedder(build_network(one.model.config, toys.tasks(name, "finetune").values()), two_replicas)
    for key, weight in model_weights(two.model).items():
        weight.assign(model_weights(one.model)[key])
    videos, pairs = (batches(tmp_path, make(11), 2, kind) for kind, make in RECORDS.items())
    expected, found = one.embed(videos), two.embed(videos)
    assert found.ids == expected.ids
    np.testing.assert_allclose(found.values, expected.values, atol=1e-6)
    labelled = [Pair(f"v{i}", f"v{(i * 5 + 1) % 11}", (i % 7) / 10) for i in range(11)]
    assert VideoEvaluator(two, videos, labelled)() == pytest.approx(VideoEvaluator(one, videos, labelled)(), abs=1e-6)
    assert PairEvaluator(two, pairs)() == pytest.approx(PairEvaluator(one, pairs)(), abs=1e-6)


OTHERS = [name for name in toys.RANK_4 if name not in ("uniter", "mix_nextvlad_roformer")]
"""They differ from these two in a loss, or combine what one of them has; test_conformance.py embeds by every model."""


@pytest.mark.parametrize(
    "name", ["uniter", "mix_nextvlad_roformer", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
)
def test_scores_do_not_depend_on_batch_size_and_order(name, tmp_path):
    """Records of all lengths, so that the other videos of a batch differ."""
    embedder, form = Embedder(toys.network(name)), toys.batch_format(toys.model(name).encoder.kind)
    records = {"videos": toys.random_videos(13), "pairs": toys.random_pairs(13)}
    labelled = [Pair(f"v{i}", f"v{(i * 5 + 1) % 13}", (i % 7) / 10) for i in range(13)]
    order = np.random.default_rng(2).permutation(13)
    found = []
    for size, rows in ((13, range(13)), (5, range(13)), (1, order), (64, order)):
        data = {}
        for kind in records:
            file = toys.write_records(tmp_path / f"{kind}-{size}", [records[kind][row] for row in rows])
            data[kind] = numbered_batches([file], kind, form, size)
        embeddings = embedder.embed(data["videos"])
        rows_by_id = dict(zip(embeddings.ids, embeddings.values, strict=True))
        scores = VideoEvaluator(embedder, data["videos"], labelled)()
        scores |= PairEvaluator(embedder, data["pairs"])()
        found.append((np.array([rows_by_id[f"v{i}"] for i in range(13)]), scores))
    for values, scores in found[1:]:
        np.testing.assert_allclose(values, found[0][0], atol=1e-5)
        assert scores == pytest.approx(found[0][1], abs=1e-6)


def test_similarities_of_the_first_numbers(tmp_path):
    """Next to those of all, which are as they are without."""
    network = toys.network("uniter")
    file = toys.write_records(tmp_path / "pairs", toys.random_pairs(9))
    pairs = numbered_batches([file], "pairs", toys.batch_format(), 4)
    scores, plain = (PairEvaluator(Embedder(network, dims=dims), pairs)() for dims in ((2, 5), ()))
    vectors = [Embedder(network).embed(pairs.map(lambda n, batch, e=e: (n, batch.elements[e]))).values for e in (0, 1)]
    target = np.concatenate([batch.targets["similarity"].numpy() for _, batch in pairs])
    for dim in (2, 5):
        a, b = (values[:, :dim] for values in vectors)
        cosines = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert scores.pop(f"spearman_{dim}") == pytest.approx(spearman(cosines, target), abs=1e-6)
    assert scores == plain

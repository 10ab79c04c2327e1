"""Sums that are differentiated and means that are logged, term by term."""

import numpy as np
import pytest
import tensorflow as tf
import toys
from tiers import slow_but

from vsim_tf import losses
from vsim_tf.errors import UserError
from vsim_tf.input.pipeline import Draw
from vsim_tf.models.build import build_network
from vsim_tf.models.outputs import VideoOutput
from vsim_tf.models.tag_heads import ReluClsTags, ReluEmbeddingTags
from vsim_tf.records.schema import IGNORED_TOKEN, PairBatch
from vsim_tf.tasks.forward import call_elements, call_network
from vsim_tf.tasks.masked_frames import MaskedFrames
from vsim_tf.tasks.masked_tokens import MaskedTokens
from vsim_tf.tasks.matching import Matching
from vsim_tf.tasks.objective import Objective
from vsim_tf.tasks.pair_similarity import MeanSquaredError
from vsim_tf.tasks.tags import MeanTags, Tags


def values(logs):
    """Loss and terms; gates are logged too (tests/training/test_loop.py)."""
    return {name: float(value) for name, value in logs.items() if not name.startswith("gate/")}


def total_and_logs(tasks, network, batch):
    total, logs = Objective(tasks)(network, batch, training=False)
    return float(total), values(logs)


@pytest.mark.parametrize("name", slow_but(toys.QUICK_MODELS, toys.MODELS))
def test_pretraining_differentiates_the_batch_size_times_the_logged_mean(name):
    network, tasks = toys.network(name, "pretrain"), toys.tasks(name, "pretrain")
    total, logs = total_and_logs(tasks, network, toys.random_batch(network.config, 6))
    assert logs.keys() == {"loss", *tasks}
    assert total == pytest.approx(6 * logs["loss"], rel=1e-5)
    assert logs["loss"] == pytest.approx(sum(logs[term] for term in tasks), rel=1e-5)


@pytest.mark.parametrize("name", slow_but(toys.QUICK_MODELS, toys.MODELS))
def test_weights_of_pretraining_terms(name):
    """Against tasks that all weigh 1."""
    network, tasks = toys.network(name, "pretrain"), toys.tasks(name, "pretrain")
    batch = toys.random_batch(network.config, 6)
    _, weighted = total_and_logs(tasks, network, batch)
    _, plain = total_and_logs({term: task.replace(weight=1.0) for term, task in tasks.items()}, network, batch)
    for term, task in tasks.items():
        assert weighted[term] == pytest.approx(task.weight * plain[term], rel=1e-5), term
        assert plain[term] != 0


def test_masked_tokens_are_averaged_over_all_of_the_batch():
    network = toys.network("uniter", "pretrain")
    batch = toys.random_batch(network.config, 6)
    output = call_network(network, batch, training=False)
    logits = MaskedTokens.logits(network, output.sequence.states[:, : toys.TEXT]).numpy().astype(np.float64)
    labels = batch.targets["tokens"].numpy()
    chosen = labels != IGNORED_TOKEN
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    expected = -log_p[chosen, labels[chosen]].mean()
    assert chosen.sum() > 3
    logs = values(Objective(toys.tasks("uniter", "pretrain")).of_outputs(network, (output,), batch)[1])
    assert logs["mlm"] == pytest.approx(10 * expected, rel=1e-5)


def test_a_batch_without_masked_tokens_has_no_token_loss_and_finite_gradients():
    network = toys.network("uniter", "pretrain")
    batch = toys.random_batch(network.config)
    nothing = tf.fill(batch.targets["tokens"].shape, IGNORED_TOKEN)
    with tf.GradientTape() as tape:
        total, logs = Objective(toys.tasks("uniter", "pretrain"))(
            network, batch._replace(targets=batch.targets | {"tokens": nothing})
        )
    assert float(logs["mlm"]) == 0
    gradients = tape.gradient(total, [v.value for v in network.trainable_variables])
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)


@pytest.mark.parametrize("name", slow_but(["mix_nextvlad", "uniter_asl"], toys.RANK_4))
@pytest.mark.parametrize("kl_weight", [0.5, 0.0])
def test_pair_loss_by_hand(name, kl_weight):
    network, tasks = toys.network(name), dict(toys.tasks(name, "finetune"))
    tasks["kl"] = tasks["kl"].replace(weight=kl_weight)
    batch = toys.random_pair_batch(network.config, 5)
    total, logs = total_and_logs(tasks, network, batch)
    outputs = [call_network(network, element, training=False) for element in batch.elements]
    a, b = (o.embedding.numpy().astype(np.float64) for o in outputs)
    s = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    t = batch.targets["similarity"].numpy()
    tag_loss = losses.asymmetric_loss if name.endswith("_asl") else losses.bce_from_probabilities
    tags = [
        tag_loss(tf.sigmoid(output.logits["tags"]), element.targets["tags"])
        for output, element in zip(outputs, batch.elements, strict=True)
    ]
    clipped = np.clip(t, 1e-7, 1)
    expected = {
        "mse": np.square(s - t).sum(),
        "kl": kl_weight * (clipped * np.log(clipped / np.clip(s, 1e-7, 1))).sum(),
        "tag": np.mean(tags),
    }
    assert logs == pytest.approx(expected | {"loss": sum(expected.values())}, rel=1e-3, abs=1e-4)
    assert total == pytest.approx(10 * logs["loss"], rel=1e-5)


@pytest.mark.parametrize("name", slow_but(["mix_nextvlad", "uniter_asl"], toys.RANK_4))
@pytest.mark.parametrize("recipe", ["2021", "plus"])
def test_elements_of_pairs_are_those_of_two_calls(name, recipe):
    """However the videos are put together to save padding."""
    network = build_network(toys.model(name, recipe=recipe), toys.tasks(name, "finetune").values())
    batch = toys.random_pair_batch(network.config, 7)
    for output, element in zip(call_elements(network, batch, training=False), batch.elements, strict=True):
        alone = call_network(network, element, training=False)
        np.testing.assert_allclose(output.embedding, alone.embedding, atol=1e-5)
        np.testing.assert_allclose(output.logits["tags"], alone.logits["tags"], atol=1e-5)


@pytest.mark.parametrize("name", ["mix_nextvlad", "uniter_roformer"])
def test_frameless_and_textless_videos_have_finite_gradients(name):
    network = toys.network(name)
    batch = toys.random_pair_batch(network.config)
    empty = batch.first._replace(num_frames=tf.zeros_like(batch.first.num_frames), frames=tf.zeros_like(batch.first.frames))
    with tf.GradientTape() as tape:
        total, _ = Objective(toys.tasks(name, "finetune"))(network, batch._replace(first=empty, second=empty))
    gradients = tape.gradient(total, [v.value for v in network.trainable_variables])
    assert np.isfinite(float(total))
    assert all(np.isfinite(tf.convert_to_tensor(g)).all() for g in gradients if g is not None)


@pytest.mark.parametrize("spare_unknown", [False, True])
def test_unknown_tokens_are_spared_if_asked_for(spare_unknown):
    """[UNK] and [MASK] next to a known token, which is masked with the probability of the task."""
    tokenizer = toys.TOKENIZERS["bert"]
    ids = tf.tile([[tokenizer.unk_id, tokenizer.mask_id, 9, tokenizer.sep_id]], [2000, 1])
    batch = toys.random_batch(toys.model("uniter"))._replace(input_ids=ids)
    draw = Draw(tf.constant([1, 2]), (2000, 4), toys.FRAMES, 0, tokenizer)
    masked = MaskedTokens(probability=0.25, spare_unknown=spare_unknown).corrupt(batch, draw)
    shares = (masked.targets["tokens"].numpy() != IGNORED_TOKEN).mean(axis=0)
    rate = 0 if spare_unknown else 0.25
    assert shares == pytest.approx([rate, rate, 0.25, 0], abs=0.05)  # five standard deviations
    np.testing.assert_array_equal((shares > 0).tolist(), [not spare_unknown, not spare_unknown, True, False])


@pytest.mark.parametrize("probability", [0.0, 1.0, -0.1, 1.5])
@pytest.mark.parametrize("task", [MaskedTokens, MaskedFrames])
def test_probabilities_that_make_no_sense(task, probability):
    with pytest.raises(UserError, match=f"probability={probability}: a probability above 0 and below 1"):
        task(probability=probability)


def test_an_untied_head_has_a_decoder_of_its_own():
    """Token embeddings have no part in its logits."""
    network = toys.network("qq_job1", "pretrain")
    states, word = tf.random.normal((3, 16)), network.encoder.embedding.word
    logits = MaskedTokens.logits(network, states).numpy()
    head, before = network.heads["mlm"], word.numpy()
    hidden = head.norm(head.transform(states)).numpy()
    np.testing.assert_allclose(logits, hidden @ head.decoder.numpy() + head.bias.numpy(), rtol=1e-4, atol=1e-5)
    word.assign(before + 1)
    np.testing.assert_array_equal(MaskedTokens.logits(network, states), logits)
    word.assign(before)


@pytest.mark.parametrize(
    ("task", "model", "message", "field"),
    [
        (MeanTags(head=ReluClsTags()), "qq_job2", "head='relu_cls' with layout='frames_first': it reads .CLS.", "head"),
        (MeanTags(head=ReluClsTags()), "mix_nextvlad", "head='relu_cls': mix_nextvlad is no single-stream model", "head"),
        (Tags(head=ReluEmbeddingTags()), "mix_nextvlad", "head='relu_embedding': mix_nextvlad is no single", "head"),
        (MaskedFrames(), "mix_nextvlad", "the task masked_frames needs one sequence .* mix_nextvlad", ""),
        (MaskedTokens(), "mix_nextvlad", "the task masked_tokens needs one sequence .* mix_nextvlad", ""),
        (Matching(), "mix_nextvlad", "the task matching needs one sequence .* mix_nextvlad", ""),
    ],
)
def test_models_that_a_task_cannot_train(task, model, message, field):
    with pytest.raises(UserError, match=message) as caught:
        task.require_model(toys.model(model))
    assert list(caught.value.fields) == [field] * bool(field)


@pytest.mark.parametrize(
    ("task", "model"),
    [
        (MeanTags(head=ReluClsTags()), "uniter"),
        (MeanTags(head=ReluEmbeddingTags()), "qq_job2"),
        (Tags(), "mix_nextvlad"),
        (MaskedFrames(), "uniter_roformer"),
        (Matching(), "qq_job2"),
    ],
)
def test_models_that_a_task_can_train(task, model):
    task.require_model(toys.model(model))


def test_the_mean_of_squared_errors_is_its_own():
    """Cosines 1 and −0.6 against 0.5 and 1, as they are: (0.5² + 1.6²) / 2."""
    vectors = [tf.constant([[2.0, 0], [3, 4]]), tf.constant([[1.0, 0], [-1, 0]])]
    element = toys.random_batch(toys.model("uniter"), 2)
    batch = PairBatch(element, element, {"similarity": tf.constant([0.5, 1.0])})
    outputs = tuple(VideoOutput(vector, {}) for vector in vectors)
    total, logs = Objective({"mse": MeanSquaredError(weight=2.0)}).of_outputs(None, outputs, batch)
    assert float(logs["mse"]) == pytest.approx(2 * (0.5**2 + 1.6**2) / 2, rel=1e-6)
    assert float(total) == pytest.approx(4 * float(logs["mse"]), rel=1e-6)  # four videos

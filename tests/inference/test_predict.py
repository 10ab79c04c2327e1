"""Classifiers that `vsim_tf.load` opens; that they predict as predict_classify.py: test_e2e_rank8.py."""

from types import SimpleNamespace

import numpy as np
import pytest
from toy_runs import make_classifier
from toy_short_videos import CATEGORIES, short_videos

import vsim_tf
from vsim_tf.inference.model_card import model_card
from vsim_tf.inference.videos import numbered_video_batches, videos_of
from vsim_tf.records.predictions import softmax
from vsim_tf.records.schema import ASR_TEXT, FRAME_PICTURE, OCR_TEXT, TITLE
from vsim_tf.records.videos import parse_example

WIDTH = 16
"""Feature dimension of the smallest tower."""


def item_of(record: bytes, rng: np.random.Generator) -> dict:
    """A video with pictures for the models of one kind, and features for those of the other."""
    feature = parse_example(record, "")
    title, ocr, asr = (feature[key].bytes_list.value[0].decode() for key in (TITLE, OCR_TEXT, ASR_TEXT))
    pictures = list(feature[FRAME_PICTURE].bytes_list.value)
    frames = rng.standard_normal((len(pictures), WIDTH))
    return {"pictures": pictures, "asr": asr, "ocr": ocr, "title": title, "frames": frames}


ITEMS = [item_of(record, np.random.default_rng(0)) for record in short_videos(9, pictures=True)]


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A model that reads pictures, with a fold and a run on all videos, and one that reads features."""
    output = tmp_path_factory.mktemp("output")
    for seed, (name, pictures) in enumerate({"wbdc_1/fold-00": True, "wbdc_1/full": True, "wbdc_3/fold-01": False}.items()):
        make_classifier(output / name, name.split("/")[0], seed, pictures)
    return output


@pytest.fixture(scope="module")
def model(output):
    return vsim_tf.load(output)


def logits(model, member: int, run: int) -> np.ndarray:
    """Of all items by one checkpoint, `[items, classes]`."""
    member = model.members[member]
    member._weights.put(member.checkpoints[run])
    videos = videos_of(ITEMS, [member.format], None).read(range(len(ITEMS)), member.format)
    (values,) = (values for _, values in member._maker.vectors(numbered_video_batches(videos, member.format, 9, str)))
    return values


def test_the_ensemble_is_the_weighted_mean_of_probabilities(model):
    """Weights 1 and 0.7, over their sum; runs of a model are averaged, the one on all videos among them."""
    first, second, other = (softmax(logits(model, *place)) for place in ((0, 0), (0, 1), (1, 0)))
    assert np.abs(first - second).max() > 0.05, "runs must differ for this to be a test"
    found = model.predict(ITEMS)
    np.testing.assert_allclose(found.probabilities, ((first + second) / 2 + 0.7 * other) / 1.7, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1)
    assert found.categories == [CATEGORIES[best] for best in found.probabilities.argmax(axis=1)]
    assert model.classes == CATEGORIES and found.probabilities.dtype == np.float64
    assert repr(model).endswith("classes=5, frame_dim=16, max_frames=4, members=2, checkpoints=3)")


def test_one_item_small_batches_and_none(model):
    found = model.predict(ITEMS)
    np.testing.assert_allclose(model.predict(ITEMS, batch_size=2).probabilities, found.probabilities, rtol=0, atol=1e-6)
    one = model.predict(ITEMS[4])
    assert one.categories == found.categories[4:5]
    np.testing.assert_allclose(one.probabilities, found.probabilities[4:5], rtol=0, atol=1e-6)
    assert model.predict([]).probabilities.shape == (0, 5)


def test_embeddings_of_a_classifier_are_the_states_that_its_head_reads(output, model):
    single = vsim_tf.load(output / "wbdc_3")
    weights = single.members[0]._network.weights_by_name()
    found = single.encode(ITEMS) @ weights["classes/kernel"].numpy() + weights["classes/bias"].numpy()
    np.testing.assert_allclose(found, logits(model, 1, 0), rtol=0, atol=1e-5)
    assert single.similarity(ITEMS[0], ITEMS[0]) == pytest.approx(1)
    with pytest.raises(vsim_tf.UserError, match="3 classifiers have no embedding in common; load one checkpoint"):
        model.similarity(ITEMS[0], ITEMS[1])
    with pytest.raises(vsim_tf.UserError, match="3 classifiers have no embedding in common"):
        model.encode(ITEMS)


def test_an_evaluator_takes_a_classifier(model):
    videos = [{"id": f"v{number}"} | item for number, item in enumerate(ITEMS)]
    labels = {f"v{number}": CATEGORIES[number % 5] for number in range(9)}
    found = vsim_tf.ClassificationEvaluator(labels, videos)(model)
    right = [predicted == true for predicted, true in zip(model.predict(ITEMS).categories, labels.values(), strict=True)]
    assert found["level2_micro"] == pytest.approx(np.mean(right))


class Constant:
    """A tower that sees nothing."""

    picture_size, dim = 8, WIDTH

    def __call__(self, pictures):
        return np.tile(np.linspace(-1, 1, WIDTH, dtype=np.float32), (len(pictures), 1))


def test_a_tower_makes_features_for_the_models_that_read_them(model):
    pictures = {key: value for key, value in ITEMS[0].items() if key != "frames"}
    with pytest.raises(vsim_tf.UserError, match=r"item: the key 'frames' is missing; .*clip_dir"):
        model.predict(pictures)
    expected = model.predict(pictures | {"frames": Constant()(pictures["pictures"])}).probabilities
    assert np.abs(model.predict(ITEMS[0]).probabilities - expected).max() > 1e-3
    model.tower = Constant()
    try:
        np.testing.assert_allclose(model.predict(pictures).probabilities, expected, rtol=0, atol=1e-6)
    finally:
        model.tower = None


def test_classifiers_of_different_classes_make_no_ensemble(model):
    first, second = model.members
    other = SimpleNamespace(
        name="wbdc_3", config=second.config, format=second.format, checkpoints=("a",), classes=("0000", "0300")
    )
    with pytest.raises(vsim_tf.UserError, match="wbdc_1, wbdc_3 were not trained on the same classes; load one of them alone"):
        vsim_tf.Model([first, other])


def test_the_card_of_a_classifier(model):
    card = model_card(model, "name")
    assert "which of 5 classes" in card and '"ocr": ""' in card and "model.predict([video]).categories" in card
    assert '"pictures": ["0.jpg", "1.jpg"], "frames": np.zeros((8, 16))}' in card
    assert "| wbdc_1 | title, ocr, asr: 8 tokens | pictures, 8 x 8 pixels, at most 4 |" in card
    assert "| wbdc_3 | title, ocr, asr: 8 tokens | features, 16 numbers each, at most 4 |" in card

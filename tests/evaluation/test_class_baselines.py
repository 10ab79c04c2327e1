import io
import logging
import zipfile
from pathlib import Path

import numpy as np
import pytest

from vsim_tf.errors import UserError
from vsim_tf.evaluation import class_baselines as baselines
from vsim_tf.evaluation.class_baselines import BOTH, FRAMES, MAJORITY, TEXT, BaselineVideos, class_baselines, linear_predictions
from vsim_tf.evaluation.hierarchical_f1 import score_categories
from vsim_tf.records.annotations import Annotation, read_annotations
from vsim_tf.records.category_files import read_categories

SHORT_VIDEO = Path(__file__).parents[2].parent / "shared/shortvideo"
CATEGORIES = ("0000", "0001", "0100", "0101")


def videos(count, seed):
    """Videos whose text tells the class of level 1, whose frames tell which one within it; and their classes."""
    rng = np.random.default_rng(seed)
    drawn = rng.choice(4, count, p=[0.4, 0.2, 0.2, 0.2])
    texts = [
        " ".join(rng.permutation([("猫狗鱼", "车船路")[number // 2][rng.integers(3)], rng.choice(["好", "看"])]))
        for number in drawn
    ]
    frames = rng.normal(size=(count, 4)) + 4 * np.eye(4)[drawn % 2]
    return BaselineVideos([f"v{seed}{i}" for i in range(count)], texts, frames), [CATEGORIES[number] for number in drawn]


def labelled(count=80, seed=7):
    test, categories = videos(count, seed)
    return test, dict(zip(test.ids, categories, strict=True))


def test_text_and_frames_tell_a_part_each():
    scores = class_baselines(*videos(120, 1), *labelled())
    assert list(scores) == [MAJORITY, TEXT, FRAMES, BOTH]
    assert scores[TEXT].level1_micro > 0.95 and scores[FRAMES].level1_micro < 0.8
    assert scores[TEXT].level2_micro < 0.8 and scores[BOTH].level2_micro > 0.95
    assert scores[MAJORITY].mean < min(scores[TEXT].mean, scores[FRAMES].mean) < scores[BOTH].mean


def test_the_majority_by_hand():
    """All of 0000, which 2 of 4 are: micro 2/4, F1 of it 2·2/(4 + 2), of the other two classes 0."""
    training = BaselineVideos(["a"], [""], np.zeros((1, 2)))
    test = BaselineVideos(list("bcde"), [""] * 4, np.zeros((4, 2)))
    scores = class_baselines(training, ["0000"], test, {"b": "0000", "c": "0000", "d": "0100", "e": "0101"})
    assert scores == {MAJORITY: pytest.approx((1 / 2, 1 / 3, 1 / 2, 2 / 9))}


def test_without_text_there_are_the_frames():
    (training, categories), (test, labels) = videos(60, 1), labelled()
    scores = class_baselines(training._replace(texts=[""] * 60), categories, test, labels)
    assert list(scores) == [MAJORITY, FRAMES]


def test_many_videos_are_thinned_out(caplog, monkeypatch):
    monkeypatch.setattr(baselines, "MAX_VIDEOS", 30)
    with caplog.at_level(logging.INFO):
        thinned = class_baselines(*videos(120, 1), *labelled())
    assert caplog.messages == ["logistic regression: fitted to 30 of 120 training videos"]
    assert thinned != class_baselines(*videos(30, 1), *labelled())


def test_predictions_are_those_of_the_last_baseline():
    (training, categories), (test, labels) = videos(60, 1), labelled(40)
    found = linear_predictions(training, categories, {"a": test, "b": test.rows(np.arange(3))})
    assert found["a"].ids == list(test.ids) and found["a"].classes == CATEGORIES
    np.testing.assert_allclose(np.exp(found["a"].logits).sum(axis=1), 1, rtol=1e-12)
    np.testing.assert_array_equal(found["b"].logits, found["a"].logits[:3])
    scores = class_baselines(training, categories, test, labels)
    assert score_categories(found["a"].categories(), labels, "here") == scores[BOTH]


def test_labels_of_other_videos():
    (training, categories), (test, labels) = videos(60, 1), labelled(3)
    with pytest.raises(UserError, match="the test set: ids differ from those of the labels; missing 1: x"):
        class_baselines(training, categories, test, labels | {"x": "0000"})


def short_videos(name, annotations: list[Annotation]) -> BaselineVideos:
    with zipfile.ZipFile(SHORT_VIDEO / f"features/{name}.zip") as archive:
        frames = [np.load(io.BytesIO(archive.read(f"{annotation.id}.npy"))) for annotation in annotations]
    texts = [f"{annotation.title} {annotation.ocr} {annotation.asr}" for annotation in annotations]
    means = np.stack([video.mean(axis=0, dtype=np.float64) for video in frames])
    return BaselineVideos([annotation.id for annotation in annotations], texts, means)


@pytest.mark.skipif(not SHORT_VIDEO.is_dir(), reason="the short-video set is not here")
@pytest.mark.slow
def test_on_real_short_videos():
    """Near the numbers that come with the set, which do not say how texts were joined and terms counted."""
    training = read_annotations(SHORT_VIDEO / "annotations/labeled.json", labelled=True)
    test = read_annotations(SHORT_VIDEO / "annotations/test_a.json", labelled=False)
    scores = class_baselines(
        short_videos("labeled", training),
        [annotation.category for annotation in training],
        short_videos("test_a", test),
        read_categories(SHORT_VIDEO / "test_a_labels.tsv"),
    )
    means = {name: score.mean for name, score in scores.items()}
    assert means == pytest.approx({MAJORITY: 0.0757, TEXT: 0.4974, FRAMES: 0.5415, BOTH: 0.6383}, abs=0.01)

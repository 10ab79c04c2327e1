"""The models that come with the package: small, without code, opened by their names, and as good as their cards say."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import vsim_tf
from vsim_tf.demo.data import write_demo_data
from vsim_tf.demo.short_videos import write_short_videos
from vsim_tf.inference.shipped import SHIPPED_MODELS, model_path

ROOT = Path(__file__).parents[1]
LARGEST = 2_000_000
ENDINGS = {".json", ".md", ".txt", ".index", ".data-00000-of-00001", ".safetensors"}
EVERY_MODEL = pytest.mark.parametrize("name", SHIPPED_MODELS)


@pytest.fixture(scope="module")
def opened():
    return {name: vsim_tf.load(name) for name in SHIPPED_MODELS}


def card(name: str) -> str:
    return (model_path(name) / "README.md").read_text(encoding="utf-8")


def files(name: str) -> list[Path]:
    return [path for path in model_path(name).rglob("*") if path.is_file()]


def videos(model: vsim_tf.Model) -> list[dict]:
    rng = np.random.default_rng(0)
    return [{"title": title, "frames": rng.standard_normal((3, model.frame_dim))} for title in ("天地玄黄", "", "a")]


def test_every_folder_has_a_name():
    assert {path.name for path in model_path(SHIPPED_MODELS[0]).parent.iterdir()} == set(SHIPPED_MODELS)


@EVERY_MODEL
def test_it_is_small_and_holds_weights_and_texts(name):
    assert sum(path.stat().st_size for path in files(name)) < LARGEST
    assert {"".join(path.suffixes) for path in files(name)} <= ENDINGS


@EVERY_MODEL
def test_it_opens_and_embeds(opened, name):
    model = opened[name]
    vectors = model.encode(videos(model))
    assert vectors.shape == (3, model.dim) and np.isfinite(vectors).all()
    np.testing.assert_allclose(model.encode(videos(model)[1]), vectors[1], atol=1e-5)
    assert model.similarity(videos(model)[0], videos(model)[1]) < 0.9999


def test_the_classifier_takes_features_and_pictures(opened):
    model = opened["wbdc2022_rank8"]
    picture = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    for items in (videos(model), [{"title": "天地", "pictures": [picture, picture]}]):
        categories, probabilities = model.predict(items)
        assert probabilities.shape == (len(items), 12) and set(categories) <= set(model.classes)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)


@EVERY_MODEL
def test_its_card_says_what_it_is_for(name):
    assert f'vsim_tf.load("{name}")' in card(name)
    assert "This model is for trying the software." in card(name)
    assert len(re.findall(r"^\| baseline: .* \| 0\.\d{4} \|$", card(name), re.MULTILINE)) >= 3


def score_of_card(name: str) -> float:
    return float(re.search(r"^\| this model \| ([\d.]+) \|$", card(name), re.MULTILINE)[1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["aiac2021_rank4", "aiac2021_rank1"])
def test_pairs_of_demo_data_are_ranked_as_the_card_says(opened, name, tmp_path):
    write_demo_data(str(tmp_path / "data"))
    test_a = tmp_path / "data/test_a"
    evaluate = vsim_tf.SimilarityEvaluator(test_a / "label.tsv", test_a / "test_a.tfrecords")
    assert evaluate(opened[name])["spearman"] == pytest.approx(score_of_card(name), abs=1e-3)


@pytest.mark.slow
def test_demo_data_are_classified_as_the_card_says(opened, tmp_path):
    """From pictures, by the tower in the folder of the model; a video more or less changes the score by 0.003."""
    name, data, records = "wbdc2022_rank8", tmp_path / "data", tmp_path / "features.tfrecords"
    write_short_videos(str(data))
    given = [f"--annotations={data}/annotations/test_a.json", "--labelled=false", f"--frames={data}/frames/test_a"]
    made_by = [f"--clip_dir={model_path(name)}/tower", f"--output={records}"]
    subprocess.run([sys.executable, "extract_features.py", *given, *made_by], cwd=ROOT, check=True, capture_output=True)
    evaluate = vsim_tf.ClassificationEvaluator(data / "test_a_labels.tsv", records)
    assert evaluate(opened[name])["mean_f1"] == pytest.approx(score_of_card(name), abs=5e-3)

"""What classifiers start from: features of one tower in pre-training and in training on classes."""

import json
from pathlib import Path

import pytest
import toy_towers
import toys

from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import UserError
from vsim_tf.io.paths import extraction_note
from vsim_tf.presets import registry
from vsim_tf.runs.tower_origin import tower_origin
from vsim_tf.training.class_options import ClassOptions
from vsim_tf.training.class_runs import starting_points


def write_run(folder: Path, name: str, data) -> Path:
    """All of a complete run that is looked at before its weights are read."""
    (folder / "last").mkdir(parents=True)
    (folder / "last/ckpt-1.index").write_bytes(name.encode())
    parts = {"model": toys.model(name).to_dict(), "training": toys.stage().to_dict()}
    (folder / "config.json").write_text(json.dumps(parts | {"tokenizer": {}, "tags": {}, "data": data}))
    (folder / "summary.json").write_text("{}")
    return folder


@pytest.fixture
def here(tmp_path):
    """A single stream that was pre-trained on features of the tower `clip`, another tower, and labelled records."""
    toy_towers.write_clip(tmp_path / "clip")
    toy_towers.write_clip(tmp_path / "other", toy_towers.tensors(seed=8))
    write_run(tmp_path / "pretrain", "wbdc_single", {"features_by": tower_origin(tmp_path / "clip").to_json()})
    write_run(tmp_path / "tower", "wbdc_clip", {})
    for kind in ("features", "pictures"):
        (tmp_path / f"{kind}.tfrecords").write_bytes(b"record")
    return tmp_path


def options(here: Path, name: str = "wbdc_1", pictures: bool = True, **changes) -> ClassOptions:
    classifier = registry.classifier(name)
    records = str(here / ("pictures.tfrecords" if pictures else "features.tfrecords"))
    values = {
        "classifier": classifier, "training": classifier.stage, "records": records, "pictures": pictures, "runs": [0],
        "folder": here / name, "pretrained": here / "pretrain", "tower_run": here / "tower",
    }  # fmt: skip
    return ClassOptions(**values | changes)


def note(here: Path, origin) -> None:
    settings = {"tower": origin and origin.to_json()}
    extraction_note(here / "features.tfrecords").write_text(json.dumps({"settings": settings}))


def test_features_of_the_tower_of_pre_training(here):
    note(here, tower_origin(here / "clip"))
    assert starting_points(options(here, pictures=False)).features_by == tower_origin(here / "clip")


def test_features_of_another_tower_are_refused(here):
    note(here, tower_origin(here / "other"))
    with pytest.raises(UserError, match=r"the pre-training .*pretrain has those of .*/clip, .*tfrecords those of .*/other"):
        starting_points(options(here, pictures=False))
    assert starting_points(options(here, pictures=False, random_start=True)).features_by == tower_origin(here / "other")


def test_features_of_unknown_origin_count_as_those_of_pre_training(here):
    assert starting_points(options(here, pictures=False)).features_by == tower_origin(here / "clip")
    note(here, None)
    assert starting_points(options(here, pictures=False)).features_by == tower_origin(here / "clip")
    assert starting_points(options(here, "wbdc_3", pictures=False)).features_by is None  # takes the text encoder alone


def test_a_pre_training_on_features_of_unknown_origin_takes_any(here):
    config = json.loads((here / "pretrain/config.json").read_text()) | {"data": {}}
    (here / "pretrain/config.json").write_text(json.dumps(config))
    note(here, tower_origin(here / "other"))
    assert starting_points(options(here, pictures=False)).features_by == tower_origin(here / "other")
    assert starting_points(options(here, clip_dir=str(here / "other"))).features_by is None


def test_pictures_through_the_tower_of_pre_training(here):
    assert starting_points(options(here, clip_dir=str(here / "clip"))).features_by is None


@pytest.mark.parametrize("tower", [{"clip_dir": "other"}, {}], ids=["folder", "run"])
def test_pictures_through_another_tower_are_refused(here, tower):
    given = {name: str(here / folder) for name, folder in tower.items()}
    with pytest.raises(UserError) as refused:
        starting_points(options(here, **given))
    text = in_flags(refused.value)
    assert f"those of {here / 'clip'}, wbdc_1 on pictures those of {here / tower.get('clip_dir', 'tower')}" in text
    assert "give --clip_dir or --tower_dir with the tower of the features" in text


@pytest.mark.parametrize("name", ["wbdc_2", "wbdc_3"])
def test_models_that_have_another_tower_or_other_weights_by_design(here, name):
    assert starting_points(options(here, name)).tower is not None

"""What differs between the settings of a run folder and those asked for, and how it is said."""

import json
from pathlib import Path

import pytest
import toys

from vsim_tf.cli.setting_flags import in_flags
from vsim_tf.errors import UserError
from vsim_tf.runs.settings import differences, other_settings

FILES = [{"name": f"pretrain_{i}.tfrecords", "bytes": 2_500_000_000} for i in range(20)]


def settings(**changes):
    values = {"model": toys.model("uniter").to_dict(), "training": toys.stage().to_dict(), "data": {"train": FILES}}
    values["tags"] = {"count": 5, "sha256": "a" * 64}
    for path, value in changes.items():
        part, _, key = path.partition("__")
        values[part] = values[part] | {key: value}
    return json.loads(json.dumps(values))


def refusal(**changes) -> UserError:
    return other_settings(Path("output/uniter/pretrain"), "pretrain", differences(settings(), settings(**changes)))


def message(**changes) -> str:
    return str(refusal(**changes))


def test_the_same_settings_have_no_differences():
    assert differences(settings(), settings()) == []
    assert differences(settings(), settings(training__val_batch_size=7, training__remat=True)) == []
    assert [difference.path for difference in differences(settings(), settings(training__accumulate=2))] == [
        "training.accumulate"
    ]


def test_the_first_three_are_named_and_the_others_counted():
    changes = {f"training__{name}": 1 for name in ("seed", "batch_size", "eval_every", "log_every")}
    error = refusal(**changes, model__embedding_size=4)
    text, said = str(error), in_flags(error)
    assert "model.embedding_size: 8 there, 4 asked for; training.batch_size: 4 there, 1 asked for; training.eval_every" in text
    assert "; and 2 more. To keep that run give another output_dir" in text
    assert "; and 2 more. To keep that run give another --output_dir" in said
    assert "--pretrain_flags=--overwrite" in said
    assert "log_every" not in text


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (FILES[:19], "data.train: 20 files there, 19 files asked for"),
        (
            [*FILES[:7], {"name": "pretrain_7.tfrecords", "bytes": 3}, *FILES[8:]],
            "data.train: pretrain_7.tfrecords of 2500000000 bytes there, pretrain_7.tfrecords of 3 bytes asked for",
        ),
    ],
)
def test_of_many_files_the_first_that_differs(train, words):
    assert words in message(data__train=train)


def test_messages_stay_short():
    text = message(data__train=FILES[:1], tags__sha256="b" * 64, tags__count=6, model__recipe="plus")
    assert len(text) < 450
    assert f"tags.sha256: {'a' * 37}... there" not in text  # it is the fourth


def test_a_script_names_the_flags():
    frames = toys.model("uniter", {"frames.max_frames": 9}).to_dict()["frames"]
    differing = differences(settings(), settings(training__seed=7, tags__count=6, model__frames=frames))
    text = in_flags(other_settings(Path("output/seed=7"), "pair", differing))
    assert "--max_frames: 4 there, 9 asked for; tags.count (by --multi_label_file or --data_dir): 5 there, 6" in text
    assert "; --seed: 42 there, 7 asked for" in text
    assert text.startswith("output/seed=7 holds")
    assert "--finetune_flags=--overwrite" in text


def tower(name, checksum):
    return {"features_by": {"tower": name, "sha256": checksum}}


def test_another_tower_of_the_features_differs_and_both_are_named():
    found, wanted = ({"data": tower(f"/models/{name}", name * 64)} for name in "ab")
    text = str(other_settings(Path("run"), "pretrain", differences(found, wanted)))
    assert "data.features_by.tower: /models/a there, /models/b asked for" in text


def test_a_tower_that_lies_elsewhere_or_is_not_known_is_no_difference():
    known = {"data": tower("/models/a", "a" * 64)}
    assert differences(known, {"data": tower("/mnt/a", "a" * 64)}) == []
    assert differences(known, {"data": {}}) == differences({"data": {}}, known) == []

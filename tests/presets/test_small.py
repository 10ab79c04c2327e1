"""The preset `small`: what it chooses by the size of the data."""

import pytest

from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.presets.small import FINETUNE, PRETRAIN, SMALL
from vsim_tf.records.video_facts import VideoFacts


def tiny(name: str):
    return sized(registry.preset(name).model, "tiny")


@pytest.mark.parametrize("name", registry.PUBLIC_MODELS)
@pytest.mark.parametrize("examples", [300, 1000, 4000, 10_000])
@pytest.mark.parametrize("kind", [PRETRAIN, FINETUNE])
def test_every_model_has_a_short_run_of_any_data(name, examples, kind):
    plan, preset = SMALL.plan(kind, tiny(name), examples), registry.preset(name)
    stage = preset.pretrain if kind == PRETRAIN else preset.finetune
    changed = stage.replace({path.removeprefix("training."): value for path, value in plan.settings.items()})
    changed = changed.with_epochs(plan.epochs, examples).with_warmups(plan.warmups)
    assert changed.epochs(examples) < 30
    assert 30 <= changed.total_steps < 3000
    assert plan.warmups.keys() == changed.groups.keys()


def test_fewer_examples_have_smaller_batches_and_more_epochs():
    plans = [SMALL.plan(PRETRAIN, tiny("uniter"), examples) for examples in (300, 1000, 6082)]
    batches = [plan.settings["training.batch_size"] for plan in plans]
    assert batches == sorted(set(batches))
    assert plans[0].epochs > plans[-1].epochs


def test_a_published_encoder_keeps_its_rates():
    of_tiny, of_base = (SMALL.plan(FINETUNE, model, 1000) for model in (tiny("uniter"), registry.preset("uniter").model))
    rates = {path for path in of_tiny.settings if path.endswith(".peak")}
    assert rates == {f"training.groups.{group}.schedule.peak" for group in ("head", "encoder")}
    assert of_base.settings == {path: value for path, value in of_tiny.settings.items() if path not in rates}


@pytest.mark.parametrize(("pairs", "folds"), [(200, 5), (2999, 5), (3000, 11), (60_000, 11)])
def test_folds_by_the_number_of_pairs(pairs, folds):
    assert SMALL.num_folds(pairs) == folds


@pytest.mark.parametrize(
    ("name", "facts", "max_frames", "max_length"),
    [
        ("uniter", VideoFacts(256, 15, 14), 16, 16),  # 14 characters, [CLS] and [SEP]
        ("qq_job1", VideoFacts(256, 16, 14), 16, 20),  # one more [SEP]: 17 tokens
        ("uniter", VideoFacts(7, 400, 400), 32, 32),
        ("uniter", VideoFacts(7, 0, 0), 4, 4),
    ],
)
def test_lengths_cover_the_videos(name, facts, max_frames, max_length):
    assert SMALL.model_settings(tiny(name), facts) == {
        "model.frames.dim": facts.frame_dim, "model.frames.max_frames": max_frames, "model.text.max_length": max_length,
    }  # fmt: skip

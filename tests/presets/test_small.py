"""The preset `small`: what it chooses by the size of the data."""

import pytest
from script_flags import refused

from vsim_tf.presets import registry
from vsim_tf.presets.sizes import sized
from vsim_tf.presets.small import CLASSIFY, FINETUNE, PRETRAIN, SMALL
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


@pytest.mark.parametrize("name", registry.CLASSIFIERS)
@pytest.mark.parametrize("videos", [240, 400, 1000, 2080, 8000])
def test_every_classifier_has_a_short_run_of_any_data(name, videos):
    """The average of weights remembers a quarter of the run: 1 / (1 − decay) steps."""
    classifier = registry.classifier(name)
    plan = SMALL.plan(CLASSIFY, sized(classifier.model, "tiny"), videos)
    stage = classifier.stage.replace({path.removeprefix("training."): value for path, value in plan.settings.items()})
    stage = stage.with_epochs(plan.epochs, videos).with_warmups(plan.warmups)
    assert stage.epochs(videos) <= 12 and 90 <= stage.total_steps < 700
    assert 1 / (1 - stage.average.decay) == pytest.approx(stage.total_steps / 4, rel=0.02)


def test_the_choice_for_classes_is_that_of_the_results():
    """2,600 labelled videos, 2,080 of them in training: docs/results.md."""
    plan = SMALL.plan(CLASSIFY, sized(registry.classifier("wbdc_1").model, "tiny"), 2080)
    stage = registry.classifier("wbdc_1").stage.replace({"batch_size": plan.settings["training.batch_size"]})
    assert stage.with_epochs(plan.epochs, 2080).total_steps == 200
    assert plan.settings == {
        "training.batch_size": 64, "training.val_batch_size": 256, "training.average.decay": 0.98,
        "training.groups.head.schedule.peak": 2e-3, "training.groups.encoder.schedule.peak": 1e-3,
    }  # fmt: skip


@pytest.mark.parametrize("name", registry.PRETRAININGS)
@pytest.mark.parametrize("videos", [16, 300, 1000, 2200, 10_000])
def test_pretraining_for_classes_is_short(name, videos):
    asked = registry.pretraining(name)
    plan = SMALL.plan(PRETRAIN, sized(asked.model, "tiny"), videos)
    stage = asked.stage.replace({path.removeprefix("training."): value for path, value in plan.settings.items()})
    assert 1 <= stage.with_epochs(plan.epochs, videos).total_steps < 1000


@pytest.mark.parametrize(
    ("stage", "name"), [(PRETRAIN, "debug"), (FINETUNE, "debug"), (FINETUNE, "wbdc_1"), (CLASSIFY, "uniter")]
)
def test_a_model_without_choices_is_refused(stage, name):
    with refused(f"--preset=small: has no choices for {name}; it is for "):
        SMALL.choice(stage, name)


def test_what_fills_no_batch():
    """A fold of five trains on four fifths: 16 of 20."""
    assert (SMALL.least_videos, SMALL.least_labelled) == (16, 20)


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


def test_lengths_of_models_of_all_texts():
    """[CLS] and a [SEP] behind each of three fields, 64 tokens at most; a tower reads as many frames as it was made for."""
    single, clip = (sized(registry.pretraining(name).model, "tiny") for name in ("wbdc_single", "wbdc_clip"))
    assert SMALL.model_settings(single, VideoFacts(7, 9, 30)) == {
        "model.frames.dim": 7, "model.frames.max_frames": 12, "model.text.max_length": 36,
    }  # fmt: skip
    assert SMALL.model_settings(single, VideoFacts(7, 90, 300))["model.frames.max_frames"] == 16
    assert SMALL.model_settings(clip, VideoFacts(7, 90, 300)) == {"model.text.max_length": 64}

"""Flags of the scripts for classes, and what turns them into configurations, checked before TensorFlow is imported."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from vsim_tf.cli import run_length, settings
from vsim_tf.cli.flags import (
    define_clip_dir,
    define_output_dir,
    define_precision,
    define_run,
    define_size,
    parse_folds,
    records_dir,
)
from vsim_tf.errors import UserError
from vsim_tf.io.paths import (
    BEST,
    FEATURES,
    FULL,
    LABELED,
    LAST,
    PICTURES,
    RESULT_CSV,
    model_folder,
    pretrain_folder,
    short_videos_pattern,
)
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.preset import Classifier
from vsim_tf.presets.sizes import sized
from vsim_tf.presets.small import CLASSES, CLASSIFY
from vsim_tf.records.class_folds import NUM_FOLDS
from vsim_tf.records.tfrecords import count_records, expand_pattern
from vsim_tf.training.class_options import ClassOptions

FLAGS = flags.FLAGS
PRETRAINED, RANDOM = "pretrained", "random"


def define_classify() -> None:
    """Flags of train_classify.py."""
    _define_classifier("wbdc_1", "Registered classifier.")
    _define_records_dir()
    define_output_dir()
    flags.DEFINE_string("folds", "0", f"Folds to validate on, e.g. 0-4 or 0,3; {FULL}: train on all videos.")
    run_length.define_preset("size, folds, frames, start, batch, epochs, rates and the average of weights by the labelled videos")
    flags.DEFINE_enum(
        "frames", PICTURES, [PICTURES, FEATURES],
        "pictures: the model's own vision tower reads them, and is trained. features: as they were extracted.",
    )  # fmt: skip
    flags.DEFINE_enum(
        "start", PRETRAINED, [PRETRAINED, RANDOM],
        "pretrained: weights are those of pre-training, of --bert_dir and --clip_dir. random: each run draws weights of its own.",
    )  # fmt: skip
    flags.DEFINE_string("record_pattern", None, "Labelled videos; default: <data_dir>/labeled/<frames>*.tfrecords.")
    flags.DEFINE_string(
        "pretrained_dir", None, "Pre-training run of the single stream; default: <output_dir>/wbdc_single/pretrain."
    )
    flags.DEFINE_string(
        "tower_dir", None,
        "Pre-training run whose vision tower is taken, of models that do not start from --clip_dir or without it; default:"
        " <output_dir>/wbdc_clip/pretrain.",
    )  # fmt: skip
    define_clip_dir()
    flags.DEFINE_string(
        "bert_dir", None, "Hugging Face folder of the encoder of wbdc_3; default: that of --pretrained_dir, as of others."
    )
    define_size()
    settings.define(settings.TRAINING_FLAGS, CLASSIFY, "training.average.decay=0.99")
    run_length.define()
    define_run()


def define_predict() -> None:
    """Flags of predict_classify.py."""
    _define_classifier(None, "Registered classifier; with --ckpt_file: what it must be.")
    _define_records_dir()
    define_output_dir()
    flags.DEFINE_string("folds", "0", f"Runs to predict by, e.g. 0-4 or {FULL}.")
    run_length.define_preset("the folds that train_classify.py trains")
    flags.DEFINE_string("ckpt_file", None, "One checkpoint, e.g. output/wbdc_1/fold-00/best/ckpt-1250, into --output_csv.")
    flags.DEFINE_string(
        "test_file", None,
        "Videos, a pattern; a set is named after its folder; default: <data_dir>/test_*/<kind>*.tfrecords, where <kind> is what"
        " the model reads, pictures or features.",
    )  # fmt: skip
    flags.DEFINE_string("output_csv", RESULT_CSV, "File for the classes by --ckpt_file: id,category_id.")
    flags.DEFINE_enum("checkpoint", None, [LAST, BEST], "Which checkpoint of each run; default: the model's, last or best.")
    flags.DEFINE_integer("batch_size", 64, "Videos at a time.", lower_bound=1)
    define_precision()


def _define_classifier(default: str | None, help_text: str) -> None:
    flags.DEFINE_enum("model", default, list(registry.CLASSIFIERS), help_text)


def _define_records_dir() -> None:
    flags.DEFINE_string(
        "data_dir", None, "Folder with labeled/, test_a/ ..., as extract_features.py writes them; default: <output_dir>/records."
    )


# --- configurations ---------------------------------------------------------------------------------------------------


def pretrained() -> Path:
    """The pre-training run that a classifier starts from, or takes its tokenizer from."""
    return Path(FLAGS.pretrained_dir or pretrain_folder(FLAGS.output_dir, "wbdc_single"))


def class_options(recipe: str = "2021", looks_at_data: bool = False, announces: bool = False) -> ClassOptions:
    """What the classification was asked for.

    Args:
        recipe: of its pre-training.
        looks_at_data: records are counted where the length of the run depends on them.
        announces: log what follows from them.

    Raises:
        UserError: flags that contradict each other.
    """
    asked, preset = registry.classifier(FLAGS.model), run_length.preset()
    settings.require_known_sections(settings.TRAINING)
    frames, start, size = _chosen(asked)
    if FLAGS.clip_dir and frames == FEATURES:
        raise UserError(f"--clip_dir is of a vision tower, which --frames={FEATURES} has no use for")
    if start == RANDOM and (FLAGS.bert_dir or FLAGS.clip_dir):
        raise UserError(f"--start={RANDOM} takes no published weights: leave --bert_dir and --clip_dir out")
    records = FLAGS.record_pattern or short_videos_pattern(records_dir(), LABELED, frames)
    runs = parse_runs(folds())
    videos = _training_videos(records, runs) if looks_at_data and run_length.counts_examples() else None
    published = recipes.recipe(recipe).stage("classify", asked.stage)
    model = sized(asked.model, size)
    plan = preset.plan(CLASSIFY, model, videos) if preset and videos is not None else None
    stage = settings.stage_as_asked(published, scales_schedules=True, examples=videos, plan=plan)
    if announces:
        of_all = run_length.left_to_preset({"size": size, "folds": folds(), "frames": frames, "start": start})
        run_length.announce(stage, videos, "videos", of_all | settings.choices_as_flags(plan.settings if plan else {}))
    starts_from_clip = FLAGS.clip_dir if not asked.tower_from else ""
    return ClassOptions(
        classifier=dataclasses.replace(asked, model=model),
        training=stage,
        records=records,
        pictures=frames == PICTURES,
        runs=runs,
        folder=model_folder(FLAGS.output_dir, FLAGS.model),
        pretrained=pretrained(),
        hub_dir=FLAGS.bert_dir or "",
        clip_dir=starts_from_clip or "",
        tower_run=Path(FLAGS.tower_dir or pretrain_folder(FLAGS.output_dir, asked.tower_from or "wbdc_clip")),
        random_start=start == RANDOM,
        overwrite=FLAGS.overwrite,
        keep_optimizer=FLAGS.keep_optimizer,
    )


def folds() -> str:
    """The folds asked for, or those of a preset."""
    preset = run_length.preset()
    return preset.class_runs if preset and not FLAGS["folds"].present else str(FLAGS.folds)


def _chosen(asked: Classifier) -> tuple[str, str, str]:
    """Frames, start and size as asked for, or as a preset has them where nothing that is published is given."""
    preset = run_length.preset()
    frames = FLAGS.frames if FLAGS.clip_dir else run_length.chosen_flag("frames", CLASSES)
    start = FLAGS.start if FLAGS.bert_dir or FLAGS.clip_dir else run_length.chosen_flag("start", CLASSES)
    size = FLAGS.size or (preset.size if preset and not FLAGS.bert_dir else asked.published_size)
    return frames, start, size


def _training_videos(records: str, runs: Sequence[int | str]) -> int:
    """Labelled videos without those of a fold; all for the run on all videos."""
    videos = sum(map(count_records, expand_pattern(records)))
    return videos if runs == [FULL] else videos * (NUM_FOLDS - 1) // NUM_FOLDS


def parse_runs(text: str) -> list[int | str]:
    """ "0-4" to its folds, or the run on all videos; `UserError` for anything else."""
    return [FULL] if text == FULL else list(parse_folds(text))

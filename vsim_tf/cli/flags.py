"""Every flag of the five stages, and what turns them into configurations, checked before TensorFlow is imported.

Names follow the 2021 scripts where those have the same flag. A default of None means the registered model's own value.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from vsim_tf.cli import pair_loss, run_length, settings
from vsim_tf.cli.enum_flags import EnumWithHidden
from vsim_tf.errors import UserError
from vsim_tf.io.paths import (
    BEST,
    FEATURES,
    LABELED,
    LAST,
    OUTPUT,
    PAIRWISE,
    PICTURES,
    POINTWISE,
    RESULT,
    TAGS,
    UNLABELED,
    all_sets_pattern,
    folds_folder,
    pairwise_labels,
    pretrain_folder,
    records_folder,
    records_pattern,
    short_videos_pattern,
)
from vsim_tf.models.architectures import Model
from vsim_tf.presets import recipes, registry
from vsim_tf.presets.recipes import RECIPES
from vsim_tf.presets.sizes import PUBLIC_SIZES, SIZES, sized
from vsim_tf.presets.small import CLASSES, FINETUNE, PAIRS, PRETRAIN, DataPreset
from vsim_tf.records.manifest import parse_manifest
from vsim_tf.records.schema import FRAME_FEATURE, FRAME_PICTURE
from vsim_tf.records.splits import SPLITS
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.video_facts import video_facts
from vsim_tf.runs.stage import PRECISIONS, Stage
from vsim_tf.training.pretrain_inputs import PretrainOptions, text_keys

FLAGS = flags.FLAGS


def define_write_tfrecord() -> None:
    """Flags of write_tfrecord.py."""
    define_data_dir()
    flags.DEFINE_string("pairwise_record_pattern", None, "Videos of the pairs; default: <data_dir>/pairwise/*.tfrecords.")
    flags.DEFINE_string("annotation_file", None, "Labelled pairs; default: <data_dir>/pairwise/label.tsv.")
    flags.DEFINE_string(
        "output_dir", None,
        f"Folder that receives the folds and manifest.json; default: {folds_folder(OUTPUT)}, of --split=modulo"
        f" {folds_folder(OUTPUT, 'modulo')}.",
    )  # fmt: skip
    flags.DEFINE_enum(
        "split", "shuffled", list(SPLITS),
        "shuffled: slices of the shuffled pairs. modulo: fold i has the pairs of whose ids both are i modulo --num_folds.",
    )  # fmt: skip
    flags.DEFINE_enum(
        "layout", "once", ["once", "expanded"],
        "once: each pair in the one file of its fold. expanded: a folder for each fold, the 2021 tree with --split=shuffled,"
        " <range>val/{train,val}.tfrecord, about ten times as large.",
    )  # fmt: skip
    flags.DEFINE_integer(
        "num_folds", None,
        f"Number of folds; default: {SPLITS['shuffled'].num_folds}, of --split=modulo {SPLITS['modulo'].num_folds}.",
        lower_bound=2,
    )  # fmt: skip
    flags.DEFINE_integer("seed", 42, "Seed of the shuffle.")
    flags.DEFINE_integer("frame_embedding_size", 1536, "Feature dimension of a frame.", lower_bound=1)
    run_length.define_preset("folds by the number of pairs, the feature dimension of the videos")
    flags.DEFINE_boolean("overwrite", False, "Replace folds that are there.")


def define_pretrain() -> None:
    """Flags of train_pretrain.py."""
    names = (*registry.PUBLIC_MODELS, *registry.PRETRAININGS)
    _define_registered("model", "uniter", names, [*registry.MODELS, *registry.PRETRAININGS], "Registered model.")
    define_data_dir()
    define_output_dir()
    flags.DEFINE_string(
        "train_record_pattern", None,
        "Videos to train on; default: <data_dir>/pointwise/*.tfrecords, of wbdc_* <data_dir>/unlabeled/<kind>*.tfrecords, where"
        " <kind> is features or pictures and <data_dir> by default <output_dir>/records.",
    )  # fmt: skip
    flags.DEFINE_string(
        "val_record_pattern", None,
        "Videos of the labelled pairs; default: <data_dir>/pairwise/*.tfrecords, of wbdc_* <data_dir>/labeled/<kind>*.tfrecords.",
    )  # fmt: skip
    flags.DEFINE_string("test_record_pattern", None, "Videos of the test sets (qq_job5); default: <data_dir>/test_*/*.tfrecords.")
    flags.DEFINE_string("annotation_file", None, "Labelled pairs; default: <data_dir>/pairwise/label.tsv.")
    flags.DEFINE_string("multi_label_file", None, "Known tags, one a line; default: <data_dir>/tag_list.txt.")
    define_size()
    for kind in ("bert", "roformer"):
        flags.DEFINE_string(f"{kind}_dir", None, f"Hugging Face folder of the {kind} encoder; default: train from scratch.")
        flags.DEFINE_string(f"{kind}_vocab", None, f"vocab.txt for a {kind} encoder from scratch; default: made from the titles.")
    define_clip_dir()
    flags.DEFINE_enum("recipe", "2021", list(RECIPES), "The solution as it was, or what improves it, in every stage.")
    settings.define((*settings.MODEL_FLAGS, *settings.TRAINING_FLAGS), PRETRAIN, "model.encoder.hidden_dropout=0.2")
    run_length.define()
    run_length.define_preset("size, lengths, batch, epochs and rates by the videos of --data_dir")
    define_run()


def define_pair() -> None:
    """Flags of train_pair.py."""
    _define_model()
    define_output_dir()
    _define_folds()
    flags.DEFINE_string("folds_dir", None, "What write_tfrecord.py wrote; default: <output_dir>/folds.")
    flags.DEFINE_string("pretrained_dir", None, "Run folder of the pre-training; default: <output_dir>/<model>/pretrain.")
    flags.DEFINE_string("train_record_pattern", None, "Pairs to train on, instead of --folds.")
    flags.DEFINE_string("val_record_pattern", None, "Pairs to validate on, instead of --folds.")
    flags.DEFINE_string("run_name", "pair", "Run folder below <output_dir>/<model> for --train_record_pattern.")
    pair_loss.define()
    settings.define((*settings.PAIR_FLAGS, *settings.TRAINING_FLAGS), FINETUNE, "training.tasks.tag.weight=0.5")
    run_length.define()
    run_length.define_preset("batch, epochs and rates by the number of pairs")
    define_run()


def define_inference() -> None:
    """Flags of inference_pair.py."""
    define_data_dir()
    define_output_dir()
    _define_folds()
    _define_model(None, "Registered model; with --ckpt_file: what it must be.")
    flags.DEFINE_string("ckpt_file", None, "One checkpoint, e.g. output/uniter/fold-00/last/ckpt-3000, into --output_zip.")
    flags.DEFINE_string("test_file", None, "Videos, a pattern; default: <data_dir>/test_*/*.tfrecords.")
    flags.DEFINE_string("output_zip", RESULT, "File for the embeddings by --ckpt_file: a submission .zip, or .npz.")
    flags.DEFINE_enum("checkpoint", None, [LAST, BEST], "Which checkpoint of each fold; default: the model's, last or best.")
    flags.DEFINE_integer("batch_size", 64, "Videos at a time.", lower_bound=1)
    define_precision()


def _define_registered(name: str, default: str | None, shown: Sequence[str], accepted: Sequence[str], help_text: str) -> None:
    parser = EnumWithHidden(shown, [value for value in accepted if value not in shown])
    flags.DEFINE(parser, name, default, f"<{'|'.join(shown)}>: {help_text}")


def _define_model(default: str | None = "uniter", help_text: str = "Registered model.") -> None:
    _define_registered("model", default, registry.PUBLIC_MODELS, list(registry.MODELS), help_text)


def define_size() -> None:
    text = "base, large: BERT's. tiny: trains from scratch on a CPU. Default: as published."
    _define_registered("size", None, PUBLIC_SIZES, list(SIZES), text)


def define_clip_dir() -> None:
    flags.DEFINE_string("clip_dir", None, "Hugging Face folder of the vision tower of wbdc_*; default: train from scratch.")


def define_data_dir() -> None:
    flags.DEFINE_string("data_dir", "data", "Folder with pointwise/, pairwise/, test_a/, test_b/ and tag_list.txt.")


def define_output_dir() -> None:
    flags.DEFINE_string("output_dir", OUTPUT, "Folder of all runs: <output_dir>/<model>/pretrain, fold-00, ...")


def _define_folds() -> None:
    flags.DEFINE_string("folds", None, "Folds, e.g. 0-10 or 0,3,5-7; default: the model's, 0-10 or 0, as far as written.")


def define_precision() -> None:
    flags.DEFINE_enum("precision", "auto", PRECISIONS, "Arithmetic; auto: mixed_bfloat16 on GPUs made for it, else float32.")


def define_run() -> None:
    flags.DEFINE_boolean("deterministic", None, "Same bits on every run; default: on a CPU, where it costs nothing.")
    flags.DEFINE_boolean("overwrite", False, "Replace runs that are there.")
    flags.DEFINE_boolean(
        "keep_optimizer", False, "Keep the optimizer's moments of complete runs, two thirds of a state: they can be extended."
    )


# --- configurations ---------------------------------------------------------------------------------------------------


def parse_folds(text: str) -> list[int]:
    """ "0-2,5" to [0, 1, 2, 5]; `UserError` for anything else."""
    folds: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"(\d{1,3})(?:-(\d{1,3}))?", part, re.ASCII)
        if not match:
            raise UserError(f"--folds={text}: {part!r} is neither a fold nor a range, up to 999; e.g. 0-10 or 0,3,5-7")
        folds.extend(range(int(match[1]), int(match[2] or match[1]) + 1))
    if len(set(folds)) != len(folds) or not folds:
        raise UserError(f"--folds={text}: a fold is named twice, or a range is empty")
    return folds


def folds_of(model: str) -> list[int]:
    """The folds asked for, by default those of a registered model that were written, or all of its while none were."""
    if FLAGS.folds:
        return parse_folds(FLAGS.folds)
    folds = parse_folds(registry.preset(model).folds)
    try:
        num_folds = parse_manifest(folds_dir(model)).num_folds
    except UserError:  # that is said where they are read
        return folds
    return [fold for fold in folds if fold < num_folds]


def folds_dir(model: str) -> Path:
    """The folder of the folds that a registered model is trained on."""
    given = FLAGS.folds_dir if "folds_dir" in FLAGS else None
    return Path(given or folds_folder(FLAGS.output_dir, registry.preset(model).split))


def pretrain_options(looks_at_data: bool = True, announces: bool = False) -> PretrainOptions:
    """What the pre-training was asked for.

    Args:
        looks_at_data: records are read where a preset or a length in epochs depends on them; else no file is looked up.
        announces: log what follows from them.

    Raises:
        UserError: flags that contradict each other, or records that cannot be read.
    """
    asked, preset, name = registry.pretraining(FLAGS.model), run_length.preset(), recipe_name()
    recipe = recipes.recipe(name)
    settings.require_known_sections(settings.MODEL, settings.TRAINING)
    kind = asked.model.encoder.kind
    hub_dir, vocab = FLAGS[f"{kind}_dir"].value, FLAGS[f"{kind}_vocab"].value
    if hub_dir and vocab:
        raise UserError(f"--{kind}_dir brings its own vocabulary: leave --{kind}_vocab out")
    if FLAGS.clip_dir and not asked.model.tower:
        raise UserError(f"--clip_dir is of a vision tower, which {FLAGS.model} does not have")
    if preset:
        preset.choice(PRETRAIN, FLAGS.model)
    size = FLAGS.size or (preset.size if preset and not hub_dir else asked.published_size)
    if hub_dir and size != asked.published_size:
        raise UserError(f"--{kind}_dir fixes the encoder's size: --size={asked.published_size} is needed, not {size}")
    published = sized(recipe.parts(asked.model, asked.model_of_plus), asked.size or size)
    inputs = _inputs(published)
    choices = _lengths(preset, published, inputs) if preset and looks_at_data else {}
    model = settings.model_as_asked(published, choices).replace(recipe=name)
    options = PretrainOptions(
        model=recipe.model(model),
        training=recipe.stage("pretrain", asked.stage, asked.stage_of_plus),
        **inputs,
        hub_dir=hub_dir or "",
        clip_dir=FLAGS.clip_dir or "",
        vocab=vocab or "",
        folder=pretrain_folder(FLAGS.output_dir, FLAGS.model),
        overwrite=FLAGS.overwrite,
        keep_optimizer=FLAGS.keep_optimizer,
    )
    examples = options.videos_of_an_epoch() if looks_at_data and run_length.counts_examples() else None
    plan = preset.plan(PRETRAIN, model, examples) if preset and examples is not None else None
    stage = settings.stage_as_asked(options.training, FLAGS.model in registry.PRETRAININGS, examples, plan)
    if announces:
        of_all = run_length.left_to_preset({"size": size, "recipe": name})
        of_data = choices | dict(plan.settings if plan else {})
        run_length.announce(stage, examples, "videos", of_all | settings.choices_as_flags(of_data))
    return dataclasses.replace(options, training=stage)


def recipe_name() -> str:
    """The recipe asked for, or that of a preset."""
    kind = CLASSES if FLAGS.model in registry.PRETRAININGS else PAIRS
    return str(run_length.chosen_flag("recipe", kind))


def _lengths(preset: DataPreset, model: Model, inputs: Mapping[str, str]) -> dict[str, Any]:
    """Settings of a model by path that a preset chooses by its training and validation videos."""
    files = [file for name in ("train_records", "val_records") for file in expand_pattern(inputs[name])]
    return preset.model_settings(model, video_facts(files, text_keys(model), FRAME_PICTURE if model.tower else FRAME_FEATURE))


def _inputs(model: Model) -> dict[str, str]:
    """Records and labels: of short videos there are records alone."""
    data, given = Path(FLAGS.data_dir), (FLAGS.train_record_pattern, FLAGS.val_record_pattern)
    if FLAGS.model in registry.PRETRAININGS:
        kind = PICTURES if model.tower else FEATURES
        train, val = (short_videos_pattern(records_dir(), split, kind) for split in (UNLABELED, LABELED))
        labels = {"test_records": "", "label_file": "", "tag_file": ""}
    else:
        train, val = records_pattern(data / POINTWISE), records_pattern(data / PAIRWISE)
        labels = {
            "test_records": FLAGS.test_record_pattern or all_sets_pattern(data),
            "label_file": FLAGS.annotation_file or str(pairwise_labels(data)),
            "tag_file": FLAGS.multi_label_file or str(data / TAGS),
        }
    return {"train_records": given[0] or train, "val_records": given[1] or val} | labels


def records_dir() -> Path:
    """The folder of the records of short videos."""
    return Path(FLAGS.data_dir) if FLAGS["data_dir"].present else records_folder(FLAGS.output_dir)


def finetune_stage(recipe: str, model: Model | None = None, pairs: int | None = None, announces: bool = False) -> Stage:
    """The fine-tuning of a recipe, which the pre-training run names, with what preset and flags change.

    Args:
        recipe: its name.
        model: that is trained, and `pairs`, how many it is trained on; None as long as they are not known.
        announces: log what follows from them.
    """
    preset = run_length.preset()
    if preset:
        preset.choice(FINETUNE, FLAGS.model)
    settings.require_known_sections(settings.TRAINING)
    published = pair_loss.as_asked(recipes.recipe(recipe).stage("finetune", registry.preset(FLAGS.model).finetune), FLAGS)
    plan = preset.plan(FINETUNE, model, pairs) if preset and model and pairs is not None else None
    stage = settings.stage_as_asked(published, examples=pairs, plan=plan)
    if announces:
        run_length.announce(stage, pairs, "pairs", settings.choices_as_flags(plan.settings if plan else {}))
    return stage


def require_batch(stage: Stage, model: Model, devices: int) -> None:
    """`UserError` for a batch that gives a device nothing to do, or that cannot be cut as asked."""
    if stage.batch_size < devices:
        raise UserError(f"--batch_size={stage.batch_size}: there are {devices} devices, a batch has an example for each of them")
    stage.require_micro_batches(model, devices)

"""Classification runs: what they start from, their folders, videos and settings."""

import dataclasses
from pathlib import Path

import numpy as np

from vsim_tf.components import fields_below
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import stamp
from vsim_tf.io.paths import FULL
from vsim_tf.models.clip_weights import read_vision_config
from vsim_tf.models.model import Model
from vsim_tf.models.weight_files import weights_file
from vsim_tf.presets import recipes
from vsim_tf.records.class_folds import class_folds
from vsim_tf.records.classes import ClassTable, classes_of_ids
from vsim_tf.records.feature_origin import Origin, origin_of, require_same_tower
from vsim_tf.records.schema import CATEGORY_ID, ID
from vsim_tf.records.tfrecords import expand_pattern, read_records
from vsim_tf.records.videos import parse_example
from vsim_tf.runs.run_folder import RunFolder, RunSettings, checkpoint_fingerprint, data_files, features_by
from vsim_tf.runs.tower_origin import tower_origin
from vsim_tf.training.class_options import ClassOptions

SHARED, ENCODER = r"(encoder|frame_block)/.*", r"encoder/.*"
"""Weights that single streams share, and that every model with a text encoder has."""


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledVideos:
    """Records of videos whose class is known.

    Attributes:
        files: record files.
        classes: that occur.
        targets: index of each record's class, `[videos]` int64.
        categories: its class.
    """

    files: list[str]
    classes: ClassTable
    targets: np.ndarray
    categories: list[str]


@dataclasses.dataclass(frozen=True, eq=False)
class ClassRun:
    """One run.

    Attributes:
        number: of its fold; of the run on all videos, the one behind the last fold.
        folder: of the run.
        training, validation: record numbers that it trains and validates on.
        settings: all that decides the result.
    """

    number: int
    folder: Path
    training: np.ndarray
    validation: np.ndarray
    settings: RunSettings


def labelled_videos(pattern: str) -> LabelledVideos:
    """Reads the class of every record; `UserError` for a record without one, or of an id that is there twice."""
    files, ids, categories = expand_pattern(pattern), [], []
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            where = f"{file}, record {number}"
            features = parse_example(data, where)
            found = features[CATEGORY_ID].int64_list.value
            ids.append(features[ID].bytes_list.value[0].decode("utf-8", "replace") if features[ID].bytes_list.value else "")
            if not found:
                raise UserError(f"{where}, video {ids[-1]!r}: no {CATEGORY_ID!r}; a class of four digits is needed to train on")
            categories.append(f"{found[0]:04d}")
    if repeated := sorted({video for video, count in zip(*np.unique(ids, return_counts=True), strict=True) if count > 1}):
        raise UserError(f"{pattern}: ids that are there more than once: {count_and_first(repeated)}")
    classes = classes_of_ids(categories)
    return LabelledVideos(files, classes, np.array([classes.index(each) for each in categories], np.int64), categories)


def class_runs(options: ClassOptions, videos: LabelledVideos) -> list[ClassRun]:
    """The runs that were asked for.

    Raises:
        UserError: what they start from is missing, not complete or does not fit; or there is no such fold.
    """
    folds = class_folds(videos.categories, label_file=options.records)
    runs = []
    for run, settings in class_settings(options, videos.files, videos.classes).items():
        part = folds.records(run if isinstance(run, int) else 0, full=run == FULL)
        number = run if isinstance(run, int) else folds.num_folds
        runs.append(ClassRun(number, options.run_folder(run), part.training, part.validation, settings))
    return runs


def class_settings(options: ClassOptions, files: list[str], classes: ClassTable) -> dict[int | str, RunSettings]:
    """The settings of each run that was asked for, of which no record is read.

    Args:
        options: what was asked for.
        files: record files of the labelled videos.
        classes: that occur among them.

    Raises:
        UserError: what the runs start from is missing, not complete or does not fit.
    """
    starts = starting_points(options)
    model = fitted_model(options, starts, len(classes.ids))
    for name, task in options.training.tasks.items():
        with fields_below(f"training.tasks.{name}."):
            task.require_model(model)
    tokenizer, tags = starts.pretrained.tokenizer, np.zeros(0, np.int64)
    data = {"labelled": data_files(files), **starts.fingerprints(), **features_by(starts.features_by)}
    return {
        run: RunSettings("classes", model, options.training, tokenizer, tags, {"run": str(run)} | data, classes)
        for run in options.runs
    }


@dataclasses.dataclass(frozen=True, eq=False)
class StartingPoints:
    """What the weights of a classifier start from.

    Attributes:
        pretrained: run of the single stream.
        shared: regular expression of the weights that are taken from it; empty where they are those of `hub_dir`.
        tower: run of which the tower is taken; None for `clip_dir`, or for a model without one.
        hub_dir, clip_dir, random_start: see `ClassOptions`.
        features_by: the tower whose features the classifier reads, where it has none of its own and that is known.
    """

    pretrained: RunFolder
    shared: str
    tower: RunFolder | None
    hub_dir: str
    clip_dir: str
    random_start: bool = False
    features_by: Origin | None = None

    def fingerprints(self) -> dict[str, str]:
        """What tells them from others, for config.json."""
        if self.random_start:
            return {"start": "random"}
        runs = {"pretrained": self.pretrained if self.shared else None, "tower": self.tower}
        folders = {"hub": self.hub_dir, "clip": self.clip_dir}
        of_runs = {name: checkpoint_fingerprint(run.checkpoint()) for name, run in runs.items() if run}
        return of_runs | {name: str(stamp(weights_file(Path(folder)))) for name, folder in folders.items() if folder}


def starting_points(options: ClassOptions) -> StartingPoints:
    """Opens what a classifier starts from.

    Raises:
        UserError: a run that is missing or not complete, or one that was pre-trained on features of another tower.
    """
    of_encoder = SHARED if options.classifier.encoder_from else ENCODER
    hub_dir = "" if options.classifier.encoder_from else options.hub_dir
    clip_dir = options.clip_dir if options.pictures else ""
    tower = options.tower_run if options.pictures and not clip_dir else None
    pretrained = complete_run(options.pretrained)
    shares = bool(options.classifier.encoder_from) and not options.random_start
    origin = None if options.pictures else origin_of(expand_pattern(options.records))
    if shares and not options.pictures:
        origin = origin or pretrained.features_by  # whose weights have read no others
    starts = StartingPoints(
        pretrained,
        "" if hub_dir else of_encoder,
        complete_run(tower) if tower else None,
        hub_dir,
        clip_dir,
        options.random_start,
        origin,
    )
    if shares:
        _require_tower_of_pretraining(options, starts)
    return starts


def _require_tower_of_pretraining(options: ClassOptions, starts: StartingPoints) -> None:
    """`UserError` where weights come from a run on other features than the classifier will see.

    A classifier that takes the tower of another run by design, as model 2, is not meant.
    """
    before, run = starts.pretrained.features_by, f"the pre-training {starts.pretrained.path}"
    if before is None or (options.pictures and options.classifier.tower_from):
        return
    if not options.pictures:
        require_same_tower(run, before, options.records, starts.features_by)
        return
    tower = tower_origin(starts.clip_dir or options.tower_run or "")
    advice = "give clip_dir or tower_dir with the tower of the features, or pre-train on features of this one"
    require_same_tower(run, before, f"{options.classifier.name} on pictures", tower, advice, ["clip_dir", "tower_dir"])


def complete_run(folder: Path) -> RunFolder:
    """A complete pre-training run."""
    run = RunFolder.open(folder)
    if run.summary is None:
        raise UserError(f"{folder}: pre-training is not complete; pre-train {run.model.name} first")
    return run


def fitted_model(options: ClassOptions, starts: StartingPoints, num_classes: int) -> Model:
    """The classifier's model with encoder and text of the pre-training run, behind the tower that it starts from."""
    model, pretrained = options.classifier.model, starts.pretrained.model
    changes = {
        "encoder": pretrained.encoder.to_dict(), "text": pretrained.text.to_dict(), "num_classes": num_classes,
        "frames.max_frames": pretrained.frames.max_frames, "recipe": pretrained.recipe,
    }  # fmt: skip
    if starts.tower:
        changes |= model.tower_changes(starts.tower.model.tower)
    elif starts.clip_dir:
        changes |= model.tower_changes(read_vision_config(starts.clip_dir))
    elif not options.pictures:
        changes |= model.tower_changes(None) | {"frames.dim": pretrained.frames.dim}
    fitted = model.replace(changes)
    if options.classifier.encoder_from and fitted.frames.dim != pretrained.frames.dim:
        raise UserError(
            f"{options.pretrained} was pre-trained on frames of {pretrained.frames.dim} features, the tower makes"
            f" {fitted.frames.dim}; pre-train on features of this tower, or train on features"
        )
    return recipes.recipe(pretrained.recipe).model(fitted)

"""The last stage of classifiers: ensemble the predictions of all runs, write the csv, and report on a labelled test set."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsim_tf.ensemble.class_scores import Member
from vsim_tf.ensemble.class_set import ClassSet, ensemble_scores, score_classifiers
from vsim_tf.ensemble.curves import validation_curve
from vsim_tf.ensemble.find import embedded_folds, find_members, folds_of_models
from vsim_tf.ensemble.linear_member import baseline_scores, linear_member
from vsim_tf.ensemble.note import announce_made, note_made
from vsim_tf.ensemble.page.classes import class_results, class_sections
from vsim_tf.ensemble.page.report_page import report_page
from vsim_tf.ensemble.page.runs import Runs
from vsim_tf.ensemble.publish import publish
from vsim_tf.ensemble.report import Report
from vsim_tf.ensemble.score_tables import score_text
from vsim_tf.ensemble.timings import timings_of
from vsim_tf.errors import UserError
from vsim_tf.evaluation.hierarchical_f1 import HierarchicalF1
from vsim_tf.inference.products import PREDICTIONS
from vsim_tf.io.paths import (
    FEATURES,
    LABELED,
    METRICS_FILE,
    PICTURES,
    fold_folder,
    pretrain_folder,
    report_file,
    short_videos_pattern,
)
from vsim_tf.presets import registry
from vsim_tf.presets.registry import LINEAR
from vsim_tf.records.category_files import read_categories, write_categories
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.videos import read_ids
from vsim_tf.runs.run_folder import RunFolder

logger = logging.getLogger(__name__)


def class_ensemble_and_report(
    *,
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Sequence[int | str] | None,
    test_name: str,
    labelled_test_name: str,
    labels: Path,
    output_csv: str,
    command: str,
    decision: str = "class",
    frame_embedding_size: int | None = None,
) -> list[Path]:
    """Writes the classes of one test set, and next to them report and page of a labelled one; returns what it wrote.

    Args:
        output_dir: folder of all runs.
        data_dir: records of short videos (`io.paths.short_videos_pattern`).
        weights: weight of the probabilities of each classifier, and of `registry.LINEAR`.
        folds: runs that are averaged; None for those of each model that have predictions of `test_name`.
        test_name: test set of the csv, which has its videos in their order if `data_dir` has them.
        labelled_test_name: test set of the report.
        labels: its classes; without that file there is a page alone, which has no scores.
        output_csv: path of the csv; the report's is `report_file`.
        command: stands in the report.
        decision: see `ClassScores.categories`.
        frame_embedding_size: feature dimension of the records that logistic regressions read; None for that of the first run.

    Raises:
        UserError: members, labels or files of a run cannot be used; then nothing is written.
    """
    of_models = folds_of_models(output_dir, [name for name in weights if name != LINEAR], folds, test_name, PREDICTIONS)
    width = frame_embedding_size or _frame_width(output_dir, of_models)
    reason = no_report(output_dir, labels, of_models, labelled_test_name)
    tests = {test_name} if reason else {test_name, labelled_test_name}
    linear = linear_member(data_dir, sorted(tests), width) if LINEAR in weights else {}

    def members(test: str) -> dict[str, Sequence[Member]]:
        found = find_members(output_dir, of_models, test, PREDICTIONS)
        return {name: [linear[test]] if name == LINEAR else found[name] for name in weights}

    scores, known, scored = ensemble_scores(members(test_name), weights), {}, []
    if reason:
        logger.info(f"no report: {reason}")
    else:
        known = _read_labels(labels, scores.classes)
        models, ensemble = score_classifiers(members(labelled_test_name), weights, known, decision)
        baselines = known_baselines(data_dir, labelled_test_name, known, width)
        scored = [ClassSet(labelled_test_name, len(known), models, ensemble, baselines)]
    facts = run_facts(output_dir, {"classes": f"{len(scores.classes)}", "decision": decision} | of_folds(of_models))
    report = Report(command, scored, facts, timings_of(output_dir))
    name = test_name if reason else labelled_test_name
    results = class_results(members(name), weights, known, decision)
    sections = class_sections(results, record_files(data_dir, name, (PICTURES, FEATURES)))
    page = report_page(report, reason, sections, class_runs(output_dir, of_models))
    ids = record_ids(data_dir, test_name)
    write_categories(output_csv, scores.categories(decision), scores.ids if ids is None else ids)
    logger.info(f"{output_csv}: {len(scores.ids)} videos of {test_name}")
    return [Path(output_csv), *publish(report_file(output_csv, output_dir), report, page, output="csv")]


def _read_labels(labels: Path, classes: Sequence[str]) -> dict[str, str]:
    """The class of each video, with a warning of classes that no model knows."""
    known = read_categories(labels)
    unknown = [video for video, category in known.items() if category not in classes]
    if unknown:
        found = f"{len(unknown)} videos are of classes that no model was trained on, and count as wrong"
        logger.warning(f"{labels}: {found}; first {unknown[0]}, {known[unknown[0]]}")
    return known


def class_runs(output_dir: Path, folds: Mapping[str, Sequence[int | str]]) -> list[Runs]:
    """Runs that classifiers start from, and their own."""
    before = [Runs(model, "pre-training", [pretrain_folder(output_dir, model)]) for model in registry.PRETRAININGS]
    own = {model: [fold_folder(output_dir, model, fold) for fold in of_model] for model, of_model in folds.items()}
    return before + [Runs(model, "fine-tuning", folders) for model, folders in own.items()]


def _frame_width(output_dir: Path, runs: Mapping[str, Sequence[int | str]]) -> int:
    """Feature dimension of a frame, of the first run."""
    model, (run, *_) = next(iter(runs.items()))
    return RunFolder.open(fold_folder(output_dir, model, run)).model.frames.dim


def no_report(output_dir: Path, labels: Path, folds: Mapping[str, Sequence[int | str]], labelled_test_name: str) -> str:
    """Why there is nothing to score; empty where there is."""
    if not labels.exists():
        return f"{labels} does not exist"
    try:
        find_members(output_dir, folds, labelled_test_name, PREDICTIONS)
    except UserError as error:
        return str(error)
    return ""


def record_files(data_dir: Path, split: str, kinds: Sequence[str] = (FEATURES, PICTURES)) -> list[str]:
    """Record files of a split, of the first of these kinds that is there; none where none is."""
    for kind in kinds:
        folder = data_dir / split
        if any(folder.glob(Path(short_videos_pattern(data_dir, split, kind)).name)):
            return expand_pattern(short_videos_pattern(data_dir, split, kind))
    return []


def record_ids(data_dir: Path, name: str) -> list[str] | None:
    """Ids of a test set's videos, in their order; None without its records."""
    files = record_files(data_dir, name)
    if not files:
        logger.info(f"ids are not compared with a test set: {data_dir / name} has no records")
        return None
    return read_ids(files)


def known_baselines(data_dir: Path, name: str, labels: Mapping[str, str], width: int) -> dict[str, HierarchicalF1]:
    """Scores of the baselines; none, and a warning, where records of features cannot be used."""
    try:
        return baseline_scores(data_dir, name, labels, width)
    except UserError as error:
        logger.warning("The report has no baselines: %s", error, extra={"fields": error.fields})
        return {}


def of_folds(runs: Mapping[str, Sequence[int | str]]) -> dict[str, str]:
    """How scores at validation are to be read; nothing where no run was validated."""
    if not any(isinstance(run, int) for of_model in runs.values() for run in of_model):
        return {}
    said = "random folds: with videos of one author or series on both sides, mean F1 is higher there than on unseen content"
    return {"validation": said}


def run_facts(output_dir: Path, facts: dict[str, str]) -> dict[str, str]:
    """How models are combined, and how pre-training changed the loss of the labelled videos."""
    facts = {"ensemble": "weighted sum of probabilities"} | facts
    for model in registry.PRETRAININGS:
        if curve := validation_curve(pretrain_folder(output_dir, model) / METRICS_FILE, "loss"):
            facts[f"{model}: loss of labelled videos, untrained and pre-trained"] = ", ".join(
                score_text(value) for value in (curve[0], curve[-1])
            )
    return facts


def announce_class_ensemble(settings: dict[str, Any]) -> bool:
    """Whether the csv, and the report with it, were made of the same settings and files and are unchanged, after saying so.

    Args:
        settings: arguments of `class_ensemble_and_report` without the command.
    """
    return announce_made(settings["output_csv"], settings | {"product": PREDICTIONS.noun}, _files(settings))


def note_class_sources(settings: dict[str, Any], outputs: Sequence[Path]) -> None:
    """Notes what the outputs, the csv among them, were made of."""
    note_made(settings["output_csv"], settings | {"product": PREDICTIONS.noun}, _files(settings), outputs)


def _files(settings: dict[str, Any]) -> list[Path]:
    """Predictions and records of the test sets, labels, and records of the training videos."""
    output_dir, names = settings["output_dir"], (settings["test_name"], settings["labelled_test_name"])
    runs = [
        (model, run)
        for model in settings["weights"]
        if model != LINEAR
        for run in settings["folds"] or embedded_folds(output_dir, model, settings["test_name"], PREDICTIONS)
    ]
    made = [PREDICTIONS.file(fold_folder(output_dir, model, run), name) for name in names for model, run in runs]
    records = [Path(file) for split in (*names, LABELED) for file in record_files(settings["data_dir"], split)]
    return [*made, *records, settings["labels"]]

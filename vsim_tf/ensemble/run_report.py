"""The last stage: ensemble the embeddings of all runs, write the zip, and report on the labelled test set."""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vsim_tf.ensemble.combine import EnsembleResult, ensemble_run, find_members
from vsim_tf.ensemble.report import (
    ADVICE_FIELDS,
    Report,
    SetScores,
    advice,
    console_table,
    read_timings,
    score_text,
    write_report,
)
from vsim_tf.errors import UserError
from vsim_tf.evaluation.baselines import baseline_scores
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.files import read_json_lines
from vsim_tf.io.paths import (
    MANIFEST,
    METRICS_FILE,
    RECORDS,
    TIMINGS,
    fold_folder,
    folds_folder,
    pretrain_folder,
    records_pattern,
    report_file,
    set_labels,
)
from vsim_tf.io.quiet_imports import quiet_imports
from vsim_tf.io.tables import table_text
from vsim_tf.records.embeddings import write_submission, zip_bytes
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.manifest import parse_manifest
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import RunFolder

logger = logging.getLogger(__name__)


def ensemble_and_report(
    *,
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Sequence[int] | None,
    test_name: str,
    labelled_test_name: str,
    output_zip: str,
    command: str,
    frame_embedding_size: int | None = None,
    method: str = "sum",
    normalize: bool = False,
) -> list[Path]:
    """Writes the submission zip of one test set, and next to it the report of a labelled one; returns what it wrote.

    Args:
        output_dir: folder of all runs.
        data_dir: holds `<labelled_test_name>/label.tsv`; without that file no report is written.
        weights: weight of each model, or of each file of embeddings when `folds` is None.
        folds: folds that are averaged.
        test_name: test set of the zip, which must hold its videos and no others if `data_dir` has them.
        labelled_test_name: test set of the report.
        output_zip: path of the zip; the report's is `report_file`.
        command: stands in the report.
        frame_embedding_size: feature dimension of the records that the baselines read; None for that of the first run.
        method, normalize: how models are combined, see `ensemble_run`.

    Raises:
        UserError: members, labels or files of a run cannot be used; then neither zip nor report is written.
    """
    combination: dict[str, Any] = {"method": method, "normalize": normalize}
    if folds is None:
        result = ensemble_run({file: [Path(file)] for file in weights}, weights, **combination)
    else:
        result = ensemble_run(find_members(output_dir, weights, folds, test_name), weights, **combination)
    report = None
    if reason := no_report(output_dir, data_dir, weights, folds, labelled_test_name):
        logger.info(f"no report: {reason}")
    elif folds is not None:
        scores = score_test_set(output_dir, data_dir, weights, folds, labelled_test_name, frame_embedding_size, combination)
        facts = {"ensemble": describe(**combination)} | run_facts(output_dir, list(weights))
        timings = output_dir / TIMINGS
        report = Report(command, [scores], facts, read_timings(timings) if timings.exists() else [])
    require_space(Path(output_zip).parent, zip_bytes(*result.embeddings.values.shape), "the submission zip")
    write_submission(output_zip, result.embeddings, dtype="float64", expected_ids=test_ids(data_dir, test_name, folds))
    logger.info(f"{output_zip}: {len(result.embeddings.ids)} videos{f' of {test_name}' if folds is not None else ''}")
    if not report:
        return [Path(output_zip)]
    _publish(report_file(output_zip, output_dir), report)
    return [Path(output_zip), report_file(output_zip, output_dir)]


def no_report(
    output_dir: Path, data_dir: Path, weights: dict[str, float], folds: Sequence[int] | None, labelled_test_name: str
) -> str:
    """Why there is nothing to score; empty where there is."""
    label_file = set_labels(data_dir, labelled_test_name)
    if folds is None:
        return "members are files"
    if not label_file.exists():
        return f"{label_file} does not exist"
    try:
        find_members(output_dir, weights, folds, labelled_test_name)
    except UserError as error:
        return str(error)
    return ""


def _publish(path: Path, report: Report) -> None:
    write_report(path, report)
    for scores in report.sets:
        logger.info(table_text(console_table(scores)))
        if said := advice(scores):
            logger.info(said, extra={"fields": ADVICE_FIELDS})
    logger.info(str(path))


def describe(method: str, normalize: bool) -> str:
    """How models are combined, for the report."""
    if method == "svd":
        return "SVD of unit-norm embeddings, concatenated"
    return f"weighted sum of {'unit-norm ' if normalize else ''}embeddings"


def test_ids(data_dir: Path, name: str, folds: Sequence[int] | None) -> list[str] | None:
    """Ids of a test set's videos; None for members that are files, which may be of any set, and without its records."""
    pattern = data_dir / name / RECORDS
    if folds is None or not any(pattern.parent.glob(pattern.name)):
        reason = "members are files" if folds is None else f"there is no {pattern}"
        logger.info(f"ids are not compared with a test set: {reason}")
        return None
    with quiet_imports():
        from vsim_tf.records.videos import read_ids
    return read_ids(expand_pattern(records_pattern(pattern.parent)))


def run_facts(output_dir: Path, models: Sequence[str]) -> dict[str, str]:
    """Counts of the folds, and how pre-training changed each model's Spearman on the labelled pairs."""
    facts = {}
    folds = folds_folder(output_dir)
    if (folds / MANIFEST).exists():
        manifest = parse_manifest(folds)
        facts["labelled pairs"] = f"{sum(file.records for file in manifest.files.values()):,}"
        facts["folds"] = str(manifest.num_folds)
    for model in models:
        curve = validation_curve(pretrain_folder(output_dir, model) / METRICS_FILE)
        if curve:
            scores = f"{score_text(curve[0])}, {score_text(curve[-1])}"
            facts[f"{model}: Spearman of the labelled pairs, untrained and pre-trained"] = scores
    return facts


def validation_curve(path: Path) -> list[float]:
    """Spearman of each evaluation in a run's metrics.jsonl, NaN where it is not defined; empty where there is no such file."""
    lines = read_json_lines(path) if path.exists() else []
    values = [line["validation/spearman"] for line in lines if "validation/spearman" in line]
    return [value if type(value) in (int, float) else math.nan for value in values]


def score_test_set(
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Sequence[int],
    name: str,
    frame_embedding_size: int | None,
    combination: dict[str, Any],
) -> SetScores:
    """Scores every fold, model and the ensemble on a labelled test set, compared with the baselines."""
    pairs = read_labels(set_labels(data_dir, name))
    result: EnsembleResult = ensemble_run(find_members(output_dir, weights, folds, name), weights, pairs, **combination)
    first_run = fold_folder(output_dir, next(iter(weights)), folds[0])
    return SetScores(
        name=name,
        models=result.models,
        ensemble_score=result.score,
        baselines=_baselines(first_run, data_dir / name, pairs, frame_embedding_size),
        num_videos=len(result.embeddings.ids),
        num_pairs=len(pairs),
    )


def _baselines(run: Path, test_set: Path, pairs: Sequence[Pair], frame_embedding_size: int | None) -> dict[str, float]:
    """Scores of the baselines; none, and a warning, where the test set's records cannot be used."""
    try:
        test_files = expand_pattern(records_pattern(test_set))
        if len(test_files) != 1:
            raise UserError(f"{test_set}: one .tfrecords file is needed, found {len(test_files)}")
        return baseline_scores(test_files[0], pairs, frame_embedding_size or frame_width(run))
    except UserError as error:
        logger.warning("The report has no baselines: %s", error, extra={"fields": error.fields})
        return {}


def frame_width(run: Path) -> int:
    """Feature dimension of the frames that a run was trained on; `UserError` where the folder does not say so."""
    return RunFolder.open(run).model.frames.dim

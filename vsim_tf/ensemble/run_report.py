"""The last stage: ensemble the embeddings of all runs, write the zip, and report on the labelled test set."""

import dataclasses
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vsim_tf.ensemble.curves import validation_curve
from vsim_tf.ensemble.find import find_members, folds_of_models, trained_folds, trained_run
from vsim_tf.ensemble.labelled_set import score_test_set
from vsim_tf.ensemble.linear_embeddings import embed_by_linear
from vsim_tf.ensemble.page.blocks import Page
from vsim_tf.ensemble.page.pairs import PairResults, pair_results, pair_sections
from vsim_tf.ensemble.page.report_page import report_page
from vsim_tf.ensemble.page.runs import Runs
from vsim_tf.ensemble.publish import publish
from vsim_tf.ensemble.report import Report
from vsim_tf.ensemble.score_tables import score_text
from vsim_tf.ensemble.scored import EnsembleResult, ensemble_run
from vsim_tf.ensemble.svd_basis import SvdBasis
from vsim_tf.ensemble.timings import timings_of
from vsim_tf.errors import UserError
from vsim_tf.io.disk_space import require_space
from vsim_tf.io.paths import (
    MANIFEST,
    METRICS_FILE,
    RECORDS,
    basis_file,
    fold_folder,
    pretrain_folder,
    records_pattern,
    report_file,
    set_labels,
)
from vsim_tf.presets.recipes import NOTHING
from vsim_tf.presets.registry import LINEAR
from vsim_tf.records.embeddings import write_submission, zip_bytes
from vsim_tf.records.manifest import parse_manifest
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.records.videos import read_ids
from vsim_tf.types import PathLike

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
    svd_basis: str | None = None,
    center: bool = False,
    are_files: bool = False,
    basis: SvdBasis | None = None,
    facts: Mapping[str, str] = NOTHING,
) -> list[Path]:
    """Writes the submission zip of one test set, and next to it report and page of a labelled one; returns what it wrote.

    Args:
        output_dir: folder of all runs.
        data_dir: holds `<labelled_test_name>/label.tsv`; without that file there is a page alone, which has no scores.
        weights: weight of each model, or of each file of embeddings.
        folds: folds that are averaged; None for those of each model that have embeddings of `test_name`.
        test_name: test set of the zip, which must hold its videos and no others if `data_dir` has them.
        labelled_test_name: test set of the report.
        output_zip: path of the zip; the report's is `report_file`, and that of the basis of an SVD `basis_file`.
        frame_embedding_size: feature dimension of the records that the baselines read; None for that of the first run.
        method, normalize, center: how models are combined, see `ensemble_run`; a basis that is applied is centred or not itself.
        svd_basis: file of a basis that is applied; None fits one for `method="svd"`, to each of the two test sets.
        are_files: whether members are files, which `weights` names; then there is neither report nor page.
        basis: of training videos (`training_basis`), is applied where `svd_basis` names no file.
        command, facts: stand in the report, facts (name -> text) with those of data and runs.

    Raises:
        UserError: members, labels, basis or files of a run cannot be used; then nothing is written.
    """
    basis = load_basis(svd_basis, weights, are_files) if svd_basis else basis
    center = basis.mean is not None if basis else center
    combination: dict[str, Any] = {"method": method, "normalize": normalize, "basis": basis, "center": center}
    of_models = {} if are_files else _runs(output_dir, data_dir, weights, folds, test_name, labelled_test_name)
    members = {file: [Path(file)] for file in weights} if are_files else find_members(output_dir, of_models, test_name)
    reason = no_report(output_dir, data_dir, of_models, labelled_test_name)
    result = ensemble_run(members, weights, **combination, keep_means=bool(reason) and not are_files)
    if reason:
        logger.info(f"no report: {reason}")
    made = None
    if not are_files:
        described = {"ensemble": describe(svd_basis=svd_basis, **combination), **facts} | run_facts(output_dir, of_models)
        name = test_name if reason else labelled_test_name
        asked = (output_dir, data_dir, weights, of_models, name, frame_embedding_size, combination)
        scores, shown = (None, pair_results(result, [], combination)) if reason else score_test_set(*asked)
        report = Report(command, [scores] if scores else [], described, timings_of(output_dir))
        made = report, page_of(report, reason, output_dir, data_dir, of_models, name, shown)
    written = _write_result(output_zip, result, weights, method, are_files, data_dir, test_name)
    return [*written, *(publish(report_file(output_zip, output_dir), *made, "try normalize=True") if made else [])]


def _write_result(
    output_zip: str,
    result: EnsembleResult,
    weights: dict[str, float],
    method: str,
    are_files: bool,
    data_dir: Path,
    test_name: str,
) -> list[Path]:
    """Writes the zip and the basis; returns what it wrote."""
    require_space(Path(output_zip).parent, zip_bytes(*result.embeddings.values.shape), "the submission zip")
    dtype, ids = "float16" if method == "svd" else "float64", test_ids(data_dir, test_name, are_files)
    write_submission(output_zip, result.embeddings, dtype=dtype, expected_ids=ids)
    logger.info(f"{output_zip}: {len(result.embeddings.ids)} videos{'' if are_files else f' of {test_name}'}")
    return [Path(output_zip), *_write_basis(basis_file(output_zip), result.basis, weights, are_files)]


def _runs(
    output_dir: Path, data_dir: Path, weights: Iterable[str], folds: Sequence[int] | None, test_name: str, labelled_test_name: str
) -> dict[str, list[int | str]]:
    """Runs of each model; the linear one embeds the test sets now."""
    found = folds_of_models(output_dir, list(weights), folds, test_name)
    if LINEAR in found:
        sets = [name for name in dict.fromkeys((test_name, labelled_test_name)) if any((data_dir / name).glob(RECORDS))]
        embed_by_linear(output_dir, data_dir, trained_run(output_dir, found), sets)
    return found


def page_of(
    report: Report,
    missing: str,
    output_dir: Path,
    data_dir: Path,
    folds: Mapping[str, Sequence[int | str]],
    name: str,
    results: PairResults,
) -> Page:
    """The page of HTML of a report.

    Args:
        report: the same as markdown has it.
        missing: why there are no scores; empty where there are.
        output_dir: folder of all runs.
        data_dir: with the records of the test set.
        folds: of each model.
        name: of the test set.
        results: of the test set.
    """
    files = [str(file) for file in sorted((data_dir / name).glob(RECORDS))]
    runs = [Runs(model, "pre-training", [pretrain_folder(output_dir, model)]) for model in folds]
    runs += [Runs(model, "fine-tuning", [fold_folder(output_dir, model, fold) for fold in folds[model]]) for model in folds]
    return report_page(report, missing, pair_sections(results, files), runs)


def load_basis(path: PathLike, weights: Iterable[str], are_files: bool) -> SvdBasis:
    """Reads a basis for members of these names; files count by their place, as those of other videos have other names.

    Raises:
        UserError: see `SvdBasis.load`.
    """
    basis = SvdBasis.load(path)
    names = {place: name for name, place in _names_in_basis(weights, are_files).items()}
    return dataclasses.replace(basis, names=tuple(names.get(name, name) for name in basis.names))


def save_basis(path: PathLike, basis: SvdBasis, weights: Iterable[str], are_files: bool) -> None:
    """Writes what `load_basis` reads."""
    names = _names_in_basis(weights, are_files)
    dataclasses.replace(basis, names=tuple(names[name] for name in basis.names)).save(path)


def _write_basis(path: Path, basis: SvdBasis | None, weights: Iterable[str], are_files: bool) -> list[Path]:
    """Writes the basis that a zip was made by, or removes that of an earlier one; returns what was written."""
    if not basis:
        path.unlink(missing_ok=True)
        return []
    save_basis(path, basis, weights, are_files)
    return [path]


def _names_in_basis(weights: Iterable[str], are_files: bool) -> dict[str, str]:
    return {name: f"member {place}" if are_files else name for place, name in enumerate(weights, 1)}


def no_report(output_dir: Path, data_dir: Path, folds: Mapping[str, Sequence[int | str]], labelled_test_name: str) -> str:
    """Why there is nothing to score; empty where there is. Without folds, members are files."""
    label_file = set_labels(data_dir, labelled_test_name)
    if not folds:
        return "members are files"
    if not label_file.exists():
        return f"{label_file} does not exist"
    try:
        find_members(output_dir, folds, labelled_test_name)
    except UserError as error:
        return str(error)
    return ""


def describe(
    method: str, normalize: bool, center: bool = False, svd_basis: str | None = None, basis: SvdBasis | None = None
) -> str:
    """How models are combined, for the report."""
    if method == "svd":
        source = f", by the basis {svd_basis}" if svd_basis else ", by a basis of training videos" if basis else ""
        return f"SVD of {'centred ' if center else ''}unit-norm embeddings, concatenated{source}"
    return f"weighted sum of {'unit-norm ' if normalize else ''}embeddings"


def test_ids(data_dir: Path, name: str, are_files: bool) -> list[str] | None:
    """Ids of a test set's videos; None for members that are files, which may be of any set, and without its records."""
    pattern = data_dir / name / RECORDS
    if are_files or not any(pattern.parent.glob(pattern.name)):
        reason = "members are files" if are_files else f"there is no {pattern}"
        logger.info(f"ids are not compared with a test set: {reason}")
        return None
    return read_ids(expand_pattern(records_pattern(pattern.parent)))


def run_facts(output_dir: Path, models: Mapping[str, Sequence[int | str]]) -> dict[str, str]:
    """Counts of the folds, and how pre-training changed each model's Spearman on the labelled pairs."""
    facts = {}
    trained = {model: runs for model, runs in models.items() if model != LINEAR}
    first_folds = {model: next((fold for fold in found if isinstance(fold, int)), 0) for model, found in trained.items()}
    for folds in dict.fromkeys(trained_folds(output_dir, model, fold) for model, fold in first_folds.items()):
        if (folds / MANIFEST).exists():
            manifest = parse_manifest(folds)
            facts["labelled pairs"] = f"{sum(file.records for file in manifest.files.values()):,}"
            facts[f"folds, {manifest.settings.split}"] = str(manifest.num_folds)
    for model in models:
        curve = validation_curve(pretrain_folder(output_dir, model) / METRICS_FILE)
        if curve:
            scores = f"{score_text(curve[0])}, {score_text(curve[-1])}"
            facts[f"{model}: Spearman of the labelled pairs, untrained and pre-trained"] = scores
    return facts

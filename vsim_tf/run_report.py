"""The last stage: ensemble the embeddings of all runs, write the zip, and report on the labelled test set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rich

from vsim_tf.baselines import baseline_scores
from vsim_tf.data.files import read_json_lines
from vsim_tf.data.labels import read_labels
from vsim_tf.data.manifest import MANIFEST, parse_manifest
from vsim_tf.data.records import expand_pattern, folder_pattern
from vsim_tf.ensemble import EnsembleResult, ensemble_run, find_members
from vsim_tf.errors import UserError
from vsim_tf.flags import quiet_imports
from vsim_tf.report import Report, SetScores, console_table, read_timings, write_report
from vsim_tf.submission import write_submission

TIMINGS = "timings.tsv"
METRICS_FILE = "metrics.jsonl"


def ensemble_and_report(
    *,
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Sequence[int] | None,
    test_name: str,
    labelled_test_name: str,
    output_zip: str,
    frame_embedding_size: int,
    command: str,
    method: str = "sum",
    normalize: bool = False,
) -> list[Path]:
    """Writes the submission zip of one test set, and report.md with the scores of a labelled one; returns what it wrote.

    Args:
        output_dir: folder of all runs; receives report.md and report.png.
        data_dir: holds `<labelled_test_name>/label.tsv`; without that file no report is written.
        weights: weight of each model, or of each file of embeddings when `folds` is None.
        folds: folds that are averaged.
        test_name: test set of the zip, which must hold its videos and no others if `data_dir` has them.
        labelled_test_name: test set of the report.
        output_zip: path of the zip.
        frame_embedding_size: numbers per frame, for the baseline.
        command: stands in the report.
        method, normalize: how models are combined, see `ensemble_run`.
    """
    combination = {"method": method, "normalize": normalize}
    if folds is None:
        result = ensemble_run({file: [Path(file)] for file in weights}, weights, **combination)
    else:
        result = ensemble_run(find_members(output_dir, weights, folds, test_name), weights, **combination)
    write_submission(output_zip, result.embeddings, dtype="float64", expected_ids=test_ids(data_dir, test_name, folds))
    print(f"{output_zip}: {len(result.embeddings.ids)} videos{f' of {test_name}' if folds is not None else ''}")
    label_file = data_dir / labelled_test_name / "label.tsv"
    if folds is None or not label_file.exists():
        print(f"no report: {'members are files' if folds is None else f'{label_file} does not exist'}")
        return [Path(output_zip)]
    scores = score_test_set(output_dir, data_dir, weights, folds, labelled_test_name, frame_embedding_size, combination)
    timings = output_dir / TIMINGS
    report = Report(
        command=command,
        sets=[scores],
        data={"ensemble": describe(**combination)} | run_facts(output_dir, list(weights)),
        stages=read_timings(timings) if timings.exists() else [],
    )
    write_report(output_dir / "report.md", report)
    rich.print(console_table(scores))
    print(f"{output_dir / 'report.md'}")
    return [Path(output_zip), output_dir / "report.md"]


def describe(method: str, normalize: bool) -> str:
    """How models are combined, for the report."""
    if method == "svd":
        return "SVD of embeddings of length 1 side by side"
    return f"weighted sum of embeddings{' of length 1' if normalize else ''}"


def test_ids(data_dir: Path, name: str, folds: Sequence[int] | None) -> list[str] | None:
    """Ids of a test set's videos; None for members that are files, which may be of any set, and without its records."""
    pattern = data_dir / name / "*.tfrecords"
    if folds is None or not any(pattern.parent.glob(pattern.name)):
        print("ids are not compared with a test set: " + ("members are files" if folds is None else f"there is no {pattern}"))
        return None
    with quiet_imports():
        from vsim_tf.data.videos import read_ids
    return read_ids(expand_pattern(folder_pattern(pattern.parent)))


def run_facts(output_dir: Path, models: Sequence[str]) -> dict[str, str]:
    """Counts of the folds, and how pre-training changed each model's Spearman on the scored pairs."""
    facts = {}
    folds = output_dir / "folds"
    if (folds / MANIFEST).exists():
        manifest = parse_manifest(folds)
        facts["scored pairs"] = f"{sum(file.records for file in manifest.files.values()):,}"
        facts["folds"] = str(manifest.num_folds)
    for model in models:
        curve = validation_curve(output_dir / model / "pretrain" / METRICS_FILE)
        if curve:
            facts[f"{model}: Spearman of the scored pairs, untrained and pre-trained"] = f"{curve[0]:.4f}, {curve[-1]:.4f}"
    return facts


def validation_curve(path: Path) -> list[float]:
    """Spearman of each evaluation in a run's metrics.jsonl; empty where there is no such file."""
    values = [line.get("validation/spearman") for line in read_json_lines(path)] if path.exists() else []
    return [value for value in values if type(value) in (int, float)]


def score_test_set(
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Sequence[int],
    name: str,
    frame_embedding_size: int,
    combination: dict[str, Any],
) -> SetScores:
    """Scores every fold, model and the ensemble on a labelled test set, beside the baselines."""
    pairs = read_labels(data_dir / name / "label.tsv")
    test_files = expand_pattern(folder_pattern(data_dir / name))
    if len(test_files) != 1:
        raise UserError(f"{data_dir / name}: one .tfrecords file is needed, found {len(test_files)}")
    result: EnsembleResult = ensemble_run(find_members(output_dir, weights, folds, name), weights, pairs, **combination)
    return SetScores(
        name=name,
        models=result.models,
        ensemble_score=result.score,
        baselines=baseline_scores(test_files[0], pairs, frame_embedding_size),
        num_videos=len(result.embeddings.ids),
        num_pairs=len(pairs),
    )

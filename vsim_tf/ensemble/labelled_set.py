"""Scores of an ensemble on a labelled test set, compared with the baselines."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vsim_tf.ensemble.find import find_members, trained_run
from vsim_tf.ensemble.linear_embeddings import known_tags, training_files
from vsim_tf.ensemble.page.pairs import PairResults, pair_results
from vsim_tf.ensemble.scored import EnsembleResult, ensemble_run
from vsim_tf.ensemble.scores import SetScores, norm_note
from vsim_tf.errors import UserError
from vsim_tf.evaluation.baselines import baseline_scores
from vsim_tf.evaluation.linear_baseline import TAG_BASELINE, ridge_spearman
from vsim_tf.evaluation.metrics import pair_spearman
from vsim_tf.evaluation.raw_videos import read_raw_videos
from vsim_tf.io.paths import records_pattern, set_labels
from vsim_tf.records.category_tags import without_categories
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.tfrecords import expand_pattern
from vsim_tf.runs.run_folder import RunFolder

SMALLER = (128, 64)
"""Numbers that are kept of the embeddings, as databases of vectors ask."""

logger = logging.getLogger(__name__)


def score_test_set(
    output_dir: Path,
    data_dir: Path,
    weights: dict[str, float],
    folds: Mapping[str, Sequence[int | str]],
    name: str,
    frame_embedding_size: int | None,
    combination: dict[str, Any],
) -> tuple[SetScores, PairResults]:
    """Scores every fold, model and the ensemble on a labelled test set, compared with the baselines; and what the page shows."""
    pairs = read_labels(set_labels(data_dir, name))
    result = ensemble_run(find_members(output_dir, folds, name), weights, pairs, **combination, keep_means=True)
    summed = combination["method"] == "sum" and not combination["normalize"]
    note = norm_note(result.models) if summed else ""
    scores = SetScores(
        name=name,
        models=result.models,
        ensemble_score=result.scores.spearman,
        baselines=_baselines(trained_run(output_dir, folds), data_dir, name, pairs, frame_embedding_size),
        num_videos=len(result.embeddings.ids),
        num_pairs=len(pairs),
        ensemble_error=result.scores.rank_error,
        concatenation=result.concatenation,
        notes=(note,) if note else (),
        smaller=_smaller(result, pairs) if combination["method"] == "svd" else {},
    )
    return scores, pair_results(result, pairs, combination)


def _smaller(result: EnsembleResult, pairs: Sequence[Pair]) -> dict[str, dict[int, float]]:
    """Spearman by the first numbers of the fold means and of an SVD, in which numbers are in an order."""
    whole = dict(result.means) | {"SVD": result.embeddings}
    firsts = {name: {size: Embeddings(ids, values[:, :size]) for size in SMALLER} for name, (ids, values) in whole.items()}
    return {name: {size: pair_spearman(first, pairs) for size, first in sizes.items()} for name, sizes in firsts.items()}


def _baselines(run: Path, data_dir: Path, name: str, pairs: Sequence[Pair], frame_embedding_size: int | None) -> dict[str, float]:
    """Scores of the baselines, without those whose records cannot be used, and a warning for these."""
    try:
        test_files = expand_pattern(records_pattern(data_dir / name))
        if len(test_files) != 1:
            raise UserError(f"{data_dir / name}: one .tfrecords file is needed, found {len(test_files)}")
        videos = read_raw_videos(test_files[0], frame_embedding_size or frame_width(run))
        scores = baseline_scores(videos, pairs)
    except UserError as error:
        logger.warning("The report has no baselines: %s", error, extra={"fields": error.fields})
        return {}
    try:
        found = RunFolder.open(run)
        tags = known_tags(found, data_dir)
        alone = without_categories(tags) if found.model.categories else tags
        scores[TAG_BASELINE] = ridge_spearman(videos, pairs, training_files(data_dir), alone)
    except UserError as error:
        logger.warning("The report has no baseline %r: %s", TAG_BASELINE, error, extra={"fields": error.fields})
    return scores


def frame_width(run: Path) -> int:
    """Feature dimension of the frames that a run was trained on; `UserError` where the folder does not say so."""
    return RunFolder.open(run).model.frames.dim

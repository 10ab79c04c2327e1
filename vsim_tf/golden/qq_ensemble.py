"""Cases of the ensemble of the contest's 1st place."""

import numpy as np

from vsim_tf.ensemble.svd_basis import SvdBasis, concatenated
from vsim_tf.evaluation.metrics import l2_normalize, spearman
from vsim_tf.golden.file import EXACT, Case, GoldenFile, absolute
from vsim_tf.inference.cosine import cosine_similarity
from vsim_tf.records.ranks import rank_normalized

LIMIT = absolute(1e-6)
TARGET = absolute(1e-12)
VALIDATION_MODULUS = 5
"""A pair validates if both ids are multiples of it (docs/facts_rank1.md 6)."""


def ensemble(file: GoldenFile) -> None:
    """Unit vectors concatenated and reduced by SVD, fitted to each set of videos on its own; scores of validation pairs."""
    for stage in ("val", "test"):
        members = file.under(f"in/{stage}/job")
        concat, reduced = _vectors(file, members)
        shown = len(file[f"out/{stage}/cosine_concat"])  # the file has the first videos alone, the fit all
        file.check(f"out/{stage}/cosine_concat", _cosines(concat[:shown]), LIMIT)
        file.check(f"out/{stage}/cosine_svd", _cosines(reduced[:shown]), LIMIT)
        file.check(f"out/{stage}/norm_svd", np.linalg.norm(reduced, axis=1), LIMIT)
        file.check(f"out/{stage}/explained_variance", reduced.var(axis=0).sum() / concat.var(axis=0).sum(), LIMIT)
        if stage == "val":
            jobs = {f"job{name}/result_valid_0.json": values for name, values in members.items()}
            _check_scores(file, jobs | {"concat": concat, "svd-blending": reduced})


def _vectors(file: GoldenFile, members: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    weights = dict.fromkeys(members, float(file.config["weight"]))
    basis = SvdBasis.fit(members, weights, int(file.config["components"]))
    return concatenated(members, weights, slice(None), basis.means()), basis.project(members)


def _cosines(values: np.ndarray) -> np.ndarray:
    unit = l2_normalize(values)
    cosines: np.ndarray = unit @ unit.T
    return cosines


def _check_scores(file: GoldenFile, rows: dict[str, np.ndarray]) -> None:
    """Scores of each row that the script prints; ranks are taken over all pairs of the label file."""
    pairs = file["in/label/ids"]
    validation = (pairs % VALIDATION_MODULUS == 0).all(axis=1)
    target = rank_normalized(file["in/label/score"])[validation]
    row_of = {video: row for row, video in enumerate(file["in/val/ids"].tolist())}
    first, second = np.vectorize(row_of.__getitem__)(pairs[validation]).T
    names = file.about["score_rows"]
    cosines = np.stack([cosine_similarity(rows[name][first], rows[name][second]) for name in names], axis=1)
    file.check_equal("score_rows", set(names), set(rows))
    file.check("out/val/pair_ids", pairs[validation], EXACT)
    file.check("out/val/pair_target", target, TARGET)
    file.check("out/val/pair_cosine", cosines, LIMIT)
    file.check("out/val/spearman", [spearman(column, target) for column in cosines.T], LIMIT)
    file.check("out/val/mse", np.mean((cosines - target[:, None]) ** 2, axis=0), LIMIT)


CASES: dict[str, Case] = {"qq_ensemble": ensemble, "qq_ensemble_256": ensemble}

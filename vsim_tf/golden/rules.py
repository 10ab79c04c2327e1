"""Cases without a network: frame sampling, tags, learning rates, folds and ensembles."""

import hashlib
import math
import re
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vsim_tf.ensemble.combine import fold_mean, svd_ensemble, weighted_sum
from vsim_tf.evaluation.metrics import l2_normalize
from vsim_tf.golden.file import EXACT, Case, GoldenFile, relative, scaled
from vsim_tf.input.decoding import multi_hot
from vsim_tf.input.frames import frame_indices
from vsim_tf.optim.schedules import LinearSchedule, Schedule
from vsim_tf.presets.aiac2021_rank4 import finetune_stage, mix_nextvlad
from vsim_tf.records.embeddings import Embeddings
from vsim_tf.records.folds import Folds, split_pairs
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.tags import read_tag_list

RATE = relative(1e-6)
MEAN = scaled(1e-12)
SVD = scaled(1e-6)
PAD = -1


class Skipped(Exception):
    """A file cannot be checked here; the message says what is missing."""


def data_rules(file: GoldenFile) -> None:
    """Frame sampling, multi-hot labels, learning rates."""
    for name in file.arrays:
        if match := re.fullmatch(r"in/(frames\d+_max(\d+))/n", name):
            n, max_frames = file[name].astype("int64"), int(match[2])
            file.check(f"out/{match[1]}/index", frame_indices(n, max_frames), EXACT)
            file.check(f"out/{match[1]}/num_frames", np.minimum(n, max_frames), EXACT)
    _check_tags(file)
    for name in file.arrays:
        if match := re.fullmatch(r"out/(lr_\w+)/(\w+)", name):
            schedule = _schedule(file, match[1].removeprefix("lr_"), match[2])
            file.check(name, schedule.rate(tf.constant(file[f"in/{match[1]}/i"])), RATE)


def _check_tags(file: GoldenFile) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tag_list.txt")
        path.write_text("".join(f"{tag}\n" for tag in file["in/tag_file_lines"]), encoding="utf-8")
        known = read_tag_list(path)
    videos = [row[row != PAD].tolist() for row in file["in/video_tags_padded_with_-1"]]
    file.check("out/column_tags", known, EXACT)
    file.check("out/num_labels", len(known), EXACT)
    file.check("out/multi_hot", multi_hot(videos, known), EXACT)


def _schedule(file: GoldenFile, table: str, name: str) -> Schedule:
    """A schedule that the file states, or else the one of full size that the registry has."""
    if stated := file.about["schedules"].get(f"{table}_{name}"):
        peak, warmup, horizon = stated
        return LinearSchedule(peak=peak, warmup=warmup, horizon=horizon)
    stage, group, *steps = name.split("_")
    config = mix_nextvlad().pretrain if stage == "pretrain" else finetune_stage(int(steps[0]) if steps else 4000)
    return config.groups["encoder" if group == "bert" else "head"].schedule


def folds(file: GoldenFile) -> None:
    """Members and order of the folds of the contest's label file.

    Raises:
        Skipped: the label file, which belongs to the contest, is not next to the golden file.
    """
    path = file.path.with_name("label.tsv")
    if not path.exists():
        raise Skipped("there is no label.tsv next to it")
    pairs = read_labels(path)
    splits = split_pairs(pairs)
    about = file.about["label_tsv"]
    file.check_equal("label_tsv/lines", len(pairs), about["lines"])
    file.check_equal("label_tsv/sha256", hashlib.sha256(path.read_bytes()).hexdigest(), about["sha256"])
    file.check_equal("label_tsv/videos", len({i for p in pairs for i in (p.id_1, p.id_2)}), about["distinct_videos"])
    file.check_equal("label_tsv/order", _digest(pairs), about["sha256_pairs_file_order"])
    file.check_equal("label_tsv/shuffled", _digest(splits.pairs), about["sha256_pairs_after_first_shuffle"])
    file.check_equal("label_tsv/mean", math.isclose(_mean(pairs), about["mean_similarity"], rel_tol=1e-12), True)
    _check_pairs(file, "leftover", splits.always_train(), file.about["leftover"])
    orders = list(splits.training_orders())
    for fold in file.about["folds"]:
        _check_fold(file, splits, orders[fold["fold"]], fold)


def _check_fold(file: GoldenFile, splits: Folds, order: list[Pair], fold: dict[str, Any]) -> None:
    number = fold["fold"]
    file.check_equal(f"fold {number}/folder", splits.folder(number), fold["folder"])
    _check_pairs(file, f"fold {number}/validation", splits.validation(number), fold["validation"])
    _check_pairs(file, f"fold {number}/training", order, fold["training"])
    before = fold["training"]["sha256_before_its_shuffle"]
    file.check_equal(f"fold {number}/training before its shuffle", _digest(splits.training(number)), before)


def _check_pairs(file: GoldenFile, name: str, pairs: Sequence[Pair], about: dict[str, Any]) -> None:
    digests: dict[str, Callable[[], Any]] = {
        "sha256": lambda: _digest(pairs),
        "sha256_with_similarity": lambda: _digest(pairs, similarity=True),
        "sha256_sorted": lambda: _digest(sorted(pairs)),
        "pairs": lambda: len(pairs),
        "first": lambda: list(pairs[0]),
        "last": lambda: list(pairs[-1]),
    }
    for key, compute in digests.items():
        if key in about:
            file.check_equal(f"{name}/{key}", compute(), about[key])
    if "mean_similarity" in about:
        file.check_equal(f"{name}/mean", math.isclose(_mean(pairs), about["mean_similarity"], rel_tol=1e-12), True)


def _mean(pairs: Sequence[Pair]) -> float:
    return math.fsum(pair.similarity for pair in pairs) / len(pairs)


def _digest(pairs: Iterable[Pair], similarity: bool = False) -> str:
    lines = (f"{p.id_1}\t{p.id_2}" + (f"\t{p.similarity!r}" if similarity else "") + "\n" for p in pairs)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def ensemble_mean(file: GoldenFile) -> None:
    """Mean over folds, then the weighted sum over models."""
    ids = [str(i) for i in file["in/video_id"]]
    means = []
    for name, folds_of_model in zip(file.about["models"], file["in/fold_embeddings"], strict=True):
        used = file.about.get(f"{name}_folds", range(1, len(folds_of_model) + 1))
        means.append(fold_mean([Embeddings(ids, folds_of_model[number - 1]) for number in used]))
        file.check(f"out/fold_mean/{name}", means[-1].values, MEAN)
    file.check("out/weighted_sum", weighted_sum(means, file.about["weights"]).values, MEAN)


def ensemble_svd(file: GoldenFile) -> None:
    """Concatenation of normalised embeddings, all of it and reduced; signs are free, so cosines are compared."""
    models = file["in/embeddings"]
    reduced, whole = (_svd(models, dim) for dim in (int(file["in/components"]), models.shape[0] * models.shape[2]))
    file.check("out/concat_cosine", _cosines(whole), SVD)
    file.check("out/svd_cosine", _cosines(reduced), SVD)
    file.check("out/submitted_float16_cosine", _cosines(reduced.astype("float16")), SVD)
    file.check("out/svd_row_norm", np.linalg.norm(reduced, axis=1), SVD)
    singular = np.linalg.norm(whole, axis=0)[: len(file["out/singular_values_of_concat"])]
    file.check("out/singular_values_of_concat", singular, SVD)


def _svd(models: np.ndarray, dim: int) -> np.ndarray:
    ids = [str(i) for i in range(models.shape[1])]
    equal = [1 / len(models)] * len(models)
    return svd_ensemble([Embeddings(ids, values) for values in models], equal, dim).values


def _cosines(values: np.ndarray) -> np.ndarray:
    normal = l2_normalize(values)
    cosines: np.ndarray = normal @ normal.T
    return cosines


CASES: dict[str, Case] = {"data_rules": data_rules, "folds": folds, "ensemble_mean": ensemble_mean, "ensemble_svd": ensemble_svd}

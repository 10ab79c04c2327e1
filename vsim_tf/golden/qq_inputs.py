"""Cases of the 1st place of 2021 without a network: frame slots, token layouts, and the split with its targets."""

import hashlib
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from vsim_tf.golden.file import EXACT, Case, GoldenFile, absolute
from vsim_tf.golden.rules import Skipped
from vsim_tf.input.frames import frame_indices, sample_frames
from vsim_tf.records.folds_modulo import ModuloFolds, split_by_modulo
from vsim_tf.records.labels import Pair, read_labels
from vsim_tf.records.ranks import rank_normalized
from vsim_tf.text.tokenizers import Tokenizer

RULES = ("centred", "zeros")
"""Sampling and padding."""
FORMS = {"cls_first": "pair", "frames_first": "single"}
"""The form of a layout's text."""
NONE = -1
TARGET = absolute(1e-12)
BATCH, EPOCHS, WARMUP = 32, 10, 0.06
"""Of fine-tuning (docs/facts_rank1.md 6)."""


def frames(file: GoldenFile) -> None:
    """Frame of each slot, values of the slots, and which of them are real."""
    for row in file.about["cases"]:
        _check_slots(file, row)


def _check_slots(file: GoldenFile, row: dict[str, Any]) -> None:
    """Compares a row; one that the original could not batch, or masked wrongly, as far as it is right (rank-1 quirk 12)."""
    key, n, slots = row["key"], row["n"], row["slots"]
    index, values, mask = (f"out/{key}/{name}" for name in ("index", "frames", "mask"))
    real = min(n, slots)
    if not row["quirk"] or row["real_mask"] == real:
        file.check(mask, np.arange(slots) < real, EXACT)
    else:
        file.leave_out(mask)
    if row["quirk"] and row["rows_out"] != slots:
        file.leave_out(index, values)
        return
    file.check(index, frame_indices(np.array([n]), slots, *RULES)[0], EXACT)
    file.check(values, sample_frames([file[f"in/{key}/frames"].astype("float16")], slots, slots, *RULES)[0], EXACT)


def text(file: GoldenFile) -> None:
    """Token ids and mask of both layouts, and the title's own tokens."""
    config, tokenizer, titles = file.config, Tokenizer(file.about["vocab"]), file.about["titles"]
    for name in ("pad", "unk", "cls", "sep", "mask"):
        file.check_equal(f"{name}_token_id", getattr(tokenizer, f"{name}_id"), config[f"{name}_token_id"])
    file.check_equal("vocab", tokenizer.vocab_size, config["vocab"])
    _check_titles(file, tokenizer, titles)
    for name in file.arrays:
        if match := re.fullmatch(r"out/(\w+)_len(\d+)/ids", name):
            ids, mask = tokenizer.encode_batch(titles, int(match[2]), FORMS[match[1]])
            file.check(name, ids, EXACT)
            file.check(name.replace("ids", "mask"), mask, EXACT)


def _check_titles(file: GoldenFile, tokenizer: Tokenizer, titles: list[str]) -> None:
    width = file["in/title_ids"].shape[1]
    ids, mask = tokenizer.encode_batch(titles, width + 2)
    lengths = mask.sum(axis=1) - 2
    file.check("in/title_len", lengths, EXACT)
    file.check("in/title_ids", np.where(np.arange(width) < lengths[:, None], ids[:, 1:-1], NONE), EXACT)


def split(file: GoldenFile) -> None:
    """Members and targets of the folds of the contest's label file.

    Raises:
        Skipped: the label file, which belongs to the contest, is not next to the golden file.
    """
    path = file.path.with_name("label.tsv")
    if not path.exists():
        raise Skipped("there is no label.tsv next to it")
    pairs = read_labels(path)
    scores, counts = np.unique([pair.similarity for pair in pairs], return_counts=True)
    labels = rank_normalized(np.array([pair.similarity for pair in pairs]))
    targets = {pair.similarity: label for pair, label in zip(pairs, labels, strict=True)}
    file.check_equal("label_file_sha256", hashlib.sha256(path.read_bytes()).hexdigest(), file.about["label_file_sha256"])
    file.check_equal("pairs", len(pairs), file.config["pairs"])
    file.check("in/score", scores, EXACT)
    file.check("in/count", counts, EXACT)
    file.check("out/rank_normalised", [targets[score] for score in scores], TARGET)
    folds = split_by_modulo(pairs, file.config["modulus"])
    for number, about in file.about["folds"].items():
        _check_fold(file, folds, int(number), about, targets)
    steps = len(folds.training(file.config["fold"])) * EPOCHS // BATCH
    file.check_equal("finetune_steps", {"total": steps, "warmup": int(WARMUP * steps)}, file.about["finetune_steps"])


def _check_fold(file: GoldenFile, folds: ModuloFolds, number: int, about: dict[str, Any], targets: dict[float, float]) -> None:
    training, validation = folds.training(number), folds.validation(number)
    _check_part(file, f"fold {number}/train", training, about["train"], targets)
    _check_part(file, f"fold {number}/val", validation, about["val"], targets)
    videos = _videos(validation)
    file.check_equal(f"fold {number}/validation videos", len(videos), about["validation_videos"])
    file.check_equal(f"fold {number}/in both", len(videos & _videos(training)), about["validation_videos_also_in_training_pairs"])


def _check_part(file: GoldenFile, name: str, pairs: Sequence[Pair], about: dict[str, Any], targets: dict[float, float]) -> None:
    lines = [f"{pair.id_1}\t{pair.id_2}" for pair in pairs]
    first, last = about["first_pairs"], about["last_pairs"]
    file.check_equal(f"{name}/count", len(pairs), about["count"])
    file.check_equal(f"{name}/sha256", hashlib.sha256("\n".join(lines).encode()).hexdigest(), about["sha256"])
    file.check_equal(f"{name}/first", lines[: len(first)], first)
    file.check_equal(f"{name}/last", lines[-len(last) :], last)
    for key, values in (
        ("mean_score", [pair.similarity for pair in pairs]),
        ("mean_rank_normalised", [targets[pair.similarity] for pair in pairs]),
    ):
        mean = math.fsum(values) / len(values)
        file.check_equal(f"{name}/{key}", math.isclose(mean, about[key], rel_tol=1e-12), True)


def _videos(pairs: Sequence[Pair]) -> set[str]:
    return {video_id for pair in pairs for video_id in (pair.id_1, pair.id_2)}


CASES: dict[str, Case] = {"qq_frames": frames, "qq_text": text, "qq_split": split}

"""Cases of the WeChat contest's 8th place without a network: text of three fields, frame slots, F1, and the ensemble."""

import re
from typing import Any

import numpy as np

from vsim_tf.ensemble.class_scores import class_scores
from vsim_tf.evaluation.hierarchical_f1 import hierarchical_f1
from vsim_tf.golden.file import EXACT, Case, GoldenFile, absolute
from vsim_tf.input.frames import ZEROS, frame_indices
from vsim_tf.records.classes import ClassTable, contest_classes
from vsim_tf.records.predictions import Predictions
from vsim_tf.text.fields import Fields, encode_fields, kept_lengths
from vsim_tf.text.tokenizers import Tokenizer

MODES = {"title_asr_ocr": "title_ocr_asr", "title_only": "title", "ocr_asr_extra": "ocr_asr"}
"""Our names of the original's text modes."""
SCORE, SUM = absolute(1e-12), absolute(2e-6)
SPECIAL = 4
"""[CLS] and three [SEP] around the fields."""
REAL_LENGTH = 256
_COLUMNS = ("category_id", "level2", "level1")


def text(file: GoldenFile) -> None:
    """Token ids and masks of each text mode; tokens of each field before and behind the truncation."""
    length, tokenizer = file.config["text_len"], Tokenizer(file.about["vocab"])
    for name, number in file.config["special_ids"].items():
        file.check_equal(name, getattr(tokenizer, f"{name.lower()}_id"), number)
    fields = [_fields(video) for video in file.about["texts"]]
    for name, mode in MODES.items():
        ids, mask = encode_fields(tokenizer, fields, length, mode)
        file.check(f"out/{name}/ids", ids, EXACT)
        file.check(f"out/{name}/mask", mask, EXACT)
    before = np.array([[len(tokenizer.token_ids(field)) for field in video] for video in fields])
    file.check("out/tokens_before", before, EXACT)
    file.check("out/tokens_kept", kept_lengths(before, length - SPECIAL), EXACT)
    file.check("out/real_256/tokens_kept", kept_lengths(file["in/real_256/tokens"], REAL_LENGTH - SPECIAL), EXACT)


def _fields(video: dict[str, Any]) -> Fields:
    return Fields(video["title"], "".join(part["text"] for part in video["ocr"]), video["asr"])


def frames(file: GoldenFile) -> None:
    """Frame of each slot in test mode, and which slots are real."""
    for name in file.arrays:
        if match := re.fullmatch(r"in/(slots(\d+))/n", name):
            indices = frame_indices(file[name], int(match[2]), "stride_starts", "zeros")
            file.check(f"out/{match[1]}/index", indices, EXACT)
            file.check(f"out/{match[1]}/mask", indices != ZEROS, EXACT)


def metrics(file: GoldenFile) -> None:
    """Accuracy and F1 at both levels of each set of predictions, and the contest's classes."""
    table = _class_table(file)
    for name in {name.split("/")[1] for name in file.arrays}:
        f1 = hierarchical_f1(file[f"in/{name}/predictions"], file[f"in/{name}/labels"], table)
        level1, level2 = f1[:2], f1[2:]
        for level, (micro, macro) in (("lv1", level1), ("lv2", level2)):
            file.check(f"out/{name}/{level}_acc", micro, SCORE)
            file.check(f"out/{name}/{level}_f1_micro", micro, SCORE)
            file.check(f"out/{name}/{level}_f1_macro", macro, SCORE)
        file.check(f"out/{name}/mean_f1", f1.mean, SCORE)


def _class_table(file: GoldenFile) -> ClassTable:
    table = contest_classes()
    rows = zip(table.ids, range(len(table.ids)), table.parents.tolist(), strict=True)
    file.check_equal("class_table", [dict(zip(_COLUMNS, row, strict=True)) for row in rows], file.about["class_table"])
    return table


def ensemble(file: GoldenFile) -> None:
    """Weighted sum of the probabilities, the class with the largest, and the lines of the result."""
    ids, classes = file.about["video_ids"], contest_classes().ids
    members = [Predictions(ids, classes, logits) for logits in file["in/logits"]]
    scores = class_scores(members, file.about["weights"])
    file.check("out/probability_sum", scores.scores, SUM)
    file.check("out/prediction", scores.scores.argmax(axis=1), EXACT)
    lines = [f"{video},{category}" for video, category in scores.categories().items()]
    file.check_equal("lines", lines, file.about["lines"])


CASES: dict[str, Case] = {"wbdc_text": text, "wbdc_frames": frames, "wbdc_metrics": metrics, "wbdc_ensemble": ensemble}

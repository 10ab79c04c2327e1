"""Cases of the 1st place of 2021 without a network: frame slots and token layouts."""

import re
from typing import Any

import numpy as np

from vsim_tf.golden.file import EXACT, Case, GoldenFile
from vsim_tf.input.frames import frame_indices, sample_frames
from vsim_tf.text.tokenizers import Tokenizer

RULES = {"sampling": "centred", "padding": "zeros"}
FORMS = {"cls_first": "pair", "frames_first": "single"}
"""The form of a layout's text."""
NONE = -1


def frames(file: GoldenFile) -> None:
    """Frame of each slot, values of the slots, and which of them are real."""
    for row in file.about["cases"]:
        _check_slots(file, row)


def _check_slots(file: GoldenFile, row: dict[str, Any]) -> None:
    """Compares a row; one that its own code could not put into a batch, or masked wrongly, as far as it is right (quirk 12)."""
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
    file.check(index, frame_indices(np.array([n]), slots, **RULES)[0], EXACT)
    file.check(values, sample_frames([file[f"in/{key}/frames"].astype("float16")], slots, slots, **RULES)[0], EXACT)


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


CASES: dict[str, Case] = {"qq_frames": frames, "qq_text": text}

"""A data folder of any kind, checked as a whole: everything that is wrong with it, and what it holds."""

import os
import types
from collections.abc import Callable, Mapping
from pathlib import Path

from vsim_tf.checks.annotations import check_annotations, holds_annotations
from vsim_tf.checks.classes import check_classes, holds_classes
from vsim_tf.checks.pairs import check_pairs, holds_pairs
from vsim_tf.checks.report import Findings, Report, Section
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import require_existing, whats_there
from vsim_tf.types import PathLike

MAX_PROBLEMS = 100

_Check = Callable[[Path, int | None, int, Findings], list[Section]]
_KINDS: dict[str, tuple[Callable[[Path], bool], _Check]] = {
    "annotations": (holds_annotations, check_annotations),
    "classes": (holds_classes, check_classes),
    "pairs": (holds_pairs, check_pairs),
}
"""Kinds of data folders: whether a folder is one, and what checks it. The first that fits counts."""


def check_folder(
    data_dir: PathLike,
    frame_embedding_size: int | None = None,
    records_per_file: int = 0,
    max_problems: int = MAX_PROBLEMS,
    least: Mapping[str, int] = types.MappingProxyType({}),
) -> Report:
    """Checks a data folder: of pairs, of records of short videos in classes, or of such videos before extraction.

    Files are read once, with one record in memory at a time; ids of all videos of a set are kept, about 300 bytes each.

    Args:
        data_dir: the folder.
        frame_embedding_size: feature dimension of a frame; None: that of most videos.
        records_per_file: so many records of a file, or videos of a split, are looked at, at most; 0: all.
        max_problems: so many problems of each file are kept, though all are counted; 0: all.
        least: videos or pairs that a part of the data needs to be trained on, by the name of its section.

    Raises:
        UserError: no such folder, or one of no known kind.
    """
    folder, findings = Path(data_dir), Findings(max_problems)
    kind = kind_of(folder)
    sections = _KINDS[kind][1](folder, frame_embedding_size, records_per_file, findings)
    for section in sections:
        needed = least.get(section.name, 0)
        if (not records_per_file or needed <= records_per_file) and (shortage := too_few(section, needed)):
            findings.add(UserError(f"{folder / section.name}: {shortage}"), folder / section.name)
    if findings.partial:
        named = count_and_first(findings.partial)
        findings.notes.append(
            f"the first {records_per_file:,} records or videos alone were looked at (records_per_file) of {named}"
        )
    return Report(os.fspath(data_dir), kind, sections, findings.problems, findings.counts, findings.notes)


def too_few(section: Section, least: int) -> str:
    """How a part is too small to be trained on; empty where it is not."""
    noun = next((noun for noun in ("pairs", "records", "videos") if noun in section.figures), "videos")
    count = section.figures.get(noun, least)
    return f"{count} {noun}; training needs {least} or more, which fill a batch" if count < least else ""


def kind_of(folder: Path) -> str:
    """The kind of a data folder: "annotations", "classes" or "pairs"; `UserError` if it is none."""
    require_existing(os.fspath(folder))
    for name, (holds, _) in _KINDS.items():
        if holds(folder):
            return name
    raise UserError(
        f"{folder} holds no data that is known: pairwise/ or pointwise/ with records, labeled/ or unlabeled/ with records, or"
        f" annotations/ ({whats_there(folder)}; docs/data.md has the files that are expected)"
    )

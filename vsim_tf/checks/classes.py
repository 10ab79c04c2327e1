"""Records of short videos in classes, as extract_features.py writes them, and what is common to them and to annotations."""

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path

from vsim_tf.checks.report import Findings, Histogram, Section
from vsim_tf.checks.video_sets import Settings, check_towers, check_video_set, guess_width, progress
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.paths import CLASSES, FEATURES, LABELED, PICTURES, RECORDS, TEST_SETS, UNLABELED, category_labels
from vsim_tf.records.category_files import read_categories
from vsim_tf.records.class_folds import NUM_FOLDS
from vsim_tf.records.classes import classes_of_ids, read_class_table
from vsim_tf.records.embeddings import check_same_ids

KINDS = (FEATURES, PICTURES)


def holds_classes(folder: Path) -> bool:
    """Whether a folder has such records."""
    return bool(_record_files(folder))


def _splits(folder: Path) -> list[str]:
    return [UNLABELED, LABELED, *sorted(path.name for path in folder.glob(TEST_SETS) if path.is_dir())]


def _record_files(folder: Path) -> dict[tuple[str, str], list[str]]:
    """Files by split and kind; those without files are left out."""
    found = {}
    for split in _splits(folder):
        for kind in KINDS:
            if files := sorted(str(path) for path in (folder / split).glob(f"{kind}{RECORDS}") if path.is_file()):
                found[split, kind] = files
    return found


def check_classes(folder: Path, width: int | None, records_per_file: int, findings: Findings) -> list[Section]:
    """Checks all records that are there; arguments are those of `vsim_tf.checks.pairs.check_pairs`."""
    files, sections = _record_files(folder), []
    of_features = [file for (_, kind), found in files.items() if kind == FEATURES for file in found]
    check_towers(folder, of_features, findings)
    width = width or guess_width(of_features) or 1
    every_file = [file for found in files.values() for file in found]
    categories: dict[str, int] = {}
    with progress(every_file) as bar:
        for (split, kind), found in files.items():
            settings = Settings(
                width if kind == FEATURES else None,
                all_texts=True,
                classes=split == LABELED,
                trained_on=split in (UNLABELED, LABELED),
                one_record_each=split != UNLABELED,
                records_per_file=records_per_file,
            )
            section = check_video_set(f"{split}/{kind}", found, settings, findings, bar).section
            categories = categories or dict(section.categories)
            sections.append(section._replace(categories={}))
    for split in _splits(folder):
        if (folder / split).exists() and not any((split, kind) in files for kind in KINDS):
            findings.add(UserError(f"{folder / split}: no records, {FEATURES}{RECORDS} or {PICTURES}{RECORDS}"), folder / split)
    return [*sections, *class_sections(folder, categories, findings)]


def class_sections(folder: Path, categories: Mapping[str, int], findings: Findings) -> list[Section]:
    """The classes of labelled videos, which are those that models learn, compared with the list of the folder if there is one.

    Args:
        folder: the data folder.
        categories: labelled videos of each class, four digits.
        findings: receives problems and notes.
    """
    _check_class_list(folder / CLASSES, categories, findings)
    if not categories:
        return []
    small = sorted(category for category, count in categories.items() if count < NUM_FOLDS)
    if len(small) == len(categories):
        findings.add(UserError(f"{folder}: no class has {NUM_FOLDS} labelled videos, one for each fold"), folder)
    elif small:
        missed = f"classes of fewer than {NUM_FOLDS} videos, which some folds do not validate on"
        findings.notes.append(f"{folder}: {missed}: {count_and_first(small)}")
    figures = {
        "level 1": len(classes_of_ids(categories).level1),
        "level 2": len(categories),
        "labelled videos": sum(categories.values()),
        "fewest": min(categories.values()),
        "most": max(categories.values()),
    }
    sizes = Histogram(Counter(categories.values()))
    return [Section("classes", figures, {"videos per class": sizes}, categories)]


def _check_class_list(file: Path, categories: Mapping[str, int], findings: Findings) -> None:
    if not file.exists():
        return
    try:
        listed = read_class_table(file).ids
    except UserError as error:
        findings.add(error, file)
        return
    if unseen := [category for category in listed if category not in categories]:
        findings.notes.append(f"{file}: classes without a labelled video, which models do not learn: {count_and_first(unseen)}")
    if unlisted := sorted(set(categories) - set(listed)):
        findings.notes.append(f"{file}: lacks classes of labelled videos, which models learn: {count_and_first(unlisted)}")


def check_category_labels(
    folder: Path, split: str, ids: Collection[str], categories: Mapping[str, int], findings: Findings
) -> list[Section]:
    """Checks the classes of a test set, if they are there.

    Args:
        folder: the data folder.
        split: the test set.
        ids: of its videos.
        categories: labelled videos of each class.
        findings: receives problems and notes.
    """
    file = category_labels(folder, split)
    if not file.exists():
        return []
    labels: dict[str, str] = {}
    try:
        labels = read_categories(file, refused=findings.refused(file))
        check_same_ids(labels, ids, file, split)
    except UserError as error:
        findings.add(error, file)
    if unseen := sorted(set(labels.values()) - set(categories)) if categories else []:
        said = f"classes that no labelled video has, so that no model predicts them: {count_and_first(unseen)}"
        findings.notes.append(f"{file}: {said}")
    return [Section(file.name, {"videos": len(labels), "classes": len(set(labels.values()))}, {})]

"""A data folder of pairs: tagged videos, videos of labelled pairs, test sets, label files and the tag list (docs/data.md)."""

from collections import Counter
from pathlib import Path

from vsim_tf.checks.report import TENTHS, Findings, Histogram, Section
from vsim_tf.checks.video_sets import Settings, VideoSet, check_towers, check_video_set, guess_width, progress
from vsim_tf.errors import UserError
from vsim_tf.io.paths import LABELS, PAIRWISE, POINTWISE, RECORDS, TAGS, TEST_SETS, records_pattern, set_labels
from vsim_tf.records.labels import Pair, find_repetitions, scan_labels
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.test_sets import require_record_file
from vsim_tf.records.tfrecords import expand_pattern

_ROUNDING = 1e-9
"""A similarity of 0.3 times 10 is a little less than 3."""
_DECIMALS = 4


def holds_pairs(folder: Path) -> bool:
    """Whether a folder has a part of such data."""
    return any((folder / name).exists() for name in (POINTWISE, PAIRWISE, TAGS)) or bool(_test_sets(folder))


def check_pairs(folder: Path, width: int | None, records_per_file: int, findings: Findings) -> list[Section]:
    """Checks all parts that are there; those that are missing altogether are noted.

    Args:
        folder: the data folder.
        width: feature dimension; None: that of most videos.
        records_per_file: so many records of a file are looked at, at most; 0: all.
        findings: receives problems and notes.
    """
    tags = _known_tags(folder, findings)
    sections = [] if tags is None else [Section(TAGS, {"tags": len(tags)}, {})]
    files = {name: _files(folder, name, findings) for name in (POINTWISE, PAIRWISE, *_test_sets(folder))}
    every_file = [file for found in files.values() for file in found]
    check_towers(folder, every_file, findings)
    found_width = guess_width(every_file)
    if width and found_width and width != found_width:
        findings.notes.append(f"most videos have {found_width} numbers a frame: frame_embedding_size={found_width} reads them")
    width = width or found_width or 1
    with progress(every_file) as bar:
        for name, found in files.items():
            is_test = name not in (POINTWISE, PAIRWISE)
            settings = Settings(width, tags, trained_on=not is_test, one_record_each=is_test, records_per_file=records_per_file)
            videos = check_video_set(name, found, settings, findings, bar) if found else None
            sections += [videos.section] if videos else []
            if set_labels(folder, name).exists():
                sections.append(_check_labels(set_labels(folder, name), f"{name}/{LABELS}", videos, findings))
    if not set_labels(folder, PAIRWISE).exists():
        findings.notes.append(f"there is no {set_labels(folder, PAIRWISE)}, which fine-tuning learns from")
    if len(files) == len((POINTWISE, PAIRWISE)):
        findings.notes.append(f"there is no test set, {folder / TEST_SETS / RECORDS}, which run.sh embeds at its end")
    return sections


def _test_sets(folder: Path) -> list[str]:
    return sorted({path.parent.name for name in (RECORDS, LABELS) for path in folder.glob(f"{TEST_SETS}/{name}")})


def _known_tags(folder: Path, findings: Findings) -> frozenset[int] | None:
    """The tags of the list; None without a readable one."""
    file = folder / TAGS
    if not file.exists():
        findings.notes.append(f"there is no {file}, the tags that pre-training learns (docs/data.md, A table of videos)")
        return None
    try:
        return frozenset(read_tag_list(file, findings.refused(file)).tolist())
    except UserError as error:
        findings.add(error, file)
        return None


def _files(folder: Path, name: str, findings: Findings) -> list[str]:
    """The record files of a set; a folder without any is a problem, a missing one of a training set is noted."""
    if not (folder / name).exists():
        use = {
            POINTWISE: "pre-training learns tags from; the videos of the pairs may be in it",
            PAIRWISE: "fine-tuning learns similarity from",
        }[name]
        findings.notes.append(f"there is no {folder / name}, which {use}")
        return []
    try:
        if name not in (POINTWISE, PAIRWISE):
            require_record_file(folder, name)
        return expand_pattern(records_pattern(folder / name), may_be_empty=True)
    except UserError as error:
        findings.add(error, folder / name)
        return sorted(str(path) for path in (folder / name).glob(RECORDS) if path.is_file())


def _check_labels(file: Path, name: str, videos: VideoSet | None, findings: Findings) -> Section:
    """Checks a label file, and its ids where all videos of its set are known."""
    pairs: list[Pair] = []
    try:
        for line, pair in scan_labels(file, refused=findings.refused(file)):
            pairs.append(pair)
            if videos and videos.complete:
                for video_id in dict.fromkeys(pair[:2]):
                    if video_id not in videos.ids:
                        findings.add(UserError(f"{file}, line {line}: no video of {file.parent} has the id {video_id!r}"), file)
    except UserError as error:
        findings.add(error, file)
    if videos and not videos.complete:
        findings.notes.append(f"{file}: its ids are not compared with the videos, of which not all were looked at")
    return _label_section(name, pairs, file, findings)


def _label_section(name: str, pairs: list[Pair], file: Path, findings: Findings) -> Section:
    found = find_repetitions(pairs)
    if found.repeated or found.reversed:
        findings.notes.append(f"{file}: {found.repeated:,} pairs repeat an earlier one, {found.reversed:,} in reversed order")
    if found.conflicting:
        findings.notes.append(f"{file}: {len(found.conflicting):,} pairs have different similarities, all of which are used")
    mean = sum(pair.similarity for pair in pairs) / (len(pairs) or 1)
    figures = {
        "pairs": len(pairs),
        "videos": len({video_id for pair in pairs for video_id in pair[:2]}),
        "mean similarity": round(mean, _DECIMALS),
    }
    tenths = Counter(int(pair.similarity * TENTHS + _ROUNDING) for pair in pairs)
    return Section(name, figures, {"similarity from": Histogram(tenths, tenths=True)})

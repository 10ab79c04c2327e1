"""Short videos in classes before extraction: annotations, with zips of pictures or features (docs/data.md)."""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from vsim_tf.checks.classes import check_category_labels, class_sections
from vsim_tf.checks.report import Findings, Histogram, Section
from vsim_tf.checks.video_sets import FRAMES_PER_VIDEO, TITLE_LENGTHS, check_towers
from vsim_tf.errors import UserError, count_and_first
from vsim_tf.features.feature_zips import FeatureZip
from vsim_tf.features.frame_zips import frame_zip, frame_zip_ids, read_frame_zip
from vsim_tf.io.paths import ANNOTATIONS, LABELED, UNLABELED, annotation_file, feature_zip, frame_folder
from vsim_tf.records.annotations import Annotation, read_annotations
from vsim_tf.records.file_kinds import is_picture

_LOOKED_AT = 20
"""Videos by whose features the feature dimension is guessed."""


def holds_annotations(folder: Path) -> bool:
    """Whether a folder has annotation files."""
    return bool(_splits(folder))


def _splits(folder: Path) -> list[str]:
    """Names of the annotation files, those that are trained on first."""
    found = {path.stem for path in (folder / ANNOTATIONS).glob("*.json")}
    return sorted(found, key=lambda split: (split not in (UNLABELED, LABELED), split != UNLABELED, split))


def check_annotations(folder: Path, width: int | None, videos_per_file: int, findings: Findings) -> list[Section]:
    """Checks texts, classes and frames of every split.

    Args:
        folder: the data folder.
        width: feature dimension; None: that of most videos.
        videos_per_file: so many videos of a split are opened, at most; 0: all.
        findings: receives problems and notes.
    """
    found = {split: _read(folder, split, findings) for split in _splits(folder)}
    archives = [feature_zip(folder, split) for split in found]
    check_towers(folder, archives, findings)
    width = width or _guess_width(archives)
    sections: list[Section] = []
    for split, videos in found.items():
        titles = Histogram(Counter(len(video.title) for video in videos))
        sections.append(Section(split, {"videos": len(videos)}, {TITLE_LENGTHS: titles}))
        sections += _frame_sections(folder, split, [video.id for video in videos], width, videos_per_file, findings)
    categories = dict(Counter(video.category for video in found.get(LABELED, ())))
    for split, videos in found.items():
        sections += check_category_labels(folder, split, [video.id for video in videos], categories, findings)
    return [*sections, *class_sections(folder, categories, findings)]


def _read(folder: Path, split: str, findings: Findings) -> list[Annotation]:
    file = annotation_file(folder, split)
    try:
        videos = read_annotations(file, split == LABELED, findings.refused(file))
    except UserError as error:
        findings.add(error, file)
        return []
    if not videos:
        findings.add(UserError(f"{file}: no video that can be used"), file)
    return videos


def _frame_sections(
    folder: Path, split: str, ids: Sequence[str], width: int | None, limit: int, findings: Findings
) -> list[Section]:
    """Checks the frames of a split's videos: pictures, features, or both."""
    root, archive, sections = frame_folder(folder, split), feature_zip(folder, split), []
    if root.exists():
        found = _Source(f"{split}/{root.parent.name}", root, frame_zip_ids(root), lambda video: _pictures(frame_zip(root, video)))
        sections.append(Section(found.name, {"videos": len(found.ids)}, found.check(ids, limit, findings)))
    if archive.exists():
        try:
            with FeatureZip(archive, width) as features:
                found = _Source(f"{split}/{archive.parent.name}", archive, features.ids, lambda video: len(features.read(video)))
                figures = {"videos": len(found.ids), "feature dimension": width or 0}
                sections.append(Section(found.name, figures, found.check(ids, limit, findings)))
        except UserError as error:  # the zip as a whole
            findings.add(error, archive)
    if not root.exists() and not archive.exists():
        findings.add(UserError(f"{root}: there are neither these pictures nor features, {archive}"), root)
    return sections


class _Source(NamedTuple):
    """Frames of a split.

    Attributes:
        name: for the report.
        path: folder or file.
        ids: of the videos that have some.
        count: how many a video has; `UserError` if they cannot be used.
    """

    name: str
    path: Path
    ids: Sequence[str]
    count: Callable[[str], int]

    def check(self, ids: Sequence[str], limit: int, findings: Findings) -> dict[str, Histogram]:
        """Compares ids with those of the annotations, opens the first videos, and counts their frames."""
        there, annotated, frames = set(self.ids), set(ids), Counter[int]()
        for video in ids:
            if video not in there:
                findings.add(UserError(f"{self.path}: no frames of the annotated video {video}"), self.path, video_id=video)
        if extra := [video for video in self.ids if video not in annotated]:
            findings.notes.append(f"{self.path}: videos without an annotation, which are left out: {count_and_first(extra)}")
        known = [video for video in ids if video in there]
        if limit and len(known) > limit:
            findings.partial.append(str(self.path))
        for video in tqdm(known[: limit or None], desc=f"check {self.name}", unit="video", disable=None, leave=False):
            try:
                frames[self.count(video)] += 1
            except UserError as error:
                findings.add(error, self.path, video_id=video)
        return {FRAMES_PER_VIDEO: Histogram(frames)}


def _pictures(file: Path) -> int:
    """How many pictures a zip holds; they are not decoded."""
    frames = read_frame_zip(file)
    for frame in frames:
        if not is_picture(frame.data):
            raise UserError(f"{file}, {frame.name}: is no picture; accepted are JPEG, PNG and WebP")
    return len(frames)


def _guess_width(archives: Sequence[Path]) -> int | None:
    """The feature dimension of most videos that stand first in some zips."""
    widths = Counter[int]()
    for archive in archives:
        with contextlib.suppress(UserError), FeatureZip(archive) as features:
            for video in features.ids[:_LOOKED_AT]:
                with contextlib.suppress(UserError):
                    widths[features.read(video).shape[1]] += 1
    return widths.most_common(1)[0][0] if widths else None

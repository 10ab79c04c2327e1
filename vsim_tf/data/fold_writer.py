"""Joins videos and scores to pair records, fold by fold."""

import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from tqdm import tqdm

from vsim_tf.data.files import fingerprint, sync_folder
from vsim_tf.data.folds import CONTEST_FOLDS, Folds, split_pairs
from vsim_tf.data.labels import Pair, read_labels
from vsim_tf.data.manifest import (
    MANIFEST,
    FileEntry,
    FoldEntry,
    Manifest,
    Settings,
    Statistics,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from vsim_tf.data.records import RecordWriter, expand_pattern
from vsim_tf.errors import UserError

ALWAYS_TRAIN = "always-train.tfrecord"
_UNFINISHED = ".unfinished"


def write_folds(
    pairwise_pattern: str,
    label_file: str,
    output_dir: str,
    *,
    layout: str = "once",
    num_folds: int = CONTEST_FOLDS,
    seed: int = 42,
    frame_embedding_size: int = 1536,
    overwrite: bool = False,
) -> Manifest:
    """Write the pair records of all folds and their manifest.

    Layout "once" writes each pair once: `fold-00-of-11.tfrecord` ... hold the folds' validation pairs and
    `always-train.tfrecord` the pairs behind the last fold; training on fold i reads all files but that of i.
    Layout "expanded" writes the tree of the 2021 solution, `0-5999val/{val,train}.tfrecord` ..., in its order.

    A folder that holds a complete set of the same settings and inputs is left as it is.

    Args:
        pairwise_pattern: files of video records, as for `records.expand_pattern`.
        label_file: the scored pairs, as for `labels.read_labels`.
        output_dir: folder for the files, made if missing.
        layout: "once" or "expanded".
        num_folds: number of folds.
        seed: seed of the shuffles.
        frame_embedding_size: values of a frame.
        overwrite: replace whatever set the folder holds.

    Raises:
        UserError: input that cannot be used, a pair without its video, an output folder that cannot be written, too
            little free space, or another set in the folder without `overwrite`. Nothing is half written then.
    """
    if layout not in _PLANS:
        raise UserError(f"--layout is {layout!r}; expected one of {', '.join(_PLANS)}")
    if frame_embedding_size < 1:
        raise UserError(f"--frame_embedding_size is {frame_embedding_size}; expected at least 1")
    files = expand_pattern(pairwise_pattern)
    folds = split_pairs(read_labels(label_file), num_folds, seed)
    with _unfinished_folder(Path(output_dir)) as unfinished:
        settings = Settings(
            layout,
            num_folds,
            seed,
            frame_embedding_size,
            fingerprint(label_file),
            [fingerprint(file) for file in files],
        )
        found = None if overwrite else _existing(output_dir, settings)
        if found:
            print(f"{output_dir}: complete with the same inputs and settings, nothing to do")
            return found
        manifest = _write_files(unfinished, settings, files, folds)
        _move_in_place(unfinished, Path(output_dir), manifest)
    return manifest


@contextlib.contextmanager
def _unfinished_folder(output_dir: Path) -> Iterator[Path]:
    """A folder in `output_dir` that disappears at the end; so does `output_dir` itself if it was made in vain."""
    folder, is_new = output_dir / _UNFINISHED, not output_dir.exists()
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
        folder.mkdir()
    except OSError as error:
        raise UserError(f"--output_dir {str(output_dir)!r} cannot be written: {error.strerror}; choose another") from None
    try:
        yield folder
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new:
            output_dir.rmdir()
        if isinstance(error, OSError):
            raise UserError(f"--output_dir {str(output_dir)!r}: writing failed: {error}") from error
        raise
    shutil.rmtree(folder)


def _existing(output_dir: str, settings: Settings) -> Manifest | None:
    """The set that the folder holds, None if there is none; a damaged or different one is an error."""
    if not (Path(output_dir) / MANIFEST).exists():
        return None
    manifest = read_manifest(output_dir)
    if manifest.settings == settings:
        return manifest
    different = [name for name, value in vars(settings).items() if value != getattr(manifest.settings, name)]
    raise UserError(
        f"{output_dir} holds folds of another {', '.join(different)}; choose another --output_dir, or "
        "replace them with --overwrite"
    )


def _write_files(folder: Path, settings: Settings, files: list[str], folds: Folds) -> Manifest:
    from vsim_tf.data.videos import VideoIndex  # imports TensorFlow: only behind the checks that do not need it

    with VideoIndex(files, settings.frame_embedding_size) as videos:
        _check_ids(folds.pairs, videos)
        copies = 1 if settings.layout == "once" else folds.num_folds
        _check_space(folder, copies * sum(videos.size(p.id_1) + videos.size(p.id_2) for p in folds.pairs))
        with tqdm(total=copies * len(folds.pairs), desc="write pairs", unit="pair") as bar:
            entries = {name: _write_file(folder / name, pairs, videos, bar) for name, pairs in _PLANS[settings.layout](folds)}
        statistics = Statistics(
            len(folds.pairs), *_repeated_pairs(folds.pairs), len(videos), videos.repeated, _histogram(folds.pairs)
        )
    return Manifest(settings, entries, _fold_entries(settings.layout, folds), statistics)


def _write_file(path: Path, pairs: Iterable[Pair], videos, bar: tqdm) -> FileEntry:
    from vsim_tf.data.videos import pair_record

    path.parent.mkdir(exist_ok=True)
    with open(path, "wb") as file:
        writer = RecordWriter(file)
        for pair in pairs:
            writer.write(pair_record(videos.read(pair.id_1), videos.read(pair.id_2), pair.similarity))
            bar.update()
        file.flush()
        os.fsync(file.fileno())
    return FileEntry(writer.records, writer.bytes, writer.sha256)


def _move_in_place(unfinished: Path, output_dir: Path, manifest: Manifest) -> None:
    """Give the files their names; the old manifest goes first and the new one comes last."""
    stale = _files_of_old_set(output_dir) - set(manifest.files)
    (output_dir / MANIFEST).unlink(missing_ok=True)
    for name in stale:
        (output_dir / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: other files stand there, in `output_dir` at least this folder
            (output_dir / name).parent.rmdir()
    for name in manifest.files:
        (output_dir / name).parent.mkdir(exist_ok=True)
        os.replace(unfinished / name, output_dir / name)
    for folder in {(output_dir / name).parent for name in manifest.files}:
        sync_folder(folder)
    write_manifest(output_dir, manifest)


def _files_of_old_set(output_dir: Path) -> set[str]:
    try:
        return set(parse_manifest(output_dir).files)
    except UserError:
        return set()


def _file_name(folds: Folds, fold: int) -> str:
    return f"fold-{fold:02d}-of-{folds.num_folds:02d}.tfrecord"


def _plan_once(folds: Folds) -> Iterator[tuple[str, Iterable[Pair]]]:
    for fold in range(folds.num_folds):
        yield _file_name(folds, fold), folds.validation(fold)
    yield ALWAYS_TRAIN, folds.always_train()


def _plan_expanded(folds: Folds) -> Iterator[tuple[str, Iterable[Pair]]]:
    for fold, order in enumerate(folds.training_orders()):
        yield f"{folds.folder_2021(fold)}/val.tfrecord", folds.validation(fold)
        yield f"{folds.folder_2021(fold)}/train.tfrecord", order


_PLANS = {"once": _plan_once, "expanded": _plan_expanded}
"""Layout to a function that lists the files, by name relative to the output folder, with their pairs in order."""


def _fold_entries(layout: str, folds: Folds) -> list[FoldEntry]:
    entries = []
    for fold in range(folds.num_folds):
        if layout == "once":
            train = [_file_name(folds, other) for other in range(folds.num_folds) if other != fold] + [ALWAYS_TRAIN]
            validation = _file_name(folds, fold)
        else:
            train, validation = [f"{folds.folder_2021(fold)}/train.tfrecord"], f"{folds.folder_2021(fold)}/val.tfrecord"
        both = _ids(folds.training(fold)) & _ids(folds.validation(fold))
        entries.append(FoldEntry(train, [validation], len(both)))
    return entries


def _ids(pairs: Iterable[Pair]) -> set[str]:
    return {video_id for pair in pairs for video_id in (pair.id_1, pair.id_2)}


def _check_ids(pairs: Iterable[Pair], videos) -> None:
    missing = sorted(video_id for video_id in _ids(pairs) if video_id not in videos)
    if missing:
        raise UserError(
            f"{len(missing)} ids of the label file have no video record, first: {', '.join(missing[:5])}; "
            "give all files of video records, or remove the pairs"
        )


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"{folder.parent}: {needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free; choose another --output_dir"
        )


def _repeated_pairs(pairs: Iterable[Pair]) -> tuple[int, int]:
    """How many pairs repeat another one in the same order, and how many with first and second exchanged."""
    seen, repeated, reversed_ = set(), 0, 0
    for id_1, id_2, _ in pairs:
        if (id_1, id_2) in seen:
            repeated += 1
        elif (id_2, id_1) in seen:
            reversed_ += 1
        seen.add((id_1, id_2))
    return repeated, reversed_


def _histogram(pairs: Iterable[Pair]) -> dict[str, int]:
    counts = Counter(pair.similarity for pair in pairs)
    return {f"{similarity:g}": counts[similarity] for similarity in sorted(counts)}

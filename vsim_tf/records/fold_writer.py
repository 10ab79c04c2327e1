"""Joins videos and scores to pair records, fold by fold."""

import contextlib
import itertools
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from vsim_tf.errors import UserError, count_and_first
from vsim_tf.io.files import exclusive, fingerprint, sync
from vsim_tf.io.paths import ALWAYS_TRAIN, MANIFEST, TRAIN_2021, VALIDATION_2021, fold_file
from vsim_tf.io.read_ahead import read_ahead
from vsim_tf.records.feature_origin import Origin, origin_of
from vsim_tf.records.folds import Split
from vsim_tf.records.labels import Pair, Repetitions, find_repetitions, read_labels
from vsim_tf.records.manifest import (
    FileEntry,
    FoldEntry,
    Manifest,
    Settings,
    Statistics,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from vsim_tf.records.splits import make_split
from vsim_tf.records.tfrecords import expand_pattern, write_records
from vsim_tf.records.videos import VideoIndex, pair_record

_UNFINISHED = ".unfinished"
_RECORDS_AT_ONCE = 16
_BYTES_AROUND_PAIR = 128
"""More than framing, suffixes of the keys and the similarity add to the two videos of a pair."""

logger = logging.getLogger(__name__)


def write_folds(
    pairwise_pattern: str,
    label_file: str,
    output_dir: str,
    *,
    layout: str = "once",
    split: str = "shuffled",
    num_folds: int | None = None,
    seed: int = 42,
    frame_embedding_size: int = 1536,
    overwrite: bool = False,
) -> Manifest:
    """Write the pair records of all folds and their manifest.

    Layout "once" writes each pair once: `fold-00-of-11.tfrecord` ... hold the folds' validation pairs and
    `always-train.tfrecord` the pairs of no fold; training on fold i reads all files but that of i. Layout "expanded" writes
    a folder for each fold, with the shuffled split the 2021 tree in its order, `0-5999val/{val,train}.tfrecord` ...

    A folder that holds a complete set of the same settings and inputs is left as it is.

    Args:
        pairwise_pattern: files of video records, as for `records.expand_pattern`.
        label_file: the labelled pairs, as for `labels.read_labels`.
        output_dir: folder for the files, made if missing.
        layout: "once" or "expanded".
        split, num_folds, seed: as for `splits.make_split`.
        frame_embedding_size: values of a frame.
        overwrite: replace whatever set the folder holds.

    Raises:
        UserError: input that cannot be used or split, features of several towers, a pair without its video, an output folder
            that cannot be written, too little free space, another process that writes into the folder, or another set in the
            folder without `overwrite`. What the folder held is untouched then.
    """
    if layout not in _PLANS:
        raise UserError(f"layout is {layout!r}; expected one of {', '.join(_PLANS)}", ["layout"])
    if frame_embedding_size < 1:
        raise UserError(f"frame_embedding_size is {frame_embedding_size}; expected at least 1", ["frame_embedding_size"])
    files = expand_pattern(pairwise_pattern)
    origin = origin_of(files)
    pairs = read_labels(label_file)
    folds = make_split(split, pairs, num_folds, seed, label_file)
    repetitions = find_repetitions(pairs)
    with _unfinished_folder(Path(output_dir)) as unfinished, ThreadPoolExecutor(max_workers=1) as thread:
        settings = thread.submit(lambda: Settings(
            layout, folds.num_folds, seed, frame_embedding_size,
            fingerprint(label_file), [fingerprint(file) for file in files], split,
        ))  # fmt: skip
        found = None if overwrite else _existing(output_dir, settings)
        if found:
            logger.info(f"{output_dir}: complete with the same inputs and settings, nothing to do")
            return found
        with VideoIndex(files, frame_embedding_size) as videos:  # next to the thread that hashes the same files
            manifest = _write_files(unfinished, settings.result(), videos, folds, repetitions, origin)
        _move_in_place(unfinished, Path(output_dir), manifest)
    _report(output_dir, manifest.statistics, repetitions)
    return manifest


def _report(output_dir: str, statistics: Statistics, repetitions: Repetitions) -> None:
    """Logs what was written, and what was there twice: that is legal, but seldom meant."""
    logger.info(f"{output_dir}: {statistics.pairs:,} pairs of {statistics.videos:,} videos")
    if statistics.repeated_videos:
        logger.info(f"{statistics.repeated_videos:,} video records repeat an earlier one byte for byte; each video is used once")
    if repetitions.repeated or repetitions.reversed:
        logger.info(
            f"{repetitions.repeated:,} pairs repeat an earlier one, {repetitions.reversed:,} in reversed order; all are used"
        )
    if repetitions.conflicting:
        first = [f"{' '.join(pair)} ({', '.join(f'{s:g}' for s in scores)})" for pair, scores in repetitions.conflicting.items()]
        logger.info(f"pairs with different similarities, all of which are used: {count_and_first(first)}")


@contextlib.contextmanager
def _unfinished_folder(output_dir: Path) -> Iterator[Path]:
    """A folder in `output_dir` that disappears at the end; so does `output_dir` itself if it was made in vain."""
    folder, is_new = output_dir / _UNFINISHED, not output_dir.exists()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(exclusive(output_dir))
            output_dir.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
            folder.mkdir()
        except OSError as error:
            message = f"output_dir {str(output_dir)!r} cannot be written: {error.strerror}; choose another"
            raise UserError(message, ["output_dir"]) from None
        try:
            yield folder
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            if is_new:
                output_dir.rmdir()
            if isinstance(error, OSError):
                raise UserError(f"output_dir {str(output_dir)!r}: writing failed: {error}", ["output_dir"]) from error
            raise
        shutil.rmtree(folder)


def _existing(output_dir: str, settings: Future[Settings]) -> Manifest | None:
    """The set that the folder holds, None if there is none; a damaged or different one is an error."""
    if not (Path(output_dir) / MANIFEST).exists():
        return None
    manifest = read_manifest(output_dir)
    wanted = vars(settings.result())
    different = [name for name, value in wanted.items() if value != getattr(manifest.settings, name)]
    if not different:
        return manifest
    raise UserError(
        f"{output_dir} holds folds of another {', '.join(different)}; choose another output_dir, remove the folder, or"
        " replace them with overwrite=True",
        ["output_dir", "folds.overwrite"],
    )


def _write_files(
    folder: Path, settings: Settings, videos: VideoIndex, folds: Split, repetitions: Repetitions, origin: Origin | None
) -> Manifest:
    _check_ids(folds.pairs, videos)
    copies = 1 if settings.layout == "once" else folds.num_folds
    sizes = (videos.size(pair.id_1) + videos.size(pair.id_2) + _BYTES_AROUND_PAIR for pair in folds.pairs)
    _check_space(folder, copies * sum(sizes))
    plan = dict(_PLANS[settings.layout](folds))
    with tqdm(total=copies * len(folds.pairs), desc="write pairs", unit="pair", disable=None) as bar:
        entries = _write_plan(folder, plan, videos, bar)
    statistics = Statistics(
        len(folds.pairs), repetitions.repeated, repetitions.reversed, len(repetitions.conflicting),
        len(videos), videos.repeated, _histogram(folds.pairs),
    )  # fmt: skip
    manifest = Manifest(settings, entries, _fold_entries(settings.layout, folds), statistics, origin)
    write_manifest(folder, manifest)  # while the old set is whole: what follows needs no more space
    return manifest


def _write_plan(folder: Path, plan: dict[str, Sequence[Pair]], videos: VideoIndex, bar: tqdm) -> dict[str, FileEntry]:
    """Writes the files of a plan; a thread reads the videos ahead, two finish files: one hashes while one waits for the disk."""
    records = read_ahead(_pair_records(itertools.chain.from_iterable(plan.values()), videos), _RECORDS_AT_ONCE)
    finished = {}
    with (
        contextlib.closing(records),  # the thread ends before the files that it reads are closed
        ThreadPoolExecutor(max_workers=2) as threads,
    ):
        for name, pairs in plan.items():
            (folder / name).parent.mkdir(exist_ok=True)
            count = write_records(folder / name, _shown(itertools.islice(records, len(pairs)), bar))
            finished[name] = threads.submit(_finish, folder / name, count)
        return {name: entry.result() for name, entry in finished.items()}


def _pair_records(pairs: Iterable[Pair], videos: VideoIndex) -> Iterator[bytes]:
    for pair in pairs:
        yield pair_record(videos.read(pair.id_1), videos.read(pair.id_2), pair.similarity)


def _shown(records: Iterable[bytes], bar: tqdm) -> Iterator[bytes]:
    for record in records:
        bar.update()
        yield record


def _finish(path: Path, records: int) -> FileEntry:
    """Makes a written file survive a crash of the machine, and describes it."""
    sync(path)
    written = fingerprint(path)
    return FileEntry(records, int(written["bytes"]), str(written["sha256"]))


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
        sync(folder)
    os.replace(unfinished / MANIFEST, output_dir / MANIFEST)
    sync(output_dir)


def _files_of_old_set(output_dir: Path) -> set[str]:
    try:
        return set(parse_manifest(output_dir).files)
    except UserError:
        return set()


def _plan_once(folds: Split) -> Iterator[tuple[str, Sequence[Pair]]]:
    for fold in range(folds.num_folds):
        yield fold_file(fold, folds.num_folds), folds.validation(fold)
    yield ALWAYS_TRAIN, folds.always_train()


def _plan_expanded(folds: Split) -> Iterator[tuple[str, Sequence[Pair]]]:
    for fold, order in enumerate(folds.training_orders()):
        yield f"{folds.folder(fold)}/{VALIDATION_2021}", folds.validation(fold)
        yield f"{folds.folder(fold)}/{TRAIN_2021}", order


_PLANS = {"once": _plan_once, "expanded": _plan_expanded}
"""Layout to a function that lists the files, by name relative to the output folder, with their pairs in order."""


def _fold_entries(layout: str, folds: Split) -> list[FoldEntry]:
    entries = []
    for fold in range(folds.num_folds):
        if layout == "once":
            train = [*(fold_file(other, folds.num_folds) for other in range(folds.num_folds) if other != fold), ALWAYS_TRAIN]
            validation = fold_file(fold, folds.num_folds)
        else:
            train, validation = ([f"{folds.folder(fold)}/{TRAIN_2021}"], f"{folds.folder(fold)}/{VALIDATION_2021}")
        both = _ids(folds.training(fold)) & _ids(folds.validation(fold))
        entries.append(FoldEntry(train, [validation], len(both)))
    return entries


def _ids(pairs: Iterable[Pair]) -> set[str]:
    return {video_id for pair in pairs for video_id in (pair.id_1, pair.id_2)}


def _check_ids(pairs: Iterable[Pair], videos: VideoIndex) -> None:
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
            f"{folder.parent}: {needed / 1e6:,.1f} MB are needed, {free / 1e6:,.1f} MB are free; choose another output_dir",
            ["output_dir"],
        )


def _histogram(pairs: Iterable[Pair]) -> dict[str, int]:
    counts = Counter(pair.similarity for pair in pairs)
    return {f"{similarity:g}": counts[similarity] for similarity in sorted(counts)}

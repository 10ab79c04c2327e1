"""The writer of folds, killed: there is a complete set or none, and the same command finishes."""

import hashlib
import json
import multiprocessing
import random
import time
from pathlib import Path

import numpy as np
import pytest
import toys
from dying_writer import die_after_renames

from vsim_tf.errors import UserError
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.manifest import fold_files, read_manifest
from vsim_tf.records.videos import video_record

KILLS, FOLDS, DIM = 20, 4, 1536


def settings(folder: Path, seed: int) -> dict:
    return {
        "pairwise_pattern": f"{folder}/videos.tfrecords", "label_file": f"{folder}/label.tsv", "num_folds": FOLDS, "seed": seed,
        "frame_embedding_size": DIM, "overwrite": True,
    }  # fmt: skip


@pytest.fixture
def source(tmp_path, request):
    """Videos and so many pairs of them; the many take a good part of a second to write."""
    pairs = 400 if request.node.get_closest_marker("slow") else 20
    rng = np.random.default_rng(0)
    videos = [video_record(str(i), "标题", rng.standard_normal((20, DIM))) for i in range(60)]
    toys.write_records(tmp_path / "videos.tfrecords", videos)
    lines = (f"{a}\t{b}\t0.5\n" for a, b in rng.integers(0, 60, (pairs, 2)))
    (tmp_path / "label.tsv").write_text("".join(lines))
    return tmp_path


def sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.is_file()}


def start(function, **arguments) -> multiprocessing.Process:
    """A process of its own that is ready at once: what it needs has been imported in the process that it is forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["vsim_tf.records.fold_writer", "vsim_tf.records.videos"])
    process = context.Process(target=function, kwargs=arguments)
    process.start()
    return process


def wait_for(condition, process) -> None:
    while not condition() and process.is_alive():
        time.sleep(0.001)


@pytest.mark.slow
def test_killed_at_20_random_moments(source):
    """Writers of two different sets in turns, so that one set never looks like the other."""
    folder, unfinished, moments = source / "folds", source / "folds/.unfinished", random.Random(1)
    expected = {}
    for seed in (1, 2):
        write_folds(output_dir=str(source / f"whole-{seed}"), **settings(source, seed))
        expected[seed] = sums(source / f"whole-{seed}")
    write_folds(output_dir=str(folder), **settings(source, 2))
    started = time.monotonic()
    write_folds(output_dir=str(folder), **settings(source, 1))
    duration = time.monotonic() - started
    kills = complete = without = half = 0
    while kills < KILLS:
        process = start(write_folds, output_dir=str(folder), **settings(source, 1 + kills % 2))
        wait_for(unfinished.exists, process)
        time.sleep(moments.uniform(0, 1.1 * duration))
        process.kill()
        process.join()
        if process.exitcode == 0:  # it was faster
            continue
        kills += 1
        half += unfinished.exists()
        if (folder / "manifest.json").exists():
            complete += 1
            read_manifest(folder)
            found = sums(folder)
            assert found in expected.values(), "a manifest next to files of another set"
        else:
            without += 1
            with pytest.raises(UserError, match=r"manifest.json does not exist"):
                fold_files(folder, 0)
    assert half, "no kill met a writer at work"
    write_folds(output_dir=str(folder), **settings(source, 1))
    assert sums(folder) == expected[1]
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected[1])
    print(json.dumps({"kills": kills, "old or new set complete": complete, "no set": without, "bytes lost": 0}))


@pytest.mark.parametrize("moment", ["before the first file", "between files", "before the manifest"])
def test_killed_between_two_renames(source, moment):
    """The only time without a set: the files of a new one take their names."""
    folder = source / "folds"
    write_folds(output_dir=str(folder), **settings(source, 2))
    names = sorted(read_manifest(folder).files)
    renamed = {"before the first file": 0, "between files": 2, "before the manifest": len(names)}[moment]
    process = start(die_after_renames, count=renamed, output_dir=str(folder), **settings(source, 1))
    process.join()
    assert process.exitcode == 9
    with pytest.raises(UserError, match=r"manifest.json does not exist"):
        fold_files(folder, 0)
    write_folds(output_dir=str(folder), **settings(source, 1) | {"overwrite": False})
    write_folds(output_dir=str(source / "whole"), **settings(source, 1))
    assert sums(folder) == sums(source / "whole")
    assert not (folder / ".unfinished").exists()

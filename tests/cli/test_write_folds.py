"""What the flags of write_tfrecord.py make of it."""

import numpy as np
import pytest
import toys

from vsim_tf.cli import write_folds
from vsim_tf.errors import UserError
from vsim_tf.launch.plan import flags_of
from vsim_tf.records.manifest import read_manifest
from vsim_tf.records.videos import video_record


@pytest.mark.parametrize(
    ("arguments", "folder"),
    [
        ([], "output/folds"),
        (["--split=shuffled", "--seed=7"], "output/folds"),
        (["--split=modulo"], "output/folds_modulo"),
        (["--split=modulo", "--output_dir=other"], "other"),
    ],
)
def test_each_split_has_its_folder(arguments, folder):
    with flags_of(write_folds.define_flags, ["write_tfrecord.py", *arguments]):
        write_folds.check_flags()
        assert write_folds.output_dir() == folder


@pytest.mark.parametrize(
    ("flags", "labels", "said"),
    [
        (
            ["--split=modulo"],
            "a\tb\t1\n" * 5,
            "line 1: the id 'a' is no integer, which split=modulo needs; split=shuffled takes any id",
        ),
        (["--split=modulo"], "1\t6\t1\n" * 5, "no pair has two ids that are 0 modulo 5"),
        (["--preset=small"], "a\tb\t1\n", "1 pairs cannot fill 5 folds"),
    ],
)
def test_pairs_that_cannot_be_split_are_refused_before_anything_is_written(tmp_path, monkeypatch, flags, labels, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/pairwise").mkdir(parents=True)
    toys.write_records(tmp_path / "data/pairwise/videos.tfrecords", [video_record("a", "", np.ones((1, toys.DIM)))])
    (tmp_path / "data/pairwise/label.tsv").write_text(labels)
    with flags_of(write_folds.define_flags, ["write_tfrecord.py", *flags]), pytest.raises(UserError, match=said):
        write_folds.check_inputs()


def test_a_seed_of_nothing_that_is_drawn():
    with (
        flags_of(write_folds.define_flags, ["write_tfrecord.py", "--split=modulo", "--seed=42"]),
        pytest.raises(UserError, match="--seed=42: --split=modulo draws nothing at random; leave the seed out"),
    ):
        write_folds.check_flags()


def test_the_folds_of_a_data_folder(tmp_path, monkeypatch):
    """12 pairs fill 11 shuffled folds or 5 by remainders."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/pairwise").mkdir(parents=True)
    videos = [video_record(str(i), "", np.ones((1, toys.DIM))) for i in range(17)]
    toys.write_records(tmp_path / "data/pairwise/videos.tfrecords", videos)
    (tmp_path / "data/pairwise/label.tsv").write_text("".join(f"{i}\t{i + 5}\t0.5\n" for i in range(12)))
    for split, folder, num_folds in (("shuffled", "folds", 11), ("modulo", "folds_modulo", 5)):
        with flags_of(write_folds.define_flags, ["write_tfrecord.py", f"--split={split}", f"--frame_embedding_size={toys.DIM}"]):
            assert not write_folds.finished()
            write_folds.main()
            assert write_folds.finished()
        manifest = read_manifest(tmp_path / "output" / folder)
        assert (manifest.num_folds, manifest.settings.split) == (num_folds, split)

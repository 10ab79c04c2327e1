import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from script_flags import refused
from toy_towers import note_tower

from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive
from vsim_tf.records import fold_writer
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.folds import split_pairs
from vsim_tf.records.labels import read_labels
from vsim_tf.records.manifest import fold_files, read_manifest
from vsim_tf.records.tfrecords import read_records, write_records
from vsim_tf.records.videos import video_record

NUM_VIDEOS, NUM_FOLDS, DIM = 9, 3, 2
PAIRS = [
    (0, 1, 0.0),
    (1, 2, 1.0),
    (2, 3, 0.35),
    (3, 4, 0.5),
    (4, 5, 0.0),
    (5, 6, 0.05),
    (6, 7, 0.9),
    (7, 8, 0.2),
    (1, 0, 0.1),
    (0, 1, 0.0),
    (8, 8, 1.0),
]


@pytest.fixture
def source(tmp_path):
    write_records(
        tmp_path / "videos.tfrecords",
        (video_record(f"00{i}", "标题", np.full((i % 3, DIM), i), tags=[i]) for i in range(NUM_VIDEOS)),
    )
    (tmp_path / "label.tsv").write_text("".join(f"00{a}\t00{b}\t{score}\n" for a, b, score in PAIRS))
    return tmp_path


def write(source, **changes):
    arguments = {
        "pairwise_pattern": f"{source}/videos.tfrecords",
        "label_file": f"{source}/label.tsv",
        "output_dir": f"{source}/folds",
        "num_folds": NUM_FOLDS,
        "frame_embedding_size": DIM,
        **changes,
    }
    return write_folds(**arguments)


def read_pairs(path):
    pairs = []
    for _, data in read_records(path):
        feature = tf.train.Example.FromString(data).features.feature
        ids = [feature[key].bytes_list.value[0].decode() for key in ("id_1", "id_2")]
        pairs.append((*ids, round(feature["sim"].float_list.value[0], 6)))
    return pairs


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_once_writes_each_pair_in_the_file_of_its_fold(source):
    manifest = write(source)
    folds = split_pairs(read_labels(source / "label.tsv"), NUM_FOLDS)
    names = [f"fold-0{fold}-of-03.tfrecord" for fold in range(NUM_FOLDS)]
    assert sorted(content(source / "folds")) == sorted([*names, "always-train.tfrecord", "manifest.json"])
    for fold, name in enumerate(names):
        assert read_pairs(source / "folds" / name) == list(folds.validation(fold))
        train, validation = fold_files(source / "folds", fold)
        assert validation == [str(source / "folds" / name)]
        others = [other for other in names if other != name]
        assert [Path(file).name for file in train] == [*others, "always-train.tfrecord"]
    assert read_pairs(source / "folds/always-train.tfrecord") == list(folds.always_train())
    assert manifest == read_manifest(source / "folds")


def test_expanded_writes_the_2021_tree_in_its_order(source):
    write(source, layout="expanded")
    folds = split_pairs(read_labels(source / "label.tsv"), NUM_FOLDS)
    for fold, order in enumerate(folds.training_orders()):
        train, validation = fold_files(source / "folds", fold)
        tree = f"{source}/folds/{3 * fold}-{3 * fold + 2}val"
        assert (train, validation) == ([f"{tree}/train.tfrecord"], [f"{tree}/val.tfrecord"])
        assert read_pairs(train[0]) == order and read_pairs(validation[0]) == list(folds.validation(fold))


def test_the_modulo_split_writes_each_pair_once_in_the_order_of_the_file(source):
    """Modulo 3, (8, 8) is of fold 2 and no other pair of any: (0, 3) and (4, 1) make the other two folds."""
    with open(source / "label.tsv", "a") as file:
        file.write("000\t003\t0.3\n004\t001\t0.4\n")
    manifest = write(source, split="modulo")
    pairs = read_labels(source / "label.tsv")
    assert manifest.settings.split == "modulo"
    written = [read_pairs(source / "folds" / f"fold-0{fold}-of-03.tfrecord") for fold in range(NUM_FOLDS)]
    assert written == [[pairs[-2]], [pairs[-1]], [("008", "008", 1.0)]]
    assert read_pairs(source / "folds/always-train.tfrecord") == pairs[:-3]
    train, validation = fold_files(source / "folds", 0)
    assert [Path(file).name for file in validation] == ["fold-00-of-03.tfrecord"]
    assert [Path(file).name for file in train] == ["fold-01-of-03.tfrecord", "fold-02-of-03.tfrecord", "always-train.tfrecord"]
    with refused("another split.*--overwrite"):
        write(source)
    write(source, split="modulo", layout="expanded", overwrite=True)
    train, validation = fold_files(source / "folds", 1)
    assert train == [f"{source}/folds/fold-01/train.tfrecord"] and read_pairs(validation[0]) == [pairs[-1]]
    assert read_pairs(train[0]) == pairs[:-1]


def test_an_id_that_the_modulo_split_cannot_take(source):
    with open(source / "label.tsv", "a") as file:
        file.write("000\tabsent\t0.5\n")
    with refused(r"label.tsv, line 12: the id 'absent' is no integer, which --split=modulo needs; --split=shuffled takes any"):
        write(source, split="modulo")
    assert not (source / "folds").exists()


def test_manifest_describes_files_and_input(source):
    manifest = write(source)
    for name, entry in manifest.files.items():
        data = (source / "folds" / name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert manifest.settings.label_file["sha256"] == hashlib.sha256((source / "label.tsv").read_bytes()).hexdigest()
    statistics = manifest.statistics
    assert (statistics.pairs, statistics.repeated_pairs, statistics.reversed_pairs) == (11, 1, 1)
    assert (statistics.videos, statistics.repeated_videos) == (NUM_VIDEOS, 0)
    assert list(statistics.similarity_histogram.items())[:2] == [("0", 3), ("0.05", 1)]
    for fold in range(NUM_FOLDS):
        train, validation = (
            {i for file in files for pair in read_pairs(file) for i in pair[:2]} for files in fold_files(source / "folds", fold)
        )
        assert manifest.folds[fold].videos_on_both_sides == len(train & validation) > 0
        entry = manifest.folds[fold]
        assert manifest.records(entry.train) + manifest.records(entry.validation) == len(PAIRS)


def test_equal_runs_give_equal_bytes(source):
    write(source)
    write(source, output_dir=f"{source}/again")
    assert content(source / "folds") == content(source / "again")


def test_a_complete_set_is_left_alone(source, console):
    first = write(source)
    before = {path: path.stat().st_mtime_ns for path in (source / "folds").iterdir()}
    assert write(source) == first
    assert "nothing to do" in console.readouterr().out
    assert before == {path: path.stat().st_mtime_ns for path in (source / "folds").iterdir()}


@pytest.mark.parametrize(
    ("changes", "name"), [({"seed": 43}, "seed"), ({"layout": "expanded"}, "layout"), ({"num_folds": 2}, "num_folds")]
)
def test_another_set_is_kept_unless_overwritten(source, changes, name):
    write(source)
    before = content(source / "folds")
    with refused(f"another {name}.*--overwrite"):
        write(source, **changes)
    assert content(source / "folds") == before
    manifest = write(source, overwrite=True, **changes)
    assert set(content(source / "folds")) == {*manifest.files, "manifest.json"}, "files of the old set remain"


def test_overwriting_removes_the_folders_of_the_old_tree(source):
    write(source, layout="expanded")
    write(source, overwrite=True)
    assert all(path.is_file() for path in (source / "folds").iterdir())


def test_changed_labels_are_noticed(source):
    write(source)
    labels = source / "label.tsv"
    labels.write_text(labels.read_text().replace("0.9", "0.8"))
    with pytest.raises(UserError, match="another label_file"):
        write(source)


def test_a_killed_run_is_cleaned_up(source):
    (source / "folds/.unfinished/sub").mkdir(parents=True)
    (source / "folds/fold-00-of-03.tfrecord").write_bytes(b"no manifest, so this is no set")
    write(source)
    assert read_manifest(source / "folds").num_folds == NUM_FOLDS and not (source / "folds/.unfinished").exists()


def test_ids_without_a_record(source):
    with open(source / "label.tsv", "a") as file:
        file.writelines(f"000\tabsent{number}\t0.5\n" for number in range(6))
    with pytest.raises(UserError, match=r"6 ids .* first: absent0, absent1, absent2, absent3, absent4;"):
        write(source)
    assert not (source / "folds").exists()


def test_a_failure_in_mid_write_leaves_nothing(source, monkeypatch):
    files = []

    def fail_later(path, records):
        files.append(path)
        if len(files) == 2:
            raise OSError("disk full")
        return write_records(path, records)

    monkeypatch.setattr(fold_writer, "write_records", fail_later)
    with pytest.raises(UserError, match="writing failed: disk full"):
        write(source)
    assert not (source / "folds").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layout": "twice"}, "--layout is 'twice'; expected one of once, expanded"),
        ({"num_folds": 12}, "11 pairs cannot fill 12 folds"),
        ({"frame_embedding_size": 0}, "--frame_embedding_size is 0"),
        ({"frame_embedding_size": 3}, "record 1, video '001': frame 0 has 4 bytes; expected 6"),
        ({"pairwise_pattern": "missing*"}, "'missing\\*' matches no file"),
    ],
)
def test_bad_arguments(source, changes, message):
    with refused(message):
        write(source, **changes)
    assert not (source / "folds").exists()


def test_an_output_folder_that_cannot_be_written(source):
    with refused(r"--output_dir .* cannot be written: Not a directory"):
        write(source, output_dir=f"{source}/label.tsv/folds")


def test_too_little_space(source, monkeypatch):
    monkeypatch.setattr(fold_writer.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 10}))
    with pytest.raises(UserError, match="MB are needed"):
        write(source)
    assert not (source / "folds").exists()


def test_what_was_there_twice_is_reported(source, console):
    videos = [data for _, data in read_records(source / "videos.tfrecords")]
    write_records(source / "videos.tfrecords", [*videos, videos[0]])
    manifest = write(source)
    assert (manifest.statistics.repeated_videos, manifest.statistics.conflicting_pairs) == (1, 1)
    said = console.readouterr().out
    assert "11 pairs of 9 videos" in said
    assert "1 video records repeat an earlier one byte for byte" in said
    assert "1 pairs repeat an earlier one, 1 in reversed order" in said
    assert "different similarities, all of which are used: 1: 000 001 (0, 0.1)" in said


def test_nothing_is_said_about_labels_without_repetition(source, console):
    labels = source / "label.tsv"
    labels.write_text("".join(labels.read_text().splitlines(keepends=True)[:8]))
    write(source)
    assert console.readouterr().out.splitlines() == [f"{source}/folds: 8 pairs of 9 videos"]


def test_two_different_videos_of_one_id(source):
    write_records(source / "other.tfrecords", [video_record("004", "another title", np.zeros((1, DIM)))])
    with pytest.raises(UserError, match=r"videos.tfrecords, record 4, video '004': differs .* in .*other.tfrecords"):
        write(source, pairwise_pattern=f"{source}/*.tfrecords")
    assert not (source / "folds").exists()


def test_a_second_writer_is_refused_and_the_first_one_not_disturbed(source):
    (source / "folds/.unfinished").mkdir(parents=True)
    (source / "folds/.unfinished/fold-00-of-03.tfrecord").write_bytes(b"of the first")
    with exclusive(source / "folds"), pytest.raises(UserError, match="folds: another process is writing into it"):
        write(source)
    assert content(source / "folds") == {".unfinished/fold-00-of-03.tfrecord": b"of the first"}
    write(source)


def test_a_new_set_is_complete_before_the_old_one_is_touched(source, monkeypatch):
    """All that is left then is renaming, which needs no space."""
    write(source)
    before = content(source / "folds")

    def fail(unfinished, output_dir, manifest):
        new = content(unfinished)
        assert set(new) == {*manifest.files, "manifest.json"}
        assert content(output_dir) == before | {f".unfinished/{name}": data for name, data in new.items()}
        raise OSError("Input/output error")

    monkeypatch.setattr(fold_writer, "_move_in_place", fail)
    with pytest.raises(UserError, match="writing failed: Input/output error"):
        write(source, seed=43, overwrite=True)
    assert content(source / "folds") == before


def test_needed_space_is_at_least_what_is_written(source, monkeypatch):
    asked = []
    monkeypatch.setattr(fold_writer, "_check_space", lambda folder, needed: asked.append(needed))
    for number, layout in enumerate(("once", "expanded")):
        write(source, layout=layout, output_dir=f"{source}/{number}")
        written = sum(len(data) for path, data in content(source / str(number)).items() if path != "manifest.json")
        assert written <= asked[number] <= 2 * written


def test_the_manifest_names_the_tower_of_the_features(source):
    assert write(source).features_by is None
    note_tower(source / "videos.tfrecords", "a")
    assert write(source, overwrite=True).features_by == ("/models/a", "a")
    assert read_manifest(source / "folds").features_by == ("/models/a", "a")


def test_features_of_two_towers(source):
    write_records(source / "videos-more.tfrecords", [video_record("more", "", np.ones((1, DIM)))])
    for name in ("videos", "videos-more"):
        note_tower(source / f"{name}.tfrecords", name)
    with pytest.raises(UserError, match="features of two towers: .* /models/videos-more, .* /models/videos; make"):
        write(source, pairwise_pattern=f"{source}/videos*.tfrecords")
    assert not (source / "folds").exists()

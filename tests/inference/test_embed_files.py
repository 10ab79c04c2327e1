"""Run folders to embeddings on disk: what is refused, skipped or made again. The results themselves: test_e2e.py."""

import json
import os
import zipfile
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import toys
from script_flags import refused
from toy_towers import note_tower

from vsim_tf.distributed import device
from vsim_tf.ensemble.combine import fold_mean
from vsim_tf.errors import RecordError, UserError
from vsim_tf.inference import embed_files as inference
from vsim_tf.inference.embed_files import embed_folds, embed_to_file
from vsim_tf.io.files import fingerprint
from vsim_tf.models.build import build_network
from vsim_tf.optim.adam import GroupAdam
from vsim_tf.records.embeddings import read_embeddings, read_submission, write_submission
from vsim_tf.records.videos import read_ids, video_record
from vsim_tf.runs import held_weights
from vsim_tf.runs.checkpoint_files import newest_checkpoint
from vsim_tf.runs.checkpoints import TrainingState
from vsim_tf.runs.run_folder import RunSettings, prepare_run_folder, write_summary
from vsim_tf.runs.stage import Selection


def make_run(folder, name="uniter", best=True):
    """A run folder with a finished run of an untrained model."""
    config = toys.model(name)
    settings = RunSettings("pair", config, toys.stage(), toys.TOKENIZERS[config.encoder.kind], toys.TAGS, {})
    prepare_run_folder(folder, settings, overwrite=False)
    state = TrainingState(toys.network(name), GroupAdam({}, {}), Selection())
    state.save_last(folder)
    if best:
        state.save_best(folder)
    write_summary(folder, {"step": 0})
    return folder


@pytest.fixture
def runs(tmp_path):
    return [make_run(tmp_path / f"fold-0{i}") for i in range(2)]


@pytest.fixture
def test_file(tmp_path):  # no test: a fixture
    return toys.write_records(tmp_path / "test_x.tfrecords", toys.random_videos(5))


def embed(runs, test_file, kind="last"):
    embed_folds("uniter", runs, [test_file], kind, 4, "float32")


def written(runs):
    return [run / "embeddings" / "test_x.npz" for run in runs]


def test_each_fold_gets_a_file_and_says_where_it_is_from(runs, test_file):
    embed(runs, test_file)
    for path in written(runs):
        assert list(read_embeddings(path).ids) == [f"v{i}" for i in range(5)]
        source = json.loads(path.with_suffix(".json").read_text())
        assert source["checkpoint"] == "last/ckpt-0"
        assert source["precision"] == {"asked": "float32", "resolved": "float32"}
        assert source["test_file"] == fingerprint(test_file)


def test_nothing_is_done_twice(runs, test_file, monkeypatch):
    embed(runs, test_file)
    monkeypatch.setattr(inference, "load_embedder", lambda *_: pytest.fail("not needed"))
    embed(runs, test_file)


@pytest.mark.parametrize("change", ["missing", "source", "checkpoint", "file"])
def test_what_is_missing_or_from_elsewhere_is_made_again_alone(runs, test_file, change):
    embed(runs, test_file)
    first, second = written(runs)
    times = [os.stat(path).st_mtime_ns for path in (first, second)]
    if change == "missing":
        first.unlink()
    elif change == "source":
        first.with_suffix(".json").unlink()
    elif change == "checkpoint":
        os.utime(first)
        for path in (runs[0] / "last").iterdir():
            path.unlink()
        keras.utils.set_random_seed(9)
        TrainingState(build_network(toys.model("uniter")), GroupAdam({}, {}), Selection()).save_last(runs[0])
        times[0] = os.stat(first).st_mtime_ns
    else:
        toys.write_records(test_file, toys.random_videos(6))
    embed(runs, test_file)
    assert os.stat(first).st_mtime_ns != times[0]
    assert (os.stat(second).st_mtime_ns != times[1]) == (change == "file")
    assert len(read_embeddings(first).ids) == (6 if change == "file" else 5)


def test_another_content_of_the_same_size_is_noticed(runs, tmp_path):
    """As where one title is corrected, also with the same time of change."""
    first, second = ([video_record("v0", title, np.ones((2, toys.DIM)))] for title in ("天地", "玄黄"))
    test_file = toys.write_records(tmp_path / "test_x.tfrecords", first)
    size = os.path.getsize(test_file)
    embed(runs, test_file)
    before = [read_embeddings(path).values for path in written(runs)]
    toys.write_records(test_file, second)
    assert os.path.getsize(test_file) == size
    embed(runs, test_file)
    for path, values in zip(written(runs), before, strict=True):
        assert not np.array_equal(read_embeddings(path).values, values)


def test_another_precision_is_noticed_and_auto_is_what_it_stands_for(runs, test_file, monkeypatch):
    def inode(precision):
        embed_folds("uniter", runs, [test_file], "last", 4, precision)
        return written(runs)[0].stat().st_ino

    full = inode("float32")
    assert inode("auto") == full  # no GPU here
    half = inode("mixed_bfloat16")
    assert half != full
    monkeypatch.setattr(device, "suitable_precision", lambda wanted: "mixed_bfloat16")
    assert inode("auto") == half


def test_two_test_files_of_one_name_are_refused(runs, test_file, tmp_path):
    (tmp_path / "b").mkdir()
    other = toys.write_records(tmp_path / "b" / "test_x.tfrecord", toys.random_videos(2))
    message = f"^{test_file} and {other}: embeddings are named after the test file, and both would be test_x.npz; rename"
    with pytest.raises(UserError, match=message):
        embed_folds("uniter", runs, [test_file, other], "last", 4, "float32")
    assert not written(runs)[0].exists()


def test_embeddings_killed_before_their_note_are_computed_again(runs, test_file, monkeypatch):
    """Also where the note of the embeddings before them would fit again."""
    embed(runs, test_file)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(inference, "write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        embed_folds("uniter", runs, [test_file], "last", 4, "mixed_bfloat16")
    half = read_embeddings(written(runs)[0]).values
    embed(runs, test_file)
    assert not np.array_equal(read_embeddings(written(runs)[0]).values, half)


def test_a_disk_too_small_for_embeddings_is_said_before_the_work(runs, test_file, monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(UserError, match=r"0.0 MB are needed for embeddings of test_x by 2 checkpoints, 0.0 MB are free"):
        embed(runs, test_file)
    with pytest.raises(UserError, match="are needed for the embeddings in one.zip"):
        embed_to_file(str(runs[0] / "last/ckpt-0"), [test_file], str(tmp_path / "one.zip"), 4, "float32")


def test_it_is_said_whether_weights_are_kept_in_memory(runs, test_file, monkeypatch, console):
    embed(runs, test_file)
    assert "uniter: weights of 2 checkpoints are kept in memory: 0.0 MB, and " in console.readouterr().out
    monkeypatch.setattr(held_weights, "available_memory", lambda: 0)
    embed_folds("uniter", runs, [test_file], "best", 4, "float32")
    assert "uniter: weights of 2 checkpoints are restored for every 4,096 videos: they are 0.0 MB" in console.readouterr().out


def test_a_checkpoint_that_is_not_there_lists_those_that_are(runs, test_file, tmp_path):
    with pytest.raises(UserError, match=r"no checkpoint .*last/ckpt-7 .*; there is 1: .*fold-00/last/ckpt-0$"):
        embed_to_file(str(runs[0] / "last/ckpt-7"), [test_file], str(tmp_path / "one.zip"), 4, "float32")


def test_the_best_checkpoint(runs, test_file):
    embed(runs, test_file, "best")
    assert json.loads(written(runs)[0].with_suffix(".json").read_text())["checkpoint"] == "best/ckpt-0"


def test_a_run_without_a_best_checkpoint(tmp_path, test_file):
    run = make_run(tmp_path / "fold-00", best=False)
    with pytest.raises(UserError, match="fold-00/best holds no checkpoint"):
        embed([run], test_file, "best")


def test_an_unfinished_run(runs, test_file):
    (runs[1] / "summary.json").unlink()
    with pytest.raises(UserError, match=r"fold-01: training is not complete; .* .complete are 1: fold-00.$"):
        embed(runs, test_file)
    assert not written(runs)[0].exists()


def test_folds_of_different_models(tmp_path, runs, test_file):
    runs.append(make_run(tmp_path / "fold-02", "uniter_asl"))
    with pytest.raises(UserError, match=r"fold-02 holds another model or vocabulary than .*fold-00"):
        embed(runs, test_file)
    assert not written(runs)[0].exists()


def test_another_model_than_asked_for(tmp_path, test_file):
    run = make_run(tmp_path / "fold-00", "uniter_asl")
    with refused("fold-00 holds model uniter_asl, --model=uniter was asked for"):
        embed([run], test_file)


def test_a_bad_record_leaves_nothing_behind(runs, test_file):
    toys.write_records(test_file, [*toys.random_videos(5), b"\xff\xff"])
    with pytest.raises(RecordError, match=f"{test_file}, record 5: not a tf.train.Example"):
        embed(runs, test_file)
    assert not [path for path in written(runs) if path.exists()]


def test_a_checkpoint_outside_a_run_folder(tmp_path, runs, test_file):
    (tmp_path / "elsewhere").mkdir()
    checkpoint = tmp_path / "elsewhere" / "ckpt-0"
    for path in (runs[0] / "last").glob("ckpt-0.*"):
        path.rename(checkpoint.with_suffix(path.suffix))
    with pytest.raises(UserError, match=r"config.json does not exist"):
        embed_to_file(str(checkpoint), [test_file], str(tmp_path / "a.zip"), 4, "float32")
    assert not (tmp_path / "a.zip").exists()


def test_ids_reach_the_zip_as_they_are_written(runs, tmp_path):
    ids = ["9223372036854775807", "9223372036854775808", "18446744073709551616", "007", "7", "0", "-1", "1e3", "天 地"]
    rng = np.random.default_rng(0)
    test_file = toys.write_records(tmp_path / "test_x.tfrecords", [toys.random_video(video, rng) for video in ids])
    embed(runs, test_file)
    embed_to_file(str(runs[0] / "last/ckpt-0"), [test_file], str(tmp_path / "one.zip"), 4, "float32")
    with zipfile.ZipFile(tmp_path / "one.zip") as archive:
        assert list(json.loads(archive.read("result.json"))) == ids
    write_submission(tmp_path / "all.zip", fold_mean(written(runs)), expected_ids=read_ids([test_file]))
    assert read_submission(tmp_path / "all.zip").ids == ids


def test_a_video_that_is_twice_in_the_test_set_is_named(runs, test_file):
    toys.write_records(test_file, [*toys.random_videos(5), toys.random_videos(2)[1]])
    with pytest.raises(UserError, match=r"test_x.npz: ids that occur more than once: 1: v1$"):
        embed(runs, test_file)
    assert not [path for path in written(runs) if path.exists()]


def test_a_folder_that_cannot_be_written_is_named(runs, test_file):
    (runs[1] / "embeddings").touch()
    with pytest.raises(UserError, match=r"fold-01/embeddings/test_x.npz: cannot be written: "):
        embed(runs, test_file)


def test_features_of_another_tower_are_refused(runs, test_file, tmp_path):
    config = json.loads((runs[1] / "config.json").read_text())
    config["data"]["features_by"] = {"tower": "/models/first", "sha256": "a"}
    (runs[1] / "config.json").write_text(json.dumps(config))
    embed(runs, test_file)  # of unknown origin
    note_tower(test_file, "second")
    message = "the model of .*fold-01 has those of /models/first, .*test_x.tfrecords those of /models/second; make"
    with refused(message):
        embed(runs, test_file)
    with refused(message):
        embed_to_file(newest_checkpoint(runs[1], "last"), [test_file], f"{tmp_path}/one.zip", 4, "float32")
    assert not (tmp_path / "one.zip").exists()

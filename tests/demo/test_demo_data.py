import itertools
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import spearmanr
from script_flags import refused

from vsim_tf.demo import data as demo
from vsim_tf.demo import world as demo_world
from vsim_tf.demo.data import write_demo_data
from vsim_tf.errors import UserError
from vsim_tf.io.files import exclusive
from vsim_tf.records.fold_writer import write_folds
from vsim_tf.records.labels import read_labels
from vsim_tf.records.tags import read_tag_list
from vsim_tf.records.tfrecords import read_records
from vsim_tf.records.videos import check_video

DIM = 64
SIZES = {
    "num_pointwise": 30,
    "num_pairwise_videos": 60,
    "num_pairs": 80,
    "num_test_videos": 300,
    "num_test_pairs": 800,
    "frame_embedding_size": DIM,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "demo"
    assert write_demo_data(str(path), **SIZES)
    return path


def read_videos(*files):
    """Id to (title, frames `[frames, dim]`, tags)."""
    videos = {}
    for file in files:
        for number, (_, data) in enumerate(read_records(file)):
            video_id = check_video(data, DIM, f"{file}, record {number}")
            feature = tf.train.Example.FromString(data).features.feature
            frames = np.frombuffer(b"".join(feature["frame_feature"].bytes_list.value), "<f2").reshape(-1, DIM)
            tags = list(feature["tag_id"].int64_list.value) if "tag_id" in feature else None
            videos[video_id] = (feature["title"].bytes_list.value[0].decode(), frames.astype(np.float32), tags)
    return videos


def content(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def spearman(pairs, vectors):
    vectors = {key: value / max(np.linalg.norm(value), 1e-9) for key, value in vectors.items()}
    return spearmanr([vectors[a] @ vectors[b] for a, b, _ in pairs], [pair.similarity for pair in pairs]).statistic


def test_parts_are_complete_and_disjoint(folder):
    parts = [read_videos(*folder.glob(f"{part}/*.tfrecords")) for part in ("pointwise", "pairwise", "test_a", "test_b")]
    assert [len(part) for part in parts] == [30, 60, 300, 300]
    assert len(set().union(*parts)) == 690
    for part, videos in zip(("pairwise", "test_a", "test_b"), parts[1:], strict=True):
        assert {video_id for pair in read_labels(folder / part / "label.tsv") for video_id in pair[:2]} <= set(videos)
    assert all(tags is None for videos in parts[2:] for _, _, tags in videos.values())
    listed = set(read_tag_list(folder / "tag_list.txt"))
    assert len(listed) == 200 and set().union(*(tags for _, _, tags in parts[0].values())) & listed


def test_titles_and_frames_are_contest_like(folder):
    videos = read_videos(folder / "test_a/test_a.tfrecords")
    counts = [len(frames) for _, frames, _ in videos.values()]
    assert min(counts) >= 5 and max(counts) <= 32 and 15.5 < np.mean(counts) < 17.7
    assert all(7 <= len(title) <= 30 for title, _, _ in videos.values())
    neighbours = [
        (a @ b) / np.linalg.norm(a) / np.linalg.norm(b) for _, frames, _ in videos.values() for a, b in itertools.pairwise(frames)
    ]
    assert 0.77 < np.mean(neighbours) < 0.83
    frames = np.concatenate([frames for _, frames, _ in videos.values()])
    norms = np.linalg.norm(frames, axis=1)
    assert np.percentile(norms, 3) > 9 and np.percentile(norms, 97) < 15 and 0.4 < (frames < 0).mean() < 0.57


def test_test_b_has_the_extremes(folder):
    videos = read_videos(folder / "test_b/test_b.tfrecords").values()
    assert sum(title == "" for title, _, _ in videos) == 1 and sum(len(frames) == 1 for _, frames, _ in videos) == 1


def test_similarities_have_the_contest_histogram(folder):
    counts = Counter(pair.similarity for pair in read_labels(folder / "test_a/label.tsv"))
    assert set(counts) == {round(step / 20, 2) for step in range(21)}
    assert counts[0.0] / 800 == pytest.approx(0.364, abs=0.005) and counts[1.0] / 800 == pytest.approx(0.139, abs=0.005)


def test_raw_features_are_mediocre(folder):
    from sklearn.feature_extraction.text import TfidfVectorizer

    videos, pairs = read_videos(folder / "test_a/test_a.tfrecords"), read_labels(folder / "test_a/label.tsv")
    assert 0.25 < spearman(pairs, {key: frames.mean(axis=0) for key, (_, frames, _) in videos.items()}) < 0.5
    rows = TfidfVectorizer(analyzer="char", ngram_range=(1, 2)).fit_transform(v[0] for v in videos.values()).toarray()
    assert 0.25 < spearman(pairs, dict(zip(videos, rows, strict=True))) < 0.5


def test_who_knows_the_leaves_knows_the_similarity():
    rng = np.random.default_rng(0)
    world = demo_world.make_world(rng, DIM)
    _, depths = demo._draw_pairs(world, rng.choice(demo_world.NUM_LEAVES, 400, p=world.popularity), 1000, rng)
    assert spearmanr(depths, demo._similarities(depths, rng)).statistic > 0.9


def test_neither_text_nor_looks_tell_all_leaves_apart():
    world = demo_world.make_world(np.random.default_rng(0), DIM)
    own, category = np.arange(demo_world.NUM_LEAVES), world.paths[:, 0]
    shares_words = world.text != own
    assert shares_words.sum() == 90 and (category[world.text[shares_words]] != category[shares_words]).all()
    looks_like_another = np.bincount(world.looks)[world.looks] == 2
    assert (looks_like_another == ~shares_words).all()


def test_same_arguments_same_bytes_another_seed_other_bytes(folder, tmp_path):
    write_demo_data(str(tmp_path / "same"), **SIZES)
    assert content(tmp_path / "same") == content(folder)
    write_demo_data(str(tmp_path / "other"), **SIZES, seed=1)
    assert not set(content(tmp_path / "other").values()) & set(content(folder).values())


def test_an_existing_set_is_kept(folder, tmp_path):
    before = content(folder)
    assert not write_demo_data(str(folder), **SIZES)
    with pytest.raises(UserError, match="holds demo data of other parameters"):
        write_demo_data(str(folder), **SIZES, seed=5)
    assert content(folder) == before
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UserError, match="is no demo data set"):
        write_demo_data(str(tmp_path), **SIZES)


def test_a_second_writer_is_refused(folder, tmp_path):
    with exclusive(tmp_path / "demo"), pytest.raises(UserError, match="demo: another process is writing into it"):
        write_demo_data(str(tmp_path / "demo"), **SIZES)
    assert not list(tmp_path.iterdir())
    with exclusive(folder):  # by one that will find it complete
        assert not write_demo_data(str(folder), **SIZES)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"num_pairs": 0}, "--num_pairs is 0; expected at least 1"), ({"num_test_videos": 5}, "--num_test_videos is 5")],
)
def test_bad_sizes(tmp_path, changes, message):
    with refused(message):
        write_demo_data(str(tmp_path / "demo"), **changes)
    assert not list(tmp_path.iterdir())


def test_a_failure_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "_write_pairs", lambda *args: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_demo_data(str(tmp_path / "demo"), **SIZES)
    assert not list(tmp_path.iterdir())


def test_folds_can_be_written_from_it(folder, tmp_path):
    manifest = write_folds(
        f"{folder}/pairwise/*.tfrecords", f"{folder}/pairwise/label.tsv", str(tmp_path / "folds"), frame_embedding_size=DIM
    )
    assert manifest.num_folds == 11 and sum(entry.records for entry in manifest.files.values()) == 80


def test_command_line_fails_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    run = subprocess.run(
        [sys.executable, "-m", "vsim_tf.demo", f"--output_dir={tmp_path}/file/demo"], capture_output=True, text=True
    )
    assert run.returncode == 2 and run.stderr.count("\n") == 1 and "--output_dir" in run.stderr


def test_parameters_are_noted(folder):
    assert json.loads((folder / "demo.json").read_text()) == {"version": 2, "seed": 2021, **SIZES}

"""The development split of benchmarks/held_out.py."""

import numpy as np
import pytest
import toys

from benchmarks import held_out
from vsim_tf.evaluation.raw_videos import RawVideos, sample_raw_videos
from vsim_tf.records.labels import Pair, read_labels, write_labels


def videos(titles, tags):
    ids = [f"v{row}" for row in range(len(titles))]
    return RawVideos(ids, titles, np.zeros((len(titles), 1)), tags)


def test_what_makes_videos_alike():
    """A title, a rare set of tags in any order, a similar pair; not a short title, common tags, no tags, a less similar pair."""
    titles = ["天地玄黄", "天地玄黄", "宇宙", "宇宙", *(f"标题{row:04}" for row in range(46))]
    tags = [[1], [2], [3, 4], [5], [4, 3], [], [], *([[9]] * 41), [6], [7]]
    pairs = [Pair("v48", "v49", 0.95), Pair("v0", "v3", 0.9)]
    group = held_out.groups(videos(titles, tags), pairs)
    members = [np.flatnonzero(group == number).tolist() for number in range(group.max() + 1)]
    assert [rows for rows in members if len(rows) > 1] == [[0, 1], [2, 4], [48, 49]]


def test_zeros_fill_four_of_ten():
    shown = videos(["a"] * 8, [[1], [1], [2], [2], [3], [3], [4], [4]])
    pairs = [Pair("v0", "v1", 0.5), Pair("v2", "v3", 0.5), Pair("v0", "v2", 0.0)]
    found = held_out.zeros(shown, np.arange(8), pairs, np.random.default_rng(0))
    assert len(found) == 0  # of three pairs one is a third: (0.4 · 3 − 1) / 0.6 is 0.33
    found = held_out.zeros(shown, np.arange(8), pairs[:2] * 3, np.random.default_rng(0))
    assert len(found) == 4 and all(pair.similarity == 0 for pair in found)
    assert not [pair for pair in found if int(pair.id_1[1]) // 2 == int(pair.id_2[1]) // 2]


@pytest.fixture
def data(tmp_path):
    (tmp_path / "pointwise").mkdir()
    (tmp_path / "pairwise").mkdir()
    toys.write_records(tmp_path / "pointwise/a.tfrecords", toys.random_videos(40))
    ids = sample_raw_videos([str(tmp_path / "pointwise/a.tfrecords")], toys.DIM).ids
    random = np.random.default_rng(1)
    chosen = (random.choice(ids, 2, replace=False) for _ in range(60))
    write_labels(tmp_path / "pairwise/label.tsv", [Pair(str(a), str(b), round(random.random(), 2)) for a, b in chosen])
    (tmp_path / "tag_list.txt").write_text("3\n10\n")
    return tmp_path


def test_no_video_is_on_both_sides(data, tmp_path):
    held_out.main(str(data), str(tmp_path / "split"), str(toys.DIM))
    of_set = {
        name: set(sample_raw_videos([str(tmp_path / f"split/{name}/{name}.tfrecords")], toys.DIM).ids)
        for name in ("pointwise", "pairwise", "test_a")
    }
    assert of_set["pairwise"] <= of_set["pointwise"] and of_set["test_a"] and not of_set["pointwise"] & of_set["test_a"]
    for name in ("pairwise", "test_a"):
        assert {video for pair in read_labels(tmp_path / f"split/{name}/label.tsv") for video in pair[:2]} == of_set[name]
    assert (tmp_path / "split/tag_list.txt").read_text() == "3\n10\n"


def test_videos_that_all_share_a_tag_have_no_zeros_and_no_links_are_no_groups():
    shown = videos(["a"] * 4, [[1]] * 4)
    assert held_out.zeros(shown, np.arange(4), [Pair("v0", "v1", 0.5)] * 9, np.random.default_rng(0)) == []
    assert sorted(held_out.groups(videos(["a"] * 4, [[]] * 4), [])) == [0, 1, 2, 3]

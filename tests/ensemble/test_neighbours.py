"""Nearest videos by hand."""

import numpy as np
import pytest

from vsim_tf.ensemble.page.blocks import Gallery, ShownVideo, Text
from vsim_tf.ensemble.page.neighbours import nearest, neighbours_blocks

ANGLES = {"a": 0, "b": 10, "c": 30, "d": 90}
VALUES = np.array([[np.cos(np.radians(angle)), np.sin(np.radians(angle))] for angle in ANGLES.values()]) * [[1], [5], [2], [1]]


def test_the_nearest_by_angle_whatever_the_norm():
    found = {each.query: each.found for each in nearest(list(ANGLES), VALUES, found=2)}
    assert {query: [video for video, _ in others] for query, others in found.items()} == {
        "a": ["b", "c"], "b": ["a", "c"], "c": ["b", "a"], "d": ["c", "b"]
    }  # fmt: skip
    assert [cosine for _, cosine in found["c"]] == pytest.approx([np.cos(np.radians(20)), np.cos(np.radians(30))])


def test_queries_are_spread_over_the_set():
    ids = [f"v{number}" for number in range(101)]
    found = nearest(ids, np.random.default_rng(1).normal(size=(101, 3)), queries=5)
    assert [each.query for each in found] == ["v0", "v25", "v50", "v75", "v100"]
    assert all(len(set(each.ids)) == 6 for each in found)


def test_cards_have_titles_and_notes():
    videos = {name: ShownVideo(name, f"title {name}") for name in ANGLES}
    said, gallery = neighbours_blocks(nearest(list(ANGLES), VALUES, 1, 1), videos, "said", lambda video: f"class {video}")
    assert said == Text("said") and isinstance(gallery, Gallery)
    ((first, second),) = [card.videos for card in gallery.cards]
    assert first == (videos["a"], "class a")
    assert second == (videos["b"], "0.985 · class b")


def test_a_single_video_has_no_neighbours():
    found = nearest(["a"], VALUES[:1])
    assert neighbours_blocks(found, {"a": ShownVideo("a")}, "said") == [Text("Neighbours are left out: there is one video.")]
